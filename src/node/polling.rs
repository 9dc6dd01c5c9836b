//! Subscribers that are known by their address: they appear by polling and are gone when they stop.

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;

use crate::{
    model::{Attributes, ClientId, Now, ServiceKey, Tick},
    node::{Node, Rejection, Reply, subscriber},
    push::PushNo,
    registry::{Command, Selection, Subscriber},
};

/// A poll of a service by a client that is reached by datagrams.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Where datagrams reach it.
    pub from: SocketAddr,
    /// What it says of itself.
    pub attributes: Attributes,
    /// Of what.
    pub service: ServiceKey,
    /// Which clusters, as asked.
    pub clusters: CompactString,
    /// Whether the list it wants now is without unhealthy instances; what it hears of later never is.
    pub healthy_only: bool,
}

impl Node {
    /// Answers a poll, which subscribes whoever polls, or keeps it subscribed.
    pub(super) fn polled(&mut self, now: Now, poll: Poll) -> Result<Reply, Rejection> {
        let Poll { from, attributes, service, clusters, healthy_only } = poll;
        let client = ClientId::reached_at(from);
        let subscriber = Subscriber { attributes: Some(Box::new(attributes)), ..subscriber(clusters) };
        let selection = Selection { filter: subscriber.filter.clone(), healthy_only };
        let numbers = self.numbers(&service, &client);
        let known = numbers.and_then(|(service, client)| self.registry.subscriber(service, client));
        // Not again when it is the same: that would call off the push in flight.
        if known.is_none_or(|known| *known != subscriber) {
            self.apply(now, Command::Connect(client.clone(), Attributes::default()))?;
            let (client, service) = (client.clone(), service.clone());
            self.apply(now, Command::Subscribe { client, service, subscriber })?;
        }
        let (service, client) = self.numbers(&service, &client).expect("just subscribed");
        self.polling.polled(now.tick, service, client);
        Ok(Reply::View(self.answer(now, service, client, &selection)))
    }

    /// Takes an ack that came from `from` and names nothing but a push.
    pub(super) fn acked_by_datagram(&mut self, now: Tick, from: IpAddr, push: PushNo) -> Reply {
        let client = self.push.datagram(push).filter(|client| {
            let address = self.registry.client_id(*client).datagram_address();
            // Not the port: behind a translator the ack may leave by another.
            address.is_some_and(|address| address.ip() == from)
        });
        Reply::Acked(client.and_then(|client| self.push.acked(now, client, Some(push), true)))
    }

    /// Ends the subscriptions that nobody polls any more.
    pub(super) fn expire_unpolled(&mut self, now: Now) {
        let mut ended = Vec::new();
        self.polling.poll(now.tick, &mut ended);
        for (service, client) in ended {
            let (client, service) = (self.registry.client_id(client).clone(), self.registry.key(service).clone());
            let ended = self
                .apply(now, Command::Unsubscribe { client: client.clone(), service })
                .and_then(|()| self.forget_idle(now, client));
            ended.expect("a client that subscribes is there");
        }
    }
}
