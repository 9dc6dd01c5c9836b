//! One request, and how its generation spells the values in it (http.md 3.2, 3.3, 5).

use compact_str::CompactString;

use crate::{
    http::{
        Api,
        caller::Caller,
        nacos::{Fault, Generation, Route, metadata},
        params::Params,
    },
    model::{
        ClientId, DEFAULT_CLUSTER, Flag, IllegalParam, Instance, InstanceId, Metadata, Param, ServiceKey, check_param,
        check_port, limits,
    },
    node::{Input, Reply},
};

/// A request of one generation.
pub(super) struct Call<'a> {
    pub(super) api: &'a Api,
    pub(super) caller: &'a Caller,
    pub(super) params: &'a Params,
    pub(super) generation: Generation,
    /// Whether the operation only reads.
    reads: bool,
    /// Labels that are given.
    pub(super) metadata: Metadata,
}

impl<'a> Call<'a> {
    /// Checks all parameters that are there, before any is missed: as the filter of a Nacos server does.
    pub(super) fn new(api: &'a Api, caller: &'a Caller, params: &'a Params, route: &Route) -> Result<Self, Fault> {
        let (generation, reads) = (route.generation, route.method.reads());
        let call = Self { api, caller, params, generation, reads, metadata: Metadata::default() };
        if route.is_checked() {
            call.check_names()?;
        }
        let given = params.text("metadata");
        // The first generation trims what it reads.
        let metadata = metadata::parse(if generation == Generation::V1 { given.trim() } else { given })?;
        Ok(Self { metadata, ..call })
    }

    /// Gives the node an input.
    pub(super) fn handle(&self, input: Input) -> Result<Reply, Fault> {
        Ok(self.api.connections.runtime().handle(input)?)
    }

    fn check_names(&self) -> Result<(), Fault> {
        for namespace in ["namespaceId", "customNamespaceId"] {
            check_param(Param::Namespace, self.params.text(namespace))?;
        }
        check_param(Param::NamespaceName, self.params.text("namespaceName"))?;
        let (group, name) = self.names();
        check_param(Param::Service, name)?;
        check_param(Param::Group, group)?;
        // The newer generations look for any text among the clusters there are.
        if self.generation == Generation::V1 || !self.reads {
            for clusters in ["clusterName", "cluster", "clusters"] {
                self.params.text(clusters).split(',').try_for_each(|cluster| check_param(Param::Cluster, cluster))?;
            }
        }
        Ok(())
    }

    /// A required parameter that is absent or empty, in the words for this operation.
    fn missing(&self, name: &'static str, kind: &'static str) -> Fault {
        if self.generation != Generation::V2 || !self.reads {
            return Fault::Missing { name, kind };
        }
        match self.params.get(name) {
            None => Fault::MissingSingle { name, kind },
            Some(_) if kind == "Integer" => Fault::EmptySingle { name, kind },
            Some(_) => Fault::validation(format!("Param '{name}' is illegal, {name} is blank")),
        }
    }

