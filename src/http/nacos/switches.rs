//! Operations on the switches of a running server (http.md 8.4, 11, 12.2): how values read, and how they are shown.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{self, V1, V2, V3},
        Route, Step,
        operation::{
            Kind,
            Method::{Get, Put},
            Operation, Param,
        },
    },
    model::{Flag, Language, Probe, ProbePace, Proposal, ServerStatus, Span, Switch, Switches, limits},
    node::Input,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/ns/operator/switches", V1, &SHOW),
    Route::new(Get, "/v1/ns/ops/switches", V1, &SHOW),
    Route::new(Put, "/v1/ns/operator/switches", V1, &SET),
    Route::new(Put, "/v1/ns/ops/switches", V1, &SET),
    Route::new(Get, "/v2/ns/operator/switches", V2, &SHOW),
    Route::new(Get, "/v2/ns/ops/switches", V2, &SHOW),
    Route::new(Put, "/v2/ns/operator/switches", V2, &SET),
    Route::new(Put, "/v2/ns/ops/switches", V2, &SET),
    Route::new(Get, "/v3/admin/ns/ops/switches", V3, &SHOW),
    Route::new(Put, "/v3/admin/ns/ops/switches", V3, &SET),
];

const SHOW: Operation = Operation {
    name: "getSwitches",
    summary: "Shows all switches of the server.",
    params: &[],
    faults: &[],
    run: show,
};

const SET: Operation = Operation {
    name: "setSwitch",
    summary: "Sets one switch of the server. One that is not known is no fault, and nothing is set.",
    params: &[
        Param::new(Kind::Text, "entry", "clientBeatInterval", "Name of the switch.").required(),
        Param::new(Kind::Text, "value", "5000", "Its value.").required(),
        Param::new(Kind::Boolean, "debug", "false", "Whether only this node is to change."),
    ],
    faults: &[],
    run: set,
};

fn show(call: &Call<'_>) -> Result<Step, Fault> {
    let switches = call.api.switches();
    Ok(Answer::json(&shown(call.generation, &switches)))
}

fn set(call: &Call<'_>) -> Result<Step, Fault> {
    let (entry, value) = (call.single("entry", "String")?, call.single("value", "String")?);
    let this_node_only = call.read_flag("debug")?;
    let switch = read(entry, value).map_err(Fault::validation)?;
    Ok(match switch {
        None => Answer::Done.into(),
        Some(switch) if this_node_only => Step::write(Input::Switch(switch)),
        Some(switch) => Step::propose(Proposal::Switch(switch)),
    })
}

/// The switch of this name with a value, as its text says; none when there is no such switch. Else what is wrong with it.
fn read(entry: &str, value: &str) -> Result<Option<Switch>, String> {
    if value.len() > limits::SWITCH_VALUE {
        return Err(format!("the value is longer than {} bytes", limits::SWITCH_VALUE));
    }
    if let Some((flag, ..)) = Flag::ALL.iter().find(|(_, name, ..)| *name == entry) {
        return Ok(Some(Switch::Flag(*flag, value.eq_ignore_ascii_case("true"))));
    }
    if let Some((span, ..)) = Span::ALL.iter().find(|(_, name, ..)| *name == entry) {
        return Ok(Some(Switch::Span(*span, read_span(*span, value)?)));
    }
    if let Some((probe, ..)) = Probe::ALL.iter().find(|(_, name, _)| *name == entry) {
        return Ok(Some(Switch::Pace(*probe, read_pace(*probe, value)?)));
    }
    Ok(Some(match entry {
        "distroThreshold" => match number::<f64>(value)? {
            threshold if threshold > 0.0 && threshold.is_finite() => Switch::DistroThreshold(threshold),
            threshold => return Err(format!("distroThreshold can not be zero or negative: {threshold:?}")),
        },
        "healthCheckTimes" => Switch::CheckTimes(number(value)?),
        "pushVersion" => read_push_version(value)?,
        "masters" => Switch::Masters(value.split(',').map(CompactString::from).collect()),
        "limitedUrlMap" => Switch::LimitedUrls(read_limited_urls(value).ok_or("invalid input for limited urls")?),
        "overriddenServerStatus" => Switch::Status(read_status(value)?),
        _ => return Ok(None),
    }))
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("For input string: \"{value}\""))
}

fn read_span(span: Span, value: &str) -> Result<u64, String> {
    let millis = number(value)?;
    match span {
        Span::PushCache if millis < 10_000 => Err("min cache time for http or tcp is too small(<10000)".to_owned()),
        Span::DefaultCache if millis < 1_000 => Err("min default cache time  is too small(<1000)".to_owned()),
        // Clients would beat without a pause.
        Span::ClientBeat if millis == 0 => Err("clientBeatInterval can not be zero".to_owned()),
        _ => Ok(millis),
    }
}

