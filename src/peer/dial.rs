//! The streams to all other members, and whom they go to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use compact_str::CompactString;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinError, JoinSet},
    time::timeout,
};
use tonic::{Code, Request, transport::Endpoint};

use crate::{
    metrics::names,
    model::{Incarnation, NodeId},
    node::{Input, Write},
    peer::{
        Core, ForwardError, Forwarded, Refusal, Settings,
        forward::{decode_answer, encode_write},
        handshake::{Noted, Presented, Terms},
        link::{Client, Link, LinkError, client, endpoint, tell},
        outgoing::{Dropped, dropped},
    },
    proto::peer as proto,
    wire::peer::Message,
};

/// An address that cannot be dialled, whatever is there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no address of a member: it is to be host:port, with room for the cluster port above")]
pub struct IllegalAddress(pub String);

/// The other members, as this node reaches them.
pub struct Peers {
    pub(super) core: Arc<dyn Core>,
    pub(super) terms: Terms,
    /// Of the members of now. Whoever holds on to an older list finds no stream in what was removed from it.
    links: watch::Sender<Links>,
    /// Held while the members change, so that node and links hear of the same changes in the same order.
    changing: Mutex<()>,
    offset: u16,
    /// Refused calls that were told of.
    pub(super) noted: Noted,
    /// Where nodes are dialled, by id, and members, by main address.
    by_id: BTreeMap<NodeId, Endpoint>,
    by_address: BTreeMap<String, Endpoint>,
}

type Links = Arc<[Arc<Link>]>;

impl Peers {
    /// The members of these settings, none of them dialled.
    pub fn new(core: Arc<dyn Core>, settings: &Settings) -> Result<Arc<Self>, IllegalAddress> {
        let routes = settings.routes.iter().map(|(whom, target)| Ok((whom.clone(), legal(target)?)));
        let by_address = routes.collect::<Result<BTreeMap<_, _>, _>>()?;
        let by_id = by_address.iter().filter_map(|(whom, target)| Some((whom.parse().ok()?, target.clone())));
        let peers = Self {
            terms: Terms::new(settings),
            offset: settings.offset,
            links: watch::Sender::new(Links::default()),
            changing: Mutex::default(),
            noted: Noted::default(),
            by_id: by_id.collect(),
            by_address,
            core,
        };
        peers.links.send_replace(peers.links_to(&settings.members)?);
        Ok(Arc::new(peers))
    }

    /// These are the other members from now on: tells the node, dials who is new, and cuts off who is none any more. The own
    /// address among them says nothing. With an address that is none, nothing changes.
    pub fn set_members(&self, members: &[CompactString]) -> Result<(), IllegalAddress> {
        let _changing = self.changing.lock();
        let links = self.links_to(members)?;
        // The node first: it takes note of no link to somebody it does not know, and whom it knows is let in.
        tell(&*self.core, Input::Membership { members: members.to_vec() });
        self.links.send_if_modified(|before| {
            let is_other = !before.iter().map(Arc::as_ptr).eq(links.iter().map(Arc::as_ptr));
            *before = links;
            is_other
        });
        Ok(())
    }

    /// Links to these members: those that there are, and new ones.
    fn links_to(&self, members: &[CompactString]) -> Result<Links, IllegalAddress> {
        let own = self.core.cluster().address.clone();
        let others: BTreeSet<&CompactString> = members.iter().filter(|address| **address != own).collect();
        let before = self.links();
        let link = |address: &CompactString| {
            let known = before.iter().find(|link| link.address == *address);
            Ok(match known {
                Some(link) => link.clone(),
                None => Arc::new(Link::new(address.clone(), self.endpoint_of(address)?)),
            })
        };
        others.into_iter().map(link).collect()
    }

    /// Where a member's cluster port is, by its main address.
    pub(super) fn endpoint_of(&self, address: &str) -> Result<Endpoint, IllegalAddress> {
        let above = cluster_port(address, self.offset)?;
        self.by_address.get(address).cloned().map_or_else(|| legal(&above), Ok)
    }

