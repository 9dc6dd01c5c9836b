//! The bodies of unary naming requests.

use compact_str::CompactString;
use serde::Deserialize;

use crate::{
    model::{Instance, Param, Published, ServiceKey, check_param, check_port},
    wire::{
        Refusal, RequestType,
        instance::InstanceForm,
        json::{self, Object},
    },
};

/// A request that reads and whose parameters are legal.
#[derive(Debug)]
pub enum Request {
    /// Keep the connection alive.
    HealthCheck,
    /// One ephemeral instance.
    Instance(ServiceKey, InstanceOperation),
    /// One persistent instance, which is not the connection's.
    PersistentInstance(ServiceKey, PersistentInstanceOperation),
    /// All that the connection publishes for the service.
    Batch(ServiceKey, Published),
    /// Subscribe with a filter (`clusters` is echoed as asked), or unsubscribe.
    Subscribe {
        /// The service.
        service: ServiceKey,
        /// The filter as asked.
        clusters: CompactString,
        /// False to unsubscribe.
        subscribe: bool,
    },
    /// Read once.
    Query {
        /// The service.
        service: ServiceKey,
        /// The filter as asked.
        clusters: CompactString,
        /// Leave unhealthy instances out.
        healthy_only: bool,
    },
    /// Names of a group, by page.
    List {
        /// Namespace and group; the name says nothing.
        group: ServiceKey,
        /// From 1.
        page: usize,
        /// Names a page.
        size: usize,
    },
    /// Legal, but of a feature that is not there.
    NotImplemented(RequestType),
}

/// What is to be done with an instance.
#[derive(Debug)]
pub enum InstanceOperation {
    /// Publish it in place of whatever this client published for the service.
    Register(Box<Instance>),
    /// Publish nothing for the service any more.
    Deregister,
}

impl InstanceOperation {
    /// The `type` that is echoed.
    pub fn name(&self) -> &'static str {
        match self {
            InstanceOperation::Register(_) => "registerInstance",
            InstanceOperation::Deregister => "deregisterInstance",
        }
    }
}

/// What is to be done with a persistent instance.
#[derive(Debug)]
pub enum PersistentInstanceOperation {
    /// It is this from now on, at its address.
    Register(Box<Instance>),
    /// There is none at an address any more.
    Deregister {
        /// An IP or a host name.
        ip: CompactString,
        /// Its port.
        port: u16,
    },
}

/// All fields of all naming requests; each request reads its own.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Form {
    #[serde(deserialize_with = "json::ignored_map")]
    headers: (),
    #[serde(deserialize_with = "json::text")]
    namespace: CompactString,
    #[serde(deserialize_with = "json::text")]
    service_name: CompactString,
    #[serde(deserialize_with = "json::text")]
    group_name: CompactString,
    #[serde(rename = "type", deserialize_with = "json::optional_text")]
    operation: Option<CompactString>,
    instance: Object<InstanceForm>,
    instances: Option<Vec<Object<InstanceForm>>>,
    #[serde(deserialize_with = "json::boolean")]
    subscribe: bool,
    #[serde(deserialize_with = "json::text")]
    clusters: CompactString,
    #[serde(deserialize_with = "json::text")]
    cluster: CompactString,
    #[serde(deserialize_with = "json::boolean")]
    healthy_only: bool,
    #[serde(deserialize_with = "json::integer")]
    udp_port: i32,
    #[serde(deserialize_with = "json::integer")]
    page_no: i32,
    #[serde(deserialize_with = "json::integer")]
    page_size: i32,
}

/// Reads the JSON `body` of a request of type `request`, in the order of checks of a Nacos server (grpc.md 3.1, 8).
pub fn decode(request: RequestType, body: &[u8]) -> Result<Request, Refusal> {
    let form: Form =
        json::read(body).map_err(|_| Refusal::malformed())?.ok_or(Refusal::state(502, "Invalid request"))?;
    match request {
        RequestType::HealthCheck => Ok(Request::HealthCheck),
        RequestType::Instance => form.instance_request(),
        RequestType::BatchInstance => form.batch_request(),
        RequestType::SubscribeService => form.subscribe_request(),
        RequestType::ServiceQuery => form.query_request(),
        RequestType::ServiceList => form.list_request(),
        RequestType::PersistentInstance => form.persistent_request(),
        RequestType::ServerCheck | RequestType::NotImplemented(..) | RequestType::ClusterOnly(_) => {
            Ok(Request::NotImplemented(request))
        }
    }
}