fn read_pace(probe: Probe, value: &str) -> Result<ProbePace, String> {
    #[derive(Deserialize)]
    struct Pace {
        max: u64,
        min: u64,
        factor: f64,
    }
    let (what, least, least_max) = match probe {
        Probe::Http | Probe::Tcp => ("http or tcp", 500, 3_000),
        Probe::Mysql => ("mysql", 2_000, 3_000),
    };
    let Pace { max, min, factor } = serde_json::from_str(value).map_err(|fault| fault.to_string())?;
    if min < least {
        return Err(format!("min check time for {what} is too small(<{least})"));
    }
    if max < least_max {
        return Err(format!("max check time for {what} is too small(<{least_max})"));
    }
    if !(0.0..=1.0).contains(&factor) {
        return Err("malformed factor".to_owned());
    }
    Ok(ProbePace { max, min, factor })
}

fn read_push_version(value: &str) -> Result<Switch, String> {
    let (language, version) = value.split_once(':').ok_or("a client type and a version, joined by a colon")?;
    let language = Language::ALL.iter().find(|(_, name, _)| *name == language);
    let (language, ..) = language.ok_or_else(|| format!("unsupported client type: {}", prefix(value)))?;
    let parts: Vec<&str> = version.split('.').collect();
    let is_part = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() == 3 && parts.iter().all(is_part) {
        Ok(Switch::PushVersion(*language, version.into()))
    } else {
        Err(format!("illegal version, three numbers of at most two digits: {version}"))
    }
}

fn prefix(value: &str) -> &str {
    value.split(':').next().unwrap_or(value)
}

/// `path:status,path:status`; the empty text is for none at all.
fn read_limited_urls(value: &str) -> Option<BTreeMap<CompactString, u16>> {
    let pairs = value.split(',').filter(|_| !value.is_empty()).map(|pair| {
        let (path, status) = pair.split_once(':')?;
        // Others announce more to come, or are none.
        let status: u16 = status.parse().ok().filter(|status| (200..600).contains(status))?;
        path.starts_with('/').then(|| (path.into(), status))
    });
    pairs.collect()
}

/// A status by its name; `null` and nothing are for what the server is.
fn read_status(value: &str) -> Result<Option<ServerStatus>, String> {
    if matches!(value, "" | "null") {
        return Ok(None);
    }
    let named = ServerStatus::ALL.iter().find(|(_, name)| *name == value).map(|(status, _)| Some(*status));
    named.ok_or_else(|| format!("unsupported server status: {value}"))
}

/// All switches under the names that a generation has for them.
fn shown(generation: Generation, switches: &Switches) -> Value {
    let mut all = Map::new();
    for (flag, _, name, _) in Flag::ALL {
        all.insert(name.to_owned(), switches.flag(flag).into());
    }
    for (span, _, name, _) in Span::ALL {
        all.insert(name.to_owned(), switches.span(span).into());
    }
    for (probe, name, _) in Probe::ALL {
        let ProbePace { max, min, factor } = switches.pace(probe);
        all.insert(name.to_owned(), json!({"max": max, "min": min, "factor": factor}));
    }
    for (language, ..) in Language::ALL {
        all.insert(version_name(generation, language).to_owned(), switches.push_version(language).into());
    }
    let rest = json!({
        "name": "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00",
        "checksum": null,
        "masters": switches.masters,
        "distroThreshold": switches.distro_threshold,
        "checkTimes": switches.check_times,
        "limitedUrlMap": switches.limited_urls,
        "overriddenServerStatus": switches.status.map(ServerStatus::name),
        "adWeightMap": {},
        "incrementalList": [],
        "healthCheckWhiteList": [],
        "enableAuthentication": false,
    });
    if let Value::Object(rest) = rest {
        all.extend(rest);
    }
    Value::Object(all)
}