    /// How a member is dialled: by its id where that is known, for it may have moved.
    pub fn endpoint(&self, address: &str) -> Result<Endpoint, IllegalAddress> {
        let routed = self.known_at(address).and_then(|node| self.by_id.get(&node).cloned());
        routed.map_or_else(|| self.endpoint_of(address), Ok)
    }

    /// Who answered at a member's address last.
    pub(super) fn known_at(&self, address: &str) -> Option<NodeId> {
        let links = self.links();
        links.iter().find(|link| link.address == address)?.known().map(|known| known.node)
    }

    fn links(&self) -> Links {
        self.links.borrow().clone()
    }

    /// Wakes whoever waits for the members to change.
    pub(super) fn changes(&self) -> watch::Receiver<Links> {
        self.links.subscribe()
    }

    /// Dials all members, whoever they are at a time, and keeps the streams to them for as long as this is polled.
    pub async fn dial(self: Arc<Self>) {
        let mut changes = self.links.subscribe();
        let mut tasks = JoinSet::new();
        let mut kept: Vec<(Arc<Link>, AbortHandle)> = Vec::new();
        loop {
            let links = changes.borrow_and_update().clone();
            let among = |one: &Arc<Link>| links.iter().any(|link| Arc::ptr_eq(link, one));
            let gone: Vec<_> = kept.extract_if(.., |(link, _)| !among(link)).collect();
            gone.iter().for_each(|(_, task)| task.abort());
            // The last word on a link is said before the first on another one to the same address.
            while gone.iter().any(|(_, task)| !task.is_finished()) {
                let ended = tasks.join_next().await;
                ended.into_iter().for_each(note_end);
            }
            gone.iter().for_each(|(link, _)| link.forget());
            for link in links.iter() {
                if !kept.iter().any(|(one, _)| Arc::ptr_eq(one, link)) {
                    let (peers, dialled) = (self.clone(), link.clone());
                    let task = async move { dialled.keep(&*peers.core, || peers.open(&dialled)).await };
                    kept.push((link.clone(), tasks.spawn(task)));
                }
            }
            tokio::select! {
                changed = changes.changed() => {
                    // The sender is held here.
                    let Ok(()) = changed else { return };
                }
                Some(ended) = tasks.join_next() => note_end(ended),
            }
        }
    }

    /// Says something to a node, or drops it: the node repeats what matters. Never waits.
    pub fn deliver(&self, to: NodeId, message: Message) {
        let mut message = Some(message);
        let offer = |link: &Arc<Link>| link.with_queue(to, |queue| message.take().map(|message| queue.offer(message)));
        match self.links().iter().find_map(offer).flatten() {
            Some(Ok(())) => {}
            Some(Err(Dropped::Full)) => dropped("full"),
            Some(Err(Dropped::Ended)) | None => dropped("unlinked"),
        }
    }

    /// Has the node that is responsible do a write, and answers what came of it.
    pub async fn forward(&self, to: NodeId, write: &Write, deadline: Duration) -> Result<Forwarded, ForwardError> {
        let answered = self.call(to, write, deadline).await;
        let result = match &answered {
            Ok(Forwarded { result: Ok(_), .. }) => "ok",
            Ok(Forwarded { result: Err(_), .. }) => "refused",
            Err(error) => error.name(),
        };
        ::metrics::counter!(names::FORWARDS, "result" => result).increment(1);
        answered
    }

    async fn call(&self, to: NodeId, write: &Write, deadline: Duration) -> Result<Forwarded, ForwardError> {
        let found = self.links().iter().find_map(|link| link.client(to));
        let mut client = found.ok_or(ForwardError::NotLinked(to))?;
        let mut request = Request::new(encode_write(write, self.core.time()));
        // So that the other node does not begin what nobody waits for any more.
        request.set_timeout(deadline);
        let answer = timeout(deadline, client.forward(request)).await.map_err(|_| ForwardError::Late(deadline))?;
        let answer = answer.map_err(|status| match status.code() {
            Code::DeadlineExceeded | Code::Cancelled => ForwardError::Late(deadline),
            _ => ForwardError::Failed(status.message().to_owned()),
        })?;
        Ok(decode_answer(answer.into_inner())?)
    }

