//! Forwarded writes and what came of them, in bytes.
//!
//! An answer carries the client's state, which the forwarding node learns before it answers its own caller: who wrote reads
//! what was written.

use std::time::Duration;

use thiserror::Error;

use crate::{
    model::{ClientState, Millis, NodeId},
    node::{Beat, Rejection, Reply, Write},
    proto::peer::{self as proto, forward_answer::Result as Outcome, forward_request::Write as Kind},
    registry::Refused,
    wire::peer::{
        IllegalMessage, decode_client, decode_content, decode_instance, decode_service, decode_state, encode_content,
        encode_instance, encode_service, encode_state,
    },
};

/// What came of a forwarded write.
#[derive(Debug)]
pub struct Forwarded {
    /// What the responsible node answered or refused.
    pub result: Result<Reply, Rejection>,
    /// What the client publishes now; none when the responsible node knows nothing of it.
    pub state: Option<ClientState>,
}

/// Why it is not known what came of a write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForwardError {
    /// There is no stream to that node. Nothing happened.
    #[error("node {0} is not linked")]
    NotLinked(NodeId),
    /// No answer came in time. The write may have happened, or may yet.
    #[error("the responsible node did not answer within {0:?}")]
    Late(Duration),
    /// The call failed. The write may have happened.
    #[error("the responsible node could not be asked: {0}")]
    Failed(String),
    /// The answer cannot be read. The write happened.
    #[error("the responsible node's answer cannot be read: {0}")]
    Illegible(#[from] IllegalMessage),
}

impl ForwardError {
    /// As metrics name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            ForwardError::NotLinked(_) => "not_linked",
            ForwardError::Late(_) => "late",
            ForwardError::Failed(_) => "failed",
            ForwardError::Illegible(_) => "illegible",
        }
    }
}

pub(super) fn encode_write(write: &Write, sent: Millis) -> proto::ForwardRequest {
    let kind = match write {
        Write::Register { content, .. } => Kind::Register(encode_content(content)),
        Write::RegisterBeating { instance, .. } => Kind::RegisterBeating(encode_instance(instance)),
        Write::Beat { instance, .. } => Kind::Beat(proto::Beat { instance: instance.as_deref().map(encode_instance) }),
        Write::Deregister { .. } => Kind::Deregister(proto::Deregister {}),
    };
    proto::ForwardRequest {
        client: write.client().as_str().into(),
        service: Some(encode_service(write.service())),
        write: Some(kind),
        sent,
    }
}

pub(super) fn decode_write(request: proto::ForwardRequest) -> Result<Write, IllegalMessage> {
    let client = decode_client(&request.client)?;
    if !client.is_address() {
        return Err(IllegalMessage::Range("the kind of a forwarded write's client"));
    }
    let service = decode_service(request.service.as_ref())?;
    Ok(match request.write.ok_or(IllegalMessage::Missing("a write"))? {
        Kind::Register(content) => Write::Register { client, service, content: decode_content(Some(content))? },
        Kind::RegisterBeating(instance) => {
            Write::RegisterBeating { client, service, instance: Box::new(decode_instance(instance)?) }
        }
        Kind::Beat(beat) => {
            let instance = beat.instance.map(decode_instance).transpose()?.map(Box::new);
            Write::Beat { client, service, instance }
        }
        Kind::Deregister(_) => Write::Deregister { client, service },
    })
}

/// An answer; none for what is never answered to a write.
pub(super) fn encode_answer(
    result: Result<Reply, Rejection>,
    state: Option<&ClientState>,
) -> Option<proto::ForwardAnswer> {
    let outcome = match result {
        Ok(Reply::Done) => Outcome::Done(proto::Done {}),
        Ok(Reply::Deregistered(any)) => Outcome::Deregistered(any),
        Ok(Reply::Beat(Beat::Unknown)) => Outcome::BeatUnknown(proto::BeatUnknown {}),
        Ok(Reply::Beat(Beat::Alive { interval })) => Outcome::Alive(interval),
        Err(Rejection::Registry(Refused::ClientGone(client))) => Outcome::ClientGone(client.as_str().into()),
        Err(Rejection::Registry(Refused::IsPersistent(service) | Refused::TakesNoBatch(service))) => {
            Outcome::IsPersistent(encode_service(&service))
        }
        _ => return None,
    };
    Some(proto::ForwardAnswer { result: Some(outcome), state: state.map(encode_state) })
}