fn version_name(generation: Generation, language: Language) -> &'static str {
    match (language, generation) {
        (Language::Java, V1 | V2) => "pushJavaVersion",
        (Language::Java, V3) => "pushVersionOfJava",
        (Language::Python, V1 | V2) => "pushPythonVersion",
        (Language::Python, V3) => "pushVersionOfPython",
        (Language::C, V1 | V2) => "pushCVersion",
        (Language::C, V3) => "pushVersionOfC",
        (Language::Go, V1 | V2) => "pushGoVersion",
        (Language::Go, V3) => "pushVersionOfGo",
        (Language::Csharp, V1 | V2) => "pushCSharpVersion",
        (Language::Csharp, V3) => "pushVersionOfCsharp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_reads_by_its_name() {
        let pace = |min| ProbePace { max: 6_000, min, factor: 0.8 };
        for (entry, value, switch) in [
            ("check", "false", Switch::Flag(Flag::HealthCheck, false)),
            ("pushEnabled", "TRUE", Switch::Flag(Flag::Push, true)),
            ("pushEnabled", "xyz", Switch::Flag(Flag::Push, false)),
            ("disableAddIP", "true", Switch::Flag(Flag::DisableAddIp, true)),
            ("clientBeatInterval", "6000", Switch::Span(Span::ClientBeat, 6_000)),
            ("pushCacheMillis", "10000", Switch::Span(Span::PushCache, 10_000)),
            ("defaultCacheMillis", "1000", Switch::Span(Span::DefaultCache, 1_000)),
            ("distroServerExpiredMillis", "1", Switch::Span(Span::DistroExpiry, 1)),
            ("distroThreshold", "2", Switch::DistroThreshold(2.0)),
            ("healthCheckTimes", "-1", Switch::CheckTimes(-1)),
            ("tcpHealthParams", r#"{"max":6000,"min":500,"factor":0.8}"#, Switch::Pace(Probe::Tcp, pace(500))),
            ("mysqlHealthParams", r#"{"max":6000,"min":2000,"factor":0.8}"#, Switch::Pace(Probe::Mysql, pace(2_000))),
            ("pushVersion", "csharp:0.9.10", Switch::PushVersion(Language::Csharp, "0.9.10".into())),
            ("masters", "a,b", Switch::Masters(vec!["a".into(), "b".into()])),
            ("limitedUrlMap", "/a:418,/b?c=d:200", {
                Switch::LimitedUrls(BTreeMap::from([("/a".into(), 418), ("/b?c=d".into(), 200)]))
            }),
            ("limitedUrlMap", "", Switch::LimitedUrls(BTreeMap::new())),
            ("overriddenServerStatus", "WRITE_ONLY", Switch::Status(Some(ServerStatus::WriteOnly))),
            ("overriddenServerStatus", "null", Switch::Status(None)),
        ] {
            assert_eq!(read(entry, value), Ok(Some(switch)), "{entry}={value}");
        }
        assert_eq!(read("batch", "x"), Ok(None));
    }

    #[test]
    fn what_is_no_value_of_a_switch_is_refused_in_words() {
        for (entry, value, fault) in [
            ("distroThreshold", "0", "distroThreshold can not be zero or negative: 0.0"),
            ("distroThreshold", "NaN", "distroThreshold can not be zero or negative: NaN"),
            ("distroThreshold", "abc", "For input string: \"abc\""),
            ("clientBeatInterval", "-1", "For input string: \"-1\""),
            ("clientBeatInterval", "0", "clientBeatInterval can not be zero"),
            ("pushCacheMillis", "9999", "min cache time for http or tcp is too small(<10000)"),
            ("defaultCacheMillis", "999", "min default cache time  is too small(<1000)"),
            ("pushVersion", "foo:0.1.0", "unsupported client type: foo"),
            ("pushVersion", "java", "a client type and a version, joined by a colon"),
            ("pushVersion", "java:1.0", "illegal version, three numbers of at most two digits: 1.0"),
            ("limitedUrlMap", "broken", "invalid input for limited urls"),
            ("limitedUrlMap", "/a:100", "invalid input for limited urls"),
            ("limitedUrlMap", "/a:200,", "invalid input for limited urls"),
            (
                "httpHealthParams",
                r#"{"max":1,"min":5,"factor":3}"#,
                "min check time for http or tcp is too small(<500)",
            ),
            ("httpHealthParams", r#"{"max":1,"min":500,"factor":3}"#, {
                "max check time for http or tcp is too small(<3000)"
            }),
            ("httpHealthParams", r#"{"max":3000,"min":500,"factor":3}"#, "malformed factor"),
            ("overriddenServerStatus", "SLEEPING", "unsupported server status: SLEEPING"),
        ] {
            assert_eq!(read(entry, value), Err(fault.to_owned()), "{entry}={value}");
        }
        assert!(read("httpHealthParams", "{").is_err());
        assert!(read("masters", &"x".repeat(limits::SWITCH_VALUE + 1)).is_err());
    }

    #[test]
    fn names_of_versions_differ_by_generation() {
        let names = |generation| shown(generation, &Switches::default()).as_object().expect("an object").len();
        assert_eq!((names(V1), names(V2), names(V3)), (34, 34, 34));
        assert_eq!(shown(V2, &Switches::default())["pushCSharpVersion"], "0.9.0");
        assert_eq!(shown(V3, &Switches::default())["pushVersionOfCsharp"], "0.9.0");
    }
}