impl Form {
    fn service(&self) -> Result<ServiceKey, Refusal> {
        ServiceKey::new(&self.namespace, &self.group_name, &self.service_name).map_err(Refusal::param)
    }

    fn operation(&self) -> Result<&str, Refusal> {
        self.operation.as_deref().ok_or(Refusal::thrown(500, "The request has no type"))
    }

    fn instance_request(self) -> Result<Request, Refusal> {
        let service = self.service()?;
        self.check_instances()?;
        refuse_blank(&service)?;
        let operation = match self.operation()? {
            "registerInstance" => {
                let form = self.instance.0.ok_or(Refusal::thrown(400, "Instance can not be null."))?;
                let instance = form.into_instance(&service)?;
                instance.check_legal().map_err(|fault| Refusal::thrown(400, fault.to_string()))?;
                InstanceOperation::Register(Box::new(instance))
            }
            "deregisterInstance" if self.instance.0.is_some() => InstanceOperation::Deregister,
            "deregisterInstance" => return Err(Refusal::thrown(500, "Instance can not be null.")),
            other => return Err(unsupported(other)),
        };
        Ok(Request::Instance(service, operation))
    }

    /// Legality is not checked, as in Nacos: clients register persistent instances that no single registration would take.
    fn persistent_request(self) -> Result<Request, Refusal> {
        let service = self.service()?;
        self.check_instances()?;
        refuse_blank(&service)?;
        let operation = self.operation()?;
        if !matches!(operation, "registerInstance" | "deregisterInstance") {
            return Err(unsupported(operation));
        }
        let registers = operation == "registerInstance";
        let form = self.instance.0.ok_or(Refusal::thrown(500, "Instance can not be null."))?;
        let operation = if registers {
            PersistentInstanceOperation::Register(Box::new(form.into_lenient_instance(&service)?))
        } else {
            let (ip, port) = form.into_address()?;
            PersistentInstanceOperation::Deregister { ip, port }
        };
        Ok(Request::PersistentInstance(service, operation))
    }

    /// Nacos's parameter check of every instance a request carries.
    fn check_instances(&self) -> Result<(), Refusal> {
        if let Some(form) = &self.instance.0 {
            form.check_params()?;
        }
        for member in self.instances.iter().flatten() {
            let form = member.0.as_ref().ok_or_else(|| Refusal::param("an instance of the batch is null"))?;
            form.check_service_name()?;
            form.check_params()?;
        }
        Ok(())
    }

    fn batch_request(self) -> Result<Request, Refusal> {
        let service = self.service()?;
        self.check_instances()?;
        refuse_blank(&service)?;
        match self.operation()? {
            "batchRegisterInstance" => {}
            other => return Err(unsupported(other)),
        }
        let forms = self.instances.ok_or(Refusal::thrown(500, "The list of instances is missing"))?;
        let publish = |form: InstanceForm| form.into_lenient_instance(&service);
        let instances: Result<Box<[Instance]>, Refusal> =
            forms.into_iter().filter_map(|member| member.0).map(publish).collect();
        Ok(Request::Batch(service, Published::Batch(instances?)))
    }

    fn subscribe_request(self) -> Result<Request, Refusal> {
        let service = self.service()?;
        check_clusters(&self.clusters)?;
        refuse_blank(&service)?;
        Ok(Request::Subscribe { service, clusters: self.clusters, subscribe: self.subscribe })
    }

    fn query_request(self) -> Result<Request, Refusal> {
        let service = self.service()?;
        check_clusters(&self.cluster)?;
        check_port(self.udp_port.into()).map_err(Refusal::param)?;
        Ok(Request::Query { service, clusters: self.cluster, healthy_only: self.healthy_only })
    }