    /// What a parameter says, without blanks around it; none when it is absent or blank.
    pub(super) fn given(&self, name: &str) -> Option<&'a str> {
        Some(self.params.text(name).trim()).filter(|given| !given.is_empty())
    }

    /// A parameter that the operation cannot do without.
    pub(super) fn required(&self, name: &'static str, kind: &'static str) -> Result<&str, Fault> {
        self.given(name).ok_or(Fault::Missing { name, kind })
    }

    /// The same, in the words of where parameters are read one by one.
    pub(super) fn required_single(&self, name: &'static str, kind: &'static str) -> Result<&str, Fault> {
        self.given(name).ok_or(Fault::MissingSingle { name, kind })
    }

    /// A parameter that must be there but may be empty, in the words of where parameters are read one by one.
    pub(super) fn single(&self, name: &'static str, kind: &'static str) -> Result<&'a str, Fault> {
        self.params.get(name).ok_or(Fault::MissingSingle { name, kind })
    }

    /// The same, in the words of operations on namespaces and nodes.
    pub(super) fn present(&self, name: &str) -> Result<&'a str, Fault> {
        self.params.get(name).ok_or_else(|| Fault::lacking(name))
    }

    /// Group and plain name as they are given; a grouped name decides the group.
    fn names(&self) -> (&str, &str) {
        let name = self.params.text("serviceName");
        name.split_once("@@").unwrap_or((self.params.text("groupName"), name))
    }

    /// The service that is meant.
    pub(super) fn service(&self) -> Result<ServiceKey, Fault> {
        let given = self.params.text("serviceName");
        let v1 = self.generation == Generation::V1;
        if given.is_empty() || (!v1 && given.trim().is_empty()) {
            return Err(self.missing("serviceName", "String"));
        }
        let (group, name) = self.names();
        if name.trim().is_empty() {
            return Err(not_grouped());
        }
        if given.contains("@@") && group.trim().is_empty() {
            return Err(Fault::validation("Param 'serviceName' is illegal, groupName can't be empty"));
        }
        Ok(ServiceKey::new(self.params.text("namespaceId"), group, name)?)
    }

    /// The service, where the older generations read parameters one by one.
    pub(super) fn single_service(&self) -> Result<ServiceKey, Fault> {
        if self.generation != Generation::V3 && self.params.get("serviceName").is_none() {
            return Err(Fault::MissingSingle { name: "serviceName", kind: "String" });
        }
        self.service()
    }

    /// The service of an operation that wants its name grouped in the second generation.
    pub(super) fn grouped_service(&self) -> Result<ServiceKey, Fault> {
        let given = self.params.text("serviceName");
        if self.generation == Generation::V2 && !given.trim().is_empty() && !given.contains("@@") {
            return Err(not_grouped());
        }
        self.service()
    }

    /// Namespace and group of an operation that names no service.
    pub(super) fn group(&self) -> Result<ServiceKey, Fault> {
        Ok(ServiceKey::new(self.params.text("namespaceId"), self.params.text("groupName"), "")?)
    }

    /// The address, which makes the client. Lists take the same names for where a caller wants datagrams, unchecked.
    pub(super) fn address(&self) -> Result<(&str, u16), Fault> {
        let ip = self.params.text("ip");
        check_param(Param::Ip, ip)?;
        if ip.trim().is_empty() {
            return Err(self.missing("ip", "String"));
        }
        let given = self.params.text("port");
        if given.trim().is_empty() {
            return Err(self.missing("port", "Integer"));
        }
        Ok((ip, port(given)?))
    }

    /// An address that may be left out, wholly or in part.
    pub(super) fn any_address(&self) -> Result<(Option<&str>, Option<u16>), Fault> {
        let ip = self.given("ip");
        check_param(Param::Ip, ip.unwrap_or_default())?;
        Ok((ip, self.given("port").map(port).transpose()?))
    }

    /// The cluster of an instance; only the first generation knows the short name.
    pub(super) fn cluster(&self) -> &str {
        let names: &[&str] =
            if self.generation == Generation::V1 { &["clusterName", "cluster"] } else { &["clusterName"] };
        names.iter().find_map(|name| self.given(name)).unwrap_or(DEFAULT_CLUSTER)
    }

    /// A boolean of an instance.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Fault> {
        let given = self.params.text(name).trim().to_ascii_lowercase();
        match (given.as_str(), self.generation) {
            ("", _) => Ok(default),
            (given, Generation::V1) => Ok(matches!(given, "y" | "yes" | "on" | "true" | "t")),
            ("true" | "on" | "yes" | "1", _) => Ok(true),
            ("false" | "off" | "no" | "0", _) => Ok(false),
            _ => Err(Fault::validation(format!("Invalid boolean value [{given}] of '{name}'"))),
        }
    }

    /// Whether an instance lives by its client. For callers of the first generation who do not say, operators do.
    pub(super) fn ephemeral(&self) -> Result<bool, Fault> {
        let default = self.generation != Generation::V1 || self.api.switches().flag(Flag::DefaultEphemeral);
        self.flag("ephemeral", default)
    }

    /// A boolean of a read; the first generation knows one spelling only.
    pub(super) fn read_flag(&self, name: &str) -> Result<bool, Fault> {
        match self.generation {
            Generation::V1 => Ok(self.params.text(name).eq_ignore_ascii_case("true")),
            _ => self.flag(name, false),
        }
    }

    /// A boolean of which neither value is the usual one.
    pub(super) fn optional_flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.given(name).map(|_| self.flag(name, false)).transpose()
    }

    /// A number of a page or its size, which may be left out.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i32>, Fault> {
        self.given(name).map(Fault::parsed).transpose()
    }

    /// The same with a default, or required.
    pub(super) fn number(&self, name: &'static str, default: Option<i32>) -> Result<i32, Fault> {
        match (self.integer(name), self.generation) {
            (Ok(given), _) => given.or(default).ok_or(Fault::Missing { name, kind: "int" }),
            // Read as 0, which is taken as the first page and an empty one.
            (Err(_), Generation::V1) => Ok(0),
            (Err(fault), _) => Err(fault),
        }
    }

    /// The weight of an instance, within its range.
    pub(super) fn weight(&self) -> Result<f64, Fault> {
        let weight = self.given("weight").map_or(Ok(1.0), Fault::parsed)?;
        if limits::WEIGHTS.contains(&weight) { Ok(weight) } else { Err(Fault::weight()) }
    }

    /// The client and the instance that a registration describes.
    pub(super) fn instance(&self) -> Result<(ClientId, Box<Instance>), Fault> {
        let (ip, port) = self.address()?;
        // The newer generations know no generators.
        let v1 = self.generation == Generation::V1;
        let id = if v1 { InstanceId::generated(&self.metadata)? } else { InstanceId::Derived };
        let enabled = if v1 { self.flag("enable", true)? } else { true };
        let instance = Instance {
            ip: CompactString::from(ip),
            port,
            cluster: self.cluster().into(),
            weight: self.weight()?,
            healthy: self.flag("healthy", true)?,
            enabled: self.flag("enabled", enabled)?,
            metadata: self.metadata.clone(),
            id,
        };
        instance.check_legal()?;
        Ok((ClientId::address(ip, port), Box::new(instance)))
    }
}

fn not_grouped() -> Fault {
    Fault::validation("Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'")
}

/// A port.
pub(super) fn port(given: &str) -> Result<u16, IllegalParam> {
    check_port(given.parse().map_err(|_| IllegalParam::Port)?)
}
