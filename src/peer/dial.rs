//! The streams to all other members, and whom they go to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use compact_str::CompactString;
use thiserror::Error;
use tokio::{task::JoinSet, time::timeout};
use tonic::{Code, Request, transport::Endpoint};

use crate::{
    metrics::names,
    model::{Incarnation, NodeId},
    node::Write,
    peer::{
        Core, ForwardError, Forwarded, Refusal, Settings,
        forward::{decode_answer, encode_write},
        handshake::{Presented, Terms},
        link::{Client, Link, LinkError, client, endpoint},
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
    links: Vec<Arc<Link>>,
    pub(super) offset: u16,
    /// Where nodes are dialled, by id.
    pub(super) routes: BTreeMap<NodeId, Endpoint>,
}

impl Peers {
    /// The members of these settings, none of them dialled.
    pub fn new(core: Arc<dyn Core>, settings: &Settings) -> Result<Arc<Self>, IllegalAddress> {
        let legal = |target: String| endpoint(&target).map_err(|_| IllegalAddress(target));
        let link = |address: &CompactString| {
            let above = cluster_port(address, settings.offset)?;
            let endpoint = legal(settings.routes.get(address.as_str()).cloned().unwrap_or(above))?;
            Ok(Arc::new(Link::new(address.clone(), endpoint)))
        };
        let by_id = settings.routes.iter().filter_map(|(whom, target)| Some((whom.parse().ok()?, target)));
        Ok(Arc::new(Self {
            terms: Terms::new(settings),
            offset: settings.offset,
            links: settings.members.iter().map(link).collect::<Result<_, _>>()?,
            routes: by_id.map(|(id, target)| Ok((id, legal(target.clone())?))).collect::<Result<_, _>>()?,
            core,
        }))
    }

    /// Dials all members and keeps the streams to them for as long as this is polled.
    pub async fn dial(self: Arc<Self>) {
        let mut links = JoinSet::new();
        for link in &self.links {
            let (peers, link) = (self.clone(), link.clone());
            links.spawn(async move { link.keep(&*peers.core, || peers.open(&link)).await });
        }
        while let Some(ended) = links.join_next().await {
            if let Err(panic) = ended {
                tracing::error!(%panic, "a member is not dialled any more");
            }
        }
    }

    /// Says something to a node, or drops it: the node repeats what matters. Never waits.
    pub fn deliver(&self, to: NodeId, message: Message) {
        let mut message = Some(message);
        let offer = |link: &Arc<Link>| link.with_queue(to, |queue| message.take().map(|message| queue.offer(message)));
        match self.links.iter().find_map(offer).flatten() {
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
        let found = self.links.iter().find_map(|link| link.client(to));
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
        self.links.iter().filter(is_it).for_each(|link| link.called());
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
        let id = other.life.node;
        let known = cluster.peer(id).is_some()
            || self
                .links
                .iter()
                .any(|link| link.address == other.address || link.known().is_some_and(|known| known.node == id));
        if !known {
            return Err(Refusal::Stranger { id, address: other.address.into() });
        }
        Ok(other)
    }

    /// Dials a member and asks who it is.
    async fn open(&self, link: &Link) -> Result<(Incarnation, Client), LinkError> {
        let cluster = self.core.cluster();
        let known = link.known().map(|known| known.node);
        let routed = known.and_then(|node| self.routes.get(&node).cloned());
        let said = known.and_then(|node| cluster.peer(node)).map(|peer| &peer.address);
        let moved = said.filter(|said| **said != link.address);
        let moved = moved.and_then(|said| endpoint(&cluster_port(said, self.offset).ok()?).ok());
        let channel = routed.or(moved).unwrap_or_else(|| link.endpoint().clone()).connect().await?;
        let mut stranger = client(channel.clone(), &self.terms.hello(&cluster, None));
        let answer = stranger.hello(proto::HelloRequest {}).await?.into_inner();
        let peer = self.terms.check(cluster.this, &answer.hello.ok_or(Refusal::Unknown)?)?.life;
        // Two streams to one node would end each other for ever.
        let twin = self.links.iter().find(|other| other.peer().is_some_and(|other| other.node == peer.node));
        if let Some(twin) = twin {
            return Err(LinkError::Twice(twin.address.clone()));
        }
        Ok((peer, client(channel, &self.terms.hello(&cluster, Some(peer)))))
    }
}

/// The cluster port of the member whose main address is this.
pub(super) fn cluster_port(address: &str, offset: u16) -> Result<String, IllegalAddress> {
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
