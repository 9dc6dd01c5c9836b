//! All that a node answers and does.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;

use crate::{
    distro::PeerDetail,
    member::Peer,
    model::{AgreedKey, ClientId, ClientState, Instance, Millis, Namespace, NodeId, ServiceKey},
    push::{Oversized, Push},
    registry::{ClientDetail, Found, ServiceDetail, ServiceNo, ServiceSummary, Stretch, SubscriberDetail},
    wire::{ServiceInfo, peer::Message},
};

/// The answer to an input.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// Whether there was anything to deregister.
    Deregistered(bool),
    /// What a beat met.
    Beat(Beat),
    /// A list.
    View(View),
    /// What is at an address of a service.
    Instance(Found),
    /// Instances with their publishers, in the order of lists; none when no such service is listed.
    Instances(Option<Vec<(ClientId, Instance)>>),
    /// A service; none when no such service is listed.
    Service(Option<Box<ServiceDetail>>),
    /// A page of names and the count of all.
    Names(usize, Vec<CompactString>),
    /// Services with their numbers of instances and of subscribers.
    Services(Vec<(ServiceKey, usize, usize)>),
    /// A namespace; none when there is none of that id. Nothing is said of the default one.
    Namespace(Option<Box<Namespace>>),
    /// All namespaces but the default one, by id.
    Namespaces(Vec<Namespace>),
    /// Some services.
    Stretch(Stretch),
    /// How much a service has; none when no such service is listed.
    Summary(Option<ServiceSummary>),
    /// Who subscribes.
    Subscribers(Vec<SubscriberDetail>),
    /// Some clients; none at the end.
    Clients(Vec<ClientId>),
    /// What a client does, and when what it publishes changed last; none when it is not there.
    Client(Option<(Box<ClientDetail>, Millis)>),
    /// A forwarded write came too late and was not done.
    Late,
    /// The state of a client; without publications when it is gone; none when nothing is known of it.
    State(Option<Arc<ClientState>>),
    /// Some states of clients; none at the end.
    States(Vec<Arc<ClientState>>),
    /// The members.
    Members(Vec<MemberDetail>),
    /// An instance whose id is not to be minted any more.
    Minted(Box<Instance>),
    /// Whether a proposal would change anything.
    Judged(bool),
    /// What nobody needs any more of what is agreed on, and where to go on; none at the end.
    Forgettable(Vec<AgreedKey>, Option<ServiceNo>),
    /// How long the acknowledged change took since it happened; none when nothing waited for that ack.
    Acked(Option<Millis>),
}

/// A member as operators see it. Times are milliseconds ago.
#[derive(Clone, Debug)]
pub struct MemberDetail {
    /// Who, where and how.
    pub peer: Peer,
    /// When it was heard of last.
    pub heard: Option<Millis>,
    /// What it lacks, and what this node lacks of it.
    pub distro: PeerDetail,
}

/// What a beat met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing: it is to be registered again.
    Unknown,
    /// Something that is healthy now.
    Alive {
        /// How often it is to beat.
        interval: Millis,
    },
}

/// A service as one reader sees it.
#[derive(Clone, Debug)]
pub struct View {
    /// The encoded array of hosts.
    pub hosts: Bytes,
    /// How many there are.
    pub count: usize,
    /// `lastRefTime`.
    pub stamp: Millis,
    /// Whether protection made all look healthy.
    pub protected: bool,
    /// How long it may be used without asking again.
    pub cache: Millis,
}

impl View {
    /// The list of `service` for a reader who asked for `clusters`.
    pub fn info<'a>(&'a self, service: &'a ServiceKey, clusters: &'a str) -> ServiceInfo<'a> {
        ServiceInfo {
            service,
            clusters,
            hosts: &self.hosts,
            stamp: self.stamp,
            protected: self.protected,
            cache: self.cache,
        }
    }
}

/// What a node wants done. The runtime executes it; a failure comes back as an input or not at all.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this list.
    Push(Push),
    /// Tell the operator that this list is too large to be pushed.
    Oversized(Oversized),
    /// Say this to a member.
    Peer {
        /// To which node.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Store a ceiling of at least this: another node is so far ahead.
    Ceiling(Millis),
    /// The node has learned what others know, or has waited long enough: clients are welcome.
    Loaded,
    /// All members that can be reached know that this node leaves.
    Left,
}

impl From<Push> for Output {
    fn from(push: Push) -> Self {
        Self::Push(push)
    }
}

impl From<Oversized> for Output {
    fn from(oversized: Oversized) -> Self {
        Self::Oversized(oversized)
    }
}