    fn list_request(self) -> Result<Request, Refusal> {
        let group = self.service()?;
        let size = usize::try_from(self.page_size)
            .map_err(|_| Refusal::thrown(500, format!("pageSize {} is negative", self.page_size)))?;
        Ok(Request::List { group, page: usize::try_from(self.page_no).unwrap_or(1).max(1), size })
    }
}

fn refuse_blank(service: &ServiceKey) -> Result<(), Refusal> {
    if service.name.trim().is_empty() {
        return Err(Refusal::thrown(500, "Param 'serviceName' is illegal, serviceName is blank"));
    }
    Ok(())
}

fn unsupported(operation: &str) -> Refusal {
    Refusal::thrown(400, format!("Unsupported request type {operation}"))
}

fn check_clusters(list: &str) -> Result<(), Refusal> {
    list.split(',').try_for_each(|cluster| check_param(Param::Cluster, cluster)).map_err(Refusal::param)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Shape;

    fn refusal(request: RequestType, body: &str) -> (Shape, i32, i32, String) {
        let refusal = decode(request, body.as_bytes()).expect_err("refused");
        (refusal.shape, refusal.result, refusal.code, refusal.message.expect("a message").into_owned())
    }

    fn register(instance: &str) -> String {
        format!(
            r#"{{"serviceName":"s","groupName":"g","namespace":"n","type":"registerInstance","instance":{instance}}}"#
        )
    }

    #[test]
    fn the_first_fault_in_order_is_reported() {
        let unreadable = refusal(RequestType::Instance, "{");
        assert_eq!((unreadable.0, unreadable.1, unreadable.2), (Shape::Error, 500, 502));
        let param = refusal(RequestType::Instance, &register(r#"{"ip":"a b"}"#));
        assert_eq!((param.0, param.1, param.2), (Shape::Typed, 500, 400));
        assert!(param.3.starts_with("Param check invalid:Param 'ip' is illegal, illegal"), "{}", param.3);
        let blank = refusal(RequestType::Instance, "{}");
        assert_eq!((blank.0, blank.1, blank.2), (Shape::Error, 500, 500));
        let illegal = refusal(RequestType::Instance, &register(r#"{"clusterName":"c_1"}"#));
        assert_eq!((illegal.0, illegal.1, illegal.2), (Shape::Error, 400, 400));
        assert_eq!(refusal(RequestType::HealthCheck, "null").3, "Invalid request");
    }

    #[test]
    fn a_missing_instance_is_told_apart_by_operation() {
        assert_eq!(refusal(RequestType::Instance, &register("null")).1, 400);
        let deregister = register("null").replace("registerInstance", "deregisterInstance");
        assert_eq!(refusal(RequestType::Instance, &deregister).1, 500);
    }

    #[test]
    fn absent_values_of_an_instance_have_nacos_defaults() {
        let read = decode(RequestType::Instance, register("{}").as_bytes()).expect("reads");
        let Request::Instance(_, InstanceOperation::Register(instance)) = read else { panic!("not a registration") };
        assert_eq!(*instance, Instance::default());
    }

    #[test]
    fn an_id_that_was_derived_is_not_kept() {
        let read = decode(
            RequestType::Instance,
            register(r#"{"ip":"1.1.1.1","instanceId":"1.1.1.1#0#DEFAULT#g@@s"}"#).as_bytes(),
        );
        let Ok(Request::Instance(_, InstanceOperation::Register(instance))) = read else {
            panic!("not a registration")
        };
        assert_eq!(instance.id, crate::model::InstanceId::Derived);
    }

    #[test]
    fn pages_count_from_one() {
        for (page, expected) in [("0", 1), ("-5", 1), ("3", 3)] {
            let body = format!(r#"{{"pageNo":{page},"pageSize":10}}"#);
            let Ok(Request::List { page, .. }) = decode(RequestType::ServiceList, body.as_bytes()) else {
                panic!("a list")
            };
            assert_eq!(page, expected);
        }
    }
}
