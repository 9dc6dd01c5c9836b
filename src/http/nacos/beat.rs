//! Heart beats of instances that were registered over HTTP (http.md 6.5, 8.1, 12.1).

use std::sync::Arc;

use serde::Serialize;

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2},
        Route, Step, instance,
        operation::{
            Kind,
            Method::Put,
            Operation, Param,
            param::{CLUSTER, ENABLED, EPHEMERAL, GROUP, HEALTHY, IP, METADATA, NAMESPACE, PORT, SERVICE, WEIGHT},
        },
    },
    model::{ClientId, Flag, Instance, ServiceKey, Span, Switches},
    node::{Beat, Input, Reply},
    wire,
};

pub(super) const ROUTES: &[Route] =
    &[Route::new(Put, "/v1/ns/instance/beat", V1, &BEAT), Route::new(Put, "/v2/ns/instance/beat", V2, &BEAT)];

const BEAT_BODY: Param = Param::new(
    Kind::Json,
    "beat",
    "{\"ip\":\"10.0.0.1\",\"port\":8080,\"cluster\":\"DEFAULT\",\"weight\":1.0,\"metadata\":{\"zone\":\"a\"}}",
    "The instance, to be registered if it is not known; absent in a light beat, which names `ip` and `port` instead.",
);

const BEAT: Operation = Operation {
    name: "beatInstance",
    summary: "Says that an instance is alive.",
    params: &[
        Param { example: "DEFAULT_GROUP@@orders", ..SERVICE },
        NAMESPACE,
        GROUP,
        BEAT_BODY,
        Param { required: false, ..IP },
        Param { required: false, ..PORT },
    ],
    faults: &[],
    run: beat,
};

const HEART_BEAT: Param = Param::new(
    Kind::Boolean,
    "heartBeat",
    "false",
    "A sign of life instead of a registration: only service, address and kind count, and nothing is registered.",
);

pub(super) const REGISTER_OR_BEAT: Operation = Operation {
    name: "registerOrBeatInstance",
    summary: "Publishes an instance of a service, or says that it is alive.",
    params: &[SERVICE, IP, PORT, NAMESPACE, GROUP, CLUSTER, WEIGHT, HEALTHY, ENABLED, EPHEMERAL, METADATA, HEART_BEAT],
    faults: &[503, 504],
    run: register_or_beat,
};

/// Beat results (Nacos `NamingResponseCode`).
const BEAT_OK: u32 = 10_200;
const BEAT_UNKNOWN: u32 = 20_404;

/// The third generation beats by a registration with `heartBeat=true`, which then changes nothing else.
fn register_or_beat(call: &Call<'_>) -> Result<Step, Fault> {
    if !call.flag("heartBeat", false)? {
        return instance::register(call);
    }
    let service = call.service()?;
    let (ip, port) = call.address()?;
    let input = Input::Beat { client: ClientId::address(ip, port), service, instance: None };
    let answer = |reply| match of(reply) {
        Beat::Alive { .. } => Ok(Answer::Done),
        Beat::Unknown => Err(Fault::BeatOfNobody),
    };
    Ok(Step::Write(Box::new(input), Box::new(answer)))
}

/// A full beat publishes the instance again if it is not known.
fn beat(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.grouped_service()?;
    let switches = call.api.switches();
    let given = call.params.text("beat");
    if given.trim().is_empty() {
        return match call.address() {
            Ok((ip, port)) => Ok(step(ClientId::address(ip, port), service, None, switches)),
            Err(Fault::Missing { .. }) => Ok(result(Beat::Unknown, &switches).into()),
            Err(fault) => Err(fault),
        };
    }
    let instance = wire::decode_beat(given.as_bytes()).map_err(Fault::validation)?;
    instance.check_legal()?;
    Ok(step(ClientId::address(&instance.ip, instance.port), service, Some(Box::new(instance)), switches))
}

fn step(client: ClientId, service: ServiceKey, instance: Option<Box<Instance>>, switches: Arc<Switches>) -> Step {
    let answer = move |reply| Ok(result(of(reply), &switches));
    Step::Write(Box::new(Input::Beat { client, service, instance }), Box::new(answer))
}

fn of(reply: Reply) -> Beat {
    match reply {
        Reply::Beat(beat) => beat,
        other => unreachable!("a beat is answered with its result, not {other:?}"),
    }
}

fn result(beat: Beat, switches: &Switches) -> Answer {
    let (code, interval) = match beat {
        Beat::Alive { interval } => (BEAT_OK, interval),
        Beat::Unknown => (BEAT_UNKNOWN, switches.span(Span::ClientBeat)),
    };
    Answer::bare(&Outcome { client_beat_interval: interval, code, light_beat_enabled: switches.flag(Flag::LightBeat) })
}

/// What a caller learns from a beat.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    client_beat_interval: u64,
    code: u32,
    light_beat_enabled: bool,
}