pub(super) fn decode_answer(answer: proto::ForwardAnswer) -> Result<Forwarded, IllegalMessage> {
    let result = match answer.result.ok_or(IllegalMessage::Missing("a result"))? {
        Outcome::Done(_) => Ok(Reply::Done),
        Outcome::Deregistered(any) => Ok(Reply::Deregistered(any)),
        Outcome::BeatUnknown(_) => Ok(Reply::Beat(Beat::Unknown)),
        Outcome::Alive(interval) => Ok(Reply::Beat(Beat::Alive { interval })),
        Outcome::ClientGone(client) => Err(Refused::ClientGone(decode_client(&client)?).into()),
        Outcome::IsPersistent(service) => Err(Refused::IsPersistent(decode_service(Some(&service))?).into()),
    };
    Ok(Forwarded { result, state: answer.state.map(decode_state).transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientId, Instance, InstanceId, Published, ServiceKey};

    fn service() -> ServiceKey {
        ServiceKey::new("dev", "g", "orders").expect("legal")
    }

    #[test]
    fn writes_come_out_as_they_went_in() {
        let (client, service) = (ClientId::address("10.0.0.1", 80), service());
        let minted = Instance { id: InstanceId::Snowflake, weight: 0.5, ..Instance::default() };
        let named = || (client.clone(), service.clone());
        let one = || Box::new(minted.clone());
        let ((a, s), (b, t), (c, u), (d, v), (e, w)) = (named(), named(), named(), named(), named());
        let writes = [
            Write::Register { client: a, service: s, content: Published::One(one()) },
            Write::RegisterBeating { client: b, service: t, instance: one() },
            Write::Beat { client: c, service: u, instance: None },
            Write::Beat { client: d, service: v, instance: Some(one()) },
            Write::Deregister { client: e, service: w },
        ];
        for write in writes {
            assert_eq!(decode_write(encode_write(&write, 7)), Ok(write));
        }
    }

    #[test]
    fn a_connection_has_no_other_owner() {
        let client = ClientId::connection(1, ([10, 0, 0, 1], 80).into());
        let write = encode_write(&Write::Deregister { client, service: service() }, 7);
        assert!(decode_write(write).is_err());
    }

    #[test]
    fn the_caller_gets_the_refusal_that_the_responsible_node_made() {
        let refusals = [Refused::ClientGone(ClientId::address("h", 1)), Refused::IsPersistent(service())];
        for refused in refusals.map(Rejection::from) {
            let answer = encode_answer(Err(refused.clone()), None).expect("an answer");
            let Err(again) = decode_answer(answer).expect("readable").result else { panic!("a refusal") };
            assert_eq!((again.to_string(), again), (refused.to_string(), refused));
        }
        assert!(encode_answer(Ok(Reply::Members(Vec::new())), None).is_none());
    }

    #[test]
    fn replies_come_out_as_they_went_in() {
        let replies = [
            Reply::Done,
            Reply::Deregistered(true),
            Reply::Deregistered(false),
            Reply::Beat(Beat::Unknown),
            Reply::Beat(Beat::Alive { interval: 5_000 }),
        ];
        for reply in replies {
            let shown = format!("{reply:?}");
            let answer = encode_answer(Ok(reply), None).expect("an answer");
            let again = decode_answer(answer).expect("readable").result.expect("no refusal");
            assert_eq!(format!("{again:?}"), shown);
        }
    }
}