    /// A member called, from this life of it.
    pub(super) fn called(&self, address: &str, life: Incarnation) {
        let is_it =
            |link: &&Arc<Link>| link.address == address || link.known().is_some_and(|known| known.node == life.node);
        self.links().iter().filter(is_it).for_each(|link| link.called());
    }

    pub(super) fn core(&self) -> &Arc<dyn Core> {
        &self.core
    }

    /// What this node says of itself to a node that asked.
    pub(super) fn hello(&self) -> proto::Hello {
        self.terms.hello(&self.core.cluster(), None)
    }

    /// Checks who calls.
    pub(super) fn admit(&self, hello: &proto::Hello) -> Result<Presented, Refusal> {
        let cluster = self.core.cluster();
        let other = self.terms.check(cluster.this, hello)?;
        if other.to.is_some_and(|to| to != cluster.this) {
            return Err(Refusal::NotMe);
        }
        self.check_member(&other)?;
        Ok(other)
    }

    /// Checks that one who was let in, or is about to be, is a member now.
    pub(super) fn check_member(&self, other: &Presented) -> Result<(), Refusal> {
        let id = other.life.node;
        let is_it =
            |link: &Arc<Link>| link.address == other.address || link.known().is_some_and(|known| known.node == id);
        if self.core.cluster().peer(id).is_some() || self.links().iter().any(is_it) {
            return Ok(());
        }
        Err(Refusal::Stranger { id, address: other.address.to_string() })
    }

    /// Dials a member and asks who it is.
    async fn open(&self, link: &Link) -> Result<(Incarnation, Client), LinkError> {
        let cluster = self.core.cluster();
        let known = link.known().map(|known| known.node);
        let routed = known.and_then(|node| self.by_id.get(&node).cloned());
        let said = known.and_then(|node| cluster.peer(node)).map(|peer| &peer.address);
        let moved = said.filter(|said| **said != link.address);
        let moved = moved.and_then(|said| endpoint(&cluster_port(said, self.offset).ok()?).ok());
        let channel = routed.or(moved).unwrap_or_else(|| link.endpoint().clone()).connect().await?;
        let mut stranger = client(channel.clone(), &self.terms.hello(&cluster, None));
        let answer = stranger.hello(proto::HelloRequest {}).await?.into_inner();
        let peer = self.terms.check(cluster.this, &answer.hello.ok_or(Refusal::Unknown)?)?.life;
        // Two streams to one node would end each other for ever.
        let links = self.links();
        let twin = links.iter().find(|other| other.peer().is_some_and(|other| other.node == peer.node));
        if let Some(twin) = twin {
            return Err(LinkError::Twice(twin.address.clone()));
        }
        Ok((peer, client(channel, &self.terms.hello(&cluster, Some(peer)))))
    }
}

/// Tells of a task that ended by itself: none should.
fn note_end(ended: Result<(), JoinError>) {
    if let Some(panic) = ended.err().filter(JoinError::is_panic) {
        tracing::error!(%panic, "a member is not dialled any more");
    }
}

fn legal(target: &str) -> Result<Endpoint, IllegalAddress> {
    endpoint(target).map_err(|_| IllegalAddress(target.to_owned()))
}

/// The cluster port of the member whose main address is this.
fn cluster_port(address: &str, offset: u16) -> Result<String, IllegalAddress> {
    let above = || {
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse::<u16>().ok()?.checked_add(offset)?;
        (!host.is_empty()).then(|| format!("{host}:{port}"))
    };
    above().ok_or_else(|| IllegalAddress(address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_port_is_above_the_main_one() {
        assert_eq!(cluster_port("n1.example:8848", 1_001), Ok("n1.example:9849".into()));
        assert_eq!(cluster_port("[::1]:8848", 1_001), Ok("[::1]:9849".into()));
        for illegal in ["", "n1", "n1:", ":8848", "n1:x", "n1:65000"] {
            assert_eq!(cluster_port(illegal, 1_001), Err(IllegalAddress(illegal.into())));
        }
    }
}
