//! Weaknesses that are planted to see that somebody notices: a property that never fails proves nothing.

use roster::{node::Input, wire::peer::Message};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Nobody is told that a client is gone.
    ForgetsEnds,
    /// What was lost is never missed.
    NeverRepairs,
    /// Nodes do not follow the fastest clock.
    OwnTime,
    /// A node that stops says nothing.
    LeavesSilently,
    /// What a node kept on its disk is not read.
    KeepsNothing,
    /// The ceiling of the clock is lost with the process.
    ForgetsCeiling,
    /// What became of a forwarded request is not applied where it came in.
    LearnsNothing,
    /// Nobody is ever missed.
    MissesNobody,
}

impl Weakness {
    pub const ALL: [Weakness; 8] = [
        Weakness::ForgetsEnds,
        Weakness::NeverRepairs,
        Weakness::OwnTime,
        Weakness::LeavesSilently,
        Weakness::KeepsNothing,
        Weakness::ForgetsCeiling,
        Weakness::LearnsNothing,
        Weakness::MissesNobody,
    ];

    /// What is left of a message; nothing when it is lost.
    pub fn carry(self, message: Message) -> Option<Message> {
        let heartbeat = |mut heartbeat: roster::wire::peer::Heartbeat| match self {
            Weakness::OwnTime => Message::Heartbeat(roster::wire::peer::Heartbeat { time: 0, ..heartbeat }),
            Weakness::MissesNobody => {
                heartbeat.missed.clear();
                Message::Heartbeat(heartbeat)
            }
            _ => Message::Heartbeat(heartbeat),
        };
        match (self, message) {
            (_, Message::Heartbeat(told)) => Some(heartbeat(told)),
            (Weakness::NeverRepairs | Weakness::ForgetsEnds, Message::Contents { .. } | Message::Want { .. }) => None,
            (Weakness::ForgetsEnds, Message::Sync { number, clients }) => {
                let clients = clients.into_iter().filter(|state| !state.publications.is_empty());
                Some(Message::Sync { number, clients: clients.collect() })
            }
            (_, message) => Some(message),
        }
    }

    /// Whether a node is not given this.
    pub fn withholds(self, input: &Input) -> bool {
        match input {
            Input::Leave => self == Weakness::LeavesSilently,
            Input::Learn(_) => self == Weakness::LearnsNothing,
            Input::Restore { .. } => self == Weakness::KeepsNothing,
            _ => false,
        }
    }
}
