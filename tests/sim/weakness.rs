//! Weaknesses that are planted to see that somebody notices: a property that never fails proves nothing.
//!
//! The first five are those of the reference (semantics.md 9), as near as messages and inputs come to them.

use std::{collections::BTreeMap, sync::Arc};

use roster::{
    model::{ClientId, ClientState, HybridTime},
    node::Input,
    wire::peer::{Heartbeat, Message},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// A CHANGE that was sent before a DELETE comes after it, counts, and nothing that compares sees too much.
    OvertakenDelete,
    /// What a node knows of another's clients replaces what that node itself knows, whenever it links to it.
    SnapshotOverNative,
    /// A DELETE is lost, and what compares sees only what is missing.
    VerifyWithoutAbsence,
    /// What was sent counts as taken, and is never compared.
    LostMark,
    /// A node that loads answers with what it has.
    AnswersWhileLoading,
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
    /// Nobody tells a node that starts of those that it does not reach.
    TellsOfNobody,
    /// Whoever is added or removed stays what it was.
    KeepsItsMembers,
}

/// What was last told of each client that was there.
pub type Told = BTreeMap<ClientId, Arc<ClientState>>;

impl Weakness {
    /// Those that show within a few seeds: the first five first.
    pub const PLAIN: [Weakness; 9] = [
        Weakness::OvertakenDelete,
        Weakness::SnapshotOverNative,
        Weakness::VerifyWithoutAbsence,
        Weakness::LostMark,
        Weakness::AnswersWhileLoading,
        Weakness::LeavesSilently,
        Weakness::KeepsNothing,
        Weakness::LearnsNothing,
        Weakness::KeepsItsMembers,
    ];
    /// Those that need a rare coincidence.
    pub const RARE: [Weakness; 5] = [
        Weakness::NeverRepairs,
        Weakness::OwnTime,
        Weakness::ForgetsCeiling,
        Weakness::MissesNobody,
        Weakness::TellsOfNobody,
    ];

    /// What is left of a message; nothing when it is lost.
    pub fn carry(self, message: Message, told: &mut Told) -> Option<Message> {
        use Weakness::{
            LostMark, MissesNobody, NeverRepairs, OvertakenDelete, OwnTime, TellsOfNobody, VerifyWithoutAbsence,
        };
        match (self, message) {
            (OwnTime, Message::Heartbeat(heartbeat)) => Some(Message::Heartbeat(Heartbeat { time: 0, ..heartbeat })),
            (MissesNobody, Message::Heartbeat(heartbeat)) => {
                Some(Message::Heartbeat(Heartbeat { missed: Vec::new(), ..heartbeat }))
            }
            (TellsOfNobody, Message::Heartbeat(heartbeat)) => {
                Some(Message::Heartbeat(Heartbeat { lacks: Vec::new(), known: None, ..heartbeat }))
            }
            (NeverRepairs | LostMark, Message::Contents { .. } | Message::Want { .. }) => None,
            (VerifyWithoutAbsence | OvertakenDelete, Message::Contents { buckets, .. }) => {
                Some(Message::Contents { at: HybridTime(0), buckets })
            }
            (VerifyWithoutAbsence, Message::Sync { number, clients }) => {
                let clients = clients.into_iter().filter(|state| !state.publications.is_empty()).collect();
                Some(Message::Sync { number, clients })
            }
            (OvertakenDelete, Message::Sync { number, clients }) => {
                Some(Message::Sync { number, clients: overtake(clients, told) })
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
            Input::Membership { .. } => self == Weakness::KeepsItsMembers,
            _ => false,
        }
    }
}

/// Has what was told of each client before come once more behind the news that it is gone.
fn overtake(clients: Vec<Arc<ClientState>>, told: &mut Told) -> Vec<Arc<ClientState>> {
    let mut all = Vec::new();
    for state in clients {
        all.push(state.clone());
        if !state.publications.is_empty() {
            told.insert(state.id.clone(), state);
        } else if let Some(before) = told.remove(&state.id) {
            // Without versions whatever comes last counts.
            let version = state.version.silent(state.version.node);
            all.push(Arc::new(ClientState { version, ..(*before).clone() }));
        }
    }
    all
}
