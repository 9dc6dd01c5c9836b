//! The few cases a Nacos server answers with a gRPC status, in its codes and words (grpc.md 2.2).

use hyper::{Response, header::HeaderValue};
use tonic::{Code, Status, body::Body};

use crate::{model::limits, wire::peer::Phase};

/// A path that is neither of the two methods.
pub(super) fn method_not_found(path: &str) -> Status {
    Status::unimplemented(format!("Method not found: {}", path.trim_start_matches('/')))
}

/// Bytes that are no payload, or a message that breaks the decoder.
pub(super) fn unreadable() -> Status {
    Status::unknown("Application error processing RPC")
}

/// What a client is told that comes while the node does not know yet what others do: it goes to another.
pub(super) fn refused_in(phase: Phase) -> Result<(), Status> {
    match phase {
        Phase::Loading => Err(Status::unavailable("the node is loading")),
        Phase::Serving | Phase::Leaving => Ok(()),
    }
}

/// Rewrites what the gRPC library says of messages it cannot read into what a Nacos server says. Our own handlers answer
/// with neither of these codes.
pub(super) fn as_nacos(mut response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    let answer = match status.code() {
        Code::OutOfRange => {
            let size = status.message().split_whitespace().find_map(|word| word.parse::<u64>().ok());
            let size = size.map_or(String::new(), |size| format!(": {size}"));
            Status::resource_exhausted(format!("gRPC message exceeds maximum size {}{size}", limits::MESSAGE_BYTES))
        }
        Code::Internal => unreadable(),
        _ => return response,
    };
    let headers = response.headers_mut();
    headers.remove("grpc-status-details-bin");
    if answer.add_header(headers).is_err() {
        headers.insert("grpc-status", HeaderValue::from(answer.code() as i32));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(status: Status) -> (Code, String) {
        let answer = as_nacos(status.into_http());
        let status = Status::from_header_map(answer.headers()).expect("a status");
        (status.code(), status.message().to_owned())
    }

    #[test]
    fn only_a_node_that_loads_refuses_clients() {
        let refused = refused_in(Phase::Loading).expect_err("refused");
        assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "the node is loading"));
        assert!(refused_in(Phase::Serving).is_ok() && refused_in(Phase::Leaving).is_ok());
    }

    #[test]
    fn decoder_failures_speak_nacos() {
        let oversized = "Error, decoded message length too large: found 10485761 bytes, the limit is: 10485760 bytes";
        assert_eq!(
            rewritten(Status::out_of_range(oversized)),
            (Code::ResourceExhausted, "gRPC message exceeds maximum size 10485760: 10485761".into())
        );
        assert_eq!(
            rewritten(Status::internal("failed to decode Protobuf message")),
            (Code::Unknown, "Application error processing RPC".into())
        );
        assert_eq!(rewritten(Status::unavailable("x")), (Code::Unavailable, "x".into()));
    }
}
