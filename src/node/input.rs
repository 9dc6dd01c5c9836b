//! All that can happen to a node.

use std::{net::IpAddr, sync::Arc};

use compact_str::CompactString;

use crate::{
    model::{
        Address, AgreedChange, Attributes, ClientId, ClientState, Incarnation, Instance, Millis, Proposal, Published,
        ServiceKey, Switch,
    },
    node::{Poll, Write},
    push::PushNo,
    registry::{Among, Selection, ServiceNo},
    wire::peer::Message,
};

/// One input. What a request asks and what happens to a connection come the same way.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection is set up, by a client that says this of itself.
    Connect(ClientId, Attributes),
    /// A connection is gone.
    Disconnect(ClientId),
    /// A client publishes this for a service and nothing else, for as long as it is there. A client known by its address
    /// appears by publishing.
    Register {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What.
        content: Published,
    },
    /// A client publishes this for a service for as long as it beats; this counts as a beat.
    RegisterBeating {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What, with its heart beat times.
        instance: Box<Instance>,
    },
    /// A client says that what it publishes for a service is alive, and thus healthy.
    Beat {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What is registered when nothing is; none of it counts when something is.
        instance: Option<Box<Instance>>,
    },
    /// A client publishes nothing for a service any more. A client known by its address is gone with its last publication.
    Deregister {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
    },
    /// A client wants to hear of a service, and its list now.
    Subscribe {
        /// Who.
        client: ClientId,
        /// Of what.
        service: ServiceKey,
        /// Which clusters, as asked.
        clusters: CompactString,
    },
    /// A client that is reached by datagrams polls a service: it wants its list now, and to hear of it until some time after
    /// its last poll. It appears by polling, and is gone with its last subscription if it publishes nothing.
    Poll(Poll),
    /// A client no longer wants to hear of a service, but its list now.
    Unsubscribe {
        /// Who.
        client: ClientId,
        /// Of what.
        service: ServiceKey,
        /// Which clusters, as asked.
        clusters: CompactString,
    },
    /// A list, once.
    Query {
        /// Of what.
        service: ServiceKey,
        /// Of which instances.
        selection: Selection,
    },
    /// One instance of a service, disabled or not.
    Instance {
        /// Which service.
        service: ServiceKey,
        /// Which instance.
        address: Address,
    },
    /// All instances of a service, also those lists leave out because they are disabled.
    Instances {
        /// Which service.
        service: ServiceKey,
    },
    /// Names of the services of a group, by page.
    List {
        /// Namespace and group; the name says nothing.
        group: ServiceKey,
        /// From 1.
        page: usize,
        /// Names a page.
        size: usize,
    },
    /// All services of a namespace with their counts.
    Overview {
        /// Namespace; group and name say nothing.
        namespace: ServiceKey,
    },
    /// What is set on a service, and its clusters.
    Service {
        /// Which service.
        service: ServiceKey,
    },
    /// One namespace.
    Namespace {
        /// Which.
        id: CompactString,
    },
    /// All namespaces but the default one.
    Namespaces,
    /// A switch is set on this node alone.
    Switch(Switch),
    /// Some services in order; ask again from where they end.
    Services {
        /// Of one namespace, or of all.
        namespace: Option<CompactString>,
        /// Of which kind.
        among: Among,
        /// Behind this one.
        after: Option<ServiceKey>,
    },
    /// How much a service has.
    Summary {
        /// Which service.
        service: ServiceKey,
    },
    /// Who subscribes to a service.
    Subscribers {
        /// Which service.
        service: ServiceKey,
    },
    /// Some clients in order; ask again from where they end.
    Clients {
        /// Behind this one.
        after: Option<ClientId>,
    },
    /// What a client does.
    Client(ClientId),
    /// An instance that is to be proposed, with an id of its own if it asks for one: nodes agree on what is complete.
    Mint {
        /// Of which service.
        service: ServiceKey,
        /// What.
        instance: Box<Instance>,
    },
    /// Whether a proposal could be made, as things stand here.
    Judge(Box<Proposal>),
    /// Changes that all nodes agreed on, in their order.
    Agreed(Vec<AgreedChange>),
    /// What is agreed on and not needed any more, of some services.
    Forgettable {
        /// Behind this one.
        after: Option<ServiceNo>,
    },
    /// Whether it is still unknown how far nodes had agreed when this one stopped.
    Recovering(bool),
    /// A subscriber answered a push.
    Acked {
        /// Who.
        client: ClientId,
        /// Which push; none for the oldest in flight.
        push: Option<PushNo>,
        /// Whether it took it.
        success: bool,
    },
    /// Somebody says by datagram that it took a push.
    AckedByDatagram {
        /// Who; counts only if the push went there.
        from: IpAddr,
        /// Which push.
        push: PushNo,
    },
    /// Stamps up to here are safe: a restart will begin above.
    CeilingStored(Millis),
    /// A stream to the member at this address is there: whatever is sent from now on goes to that life of it.
    Linked {
        /// Its main address, as this node was told at its making, by `Membership` or by `peer`.
        address: CompactString,
        /// Who answered there.
        peer: Incarnation,
    },
    /// The stream to the member at this address ended, or could not be opened.
    Unlinked {
        /// Its main address.
        address: CompactString,
        /// Whether nobody is there: the connection was refused. Whoever says nothing may be alive.
        vacant: bool,
    },
    /// A member says something.
    Peer {
        /// Its main address, as it says itself.
        address: CompactString,
        /// Who it is.
        from: Incarnation,
        /// What it says.
        message: Message,
    },
    /// The state of a client, as the node tells others.
    ClientState(ClientId),
    /// Another member has this node do a write, because it is responsible for its client.
    Forwarded {
        /// Hybrid time of the other when it sent this. Long after, it has done the write itself, and what was new then would
        /// pass for new now.
        sent: Millis,
        /// What.
        write: Box<Write>,
    },
    /// The responsible node did what was forwarded to it, and this came of it.
    Learn(Arc<ClientState>),
    /// What this node kept of an earlier life of its own. To come before anything else.
    Restore {
        /// Hybrid time when it was kept.
        at: Millis,
        /// The states that it kept.
        states: Vec<ClientState>,
    },
    /// Some states of clients in order, to be kept for a later life of this node; ask again from where they end.
    Keep {
        /// Behind this one.
        after: Option<ClientId>,
    },
    /// The other members are these from now on. What a member owned that is none any more has no owner.
    Membership {
        /// Their main addresses. The own one among them says nothing.
        members: Vec<CompactString>,
    },
    /// Members, with what this node lacks of them and they of it.
    Members,
    /// The node is about to stop: others are to take its clients for orphans.
    Leave,
}
