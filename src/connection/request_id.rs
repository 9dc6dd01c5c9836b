//! The numbers of what the server sends on streams.
//!
//! Acks come back with them. The push engine numbers its pushes itself, so that it stays a value; probes and resets are
//! numbered here. One number space holds both: pushes are even, the others odd.

use crate::push::PushNo;

/// The `requestId` of a push.
pub(super) fn of_push(number: PushNo) -> u64 {
    number.0 * 2
}

/// The `requestId` of the n-th other message.
pub(super) fn of_other(n: u64) -> u64 {
    n * 2 + 1
}

/// The push that an ack with this `requestId` is for; none when it is for something else.
pub(super) fn push_of(request_id: u64) -> Option<PushNo> {
    request_id.is_multiple_of(2).then_some(PushNo(request_id / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_and_others_never_meet() {
        assert_eq!(push_of(of_push(PushNo(21))), Some(PushNo(21)));
        assert_eq!(push_of(of_other(21)), None);
    }
}
