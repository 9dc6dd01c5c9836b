//! What a subscriber holds of a service: the newest list by stamp, as SDKs keep it, over connections too.

use bytes::Bytes;
use roster::model::Millis;
use serde::Deserialize;

use crate::{client::Subscribing, event::List};

#[derive(Clone, Debug)]
pub struct Held {
    /// Which host gave it.
    pub host: usize,
    pub stamp: Millis,
    pub hosts: Bytes,
    /// Address and revision.
    pub entries: Vec<(String, u16, u32)>,
}

#[derive(Deserialize)]
struct Shown {
    ip: String,
    port: u16,
    weight: f64,
}

/// The addresses in an encoded list, with their revisions.
pub fn entries(hosts: &[u8]) -> Vec<(String, u16, u32)> {
    let shown: Vec<Shown> = serde_json::from_slice(hosts).expect("a list of hosts");
    shown.into_iter().map(|one| (one.ip, one.port, one.weight as u32)).collect()
}

impl Subscribing {
    /// Takes a list that `host` gave if it is newer, and returns the one before.
    pub fn offer(&mut self, host: usize, list: &List) -> Offer {
        match &self.held {
            Some(held) if held.stamp > list.stamp => Offer::Older(held.host, held.stamp),
            Some(held) if held.stamp == list.stamp && held.hosts != list.hosts => Offer::Equal(held.host, held.stamp),
            _ => {
                let entries = entries(&list.hosts);
                let held = Held { host, stamp: list.stamp, hosts: list.hosts.clone(), entries };
                Offer::Taken(self.held.replace(held))
            }
        }
    }
}

/// What became of a list.
#[derive(Debug)]
pub enum Offer {
    Taken(Option<Held>),
    /// The one that is held is newer.
    Older(usize, Millis),
    /// Another list under one stamp: some SDKs keep the old, some take the new.
    Equal(usize, Millis),
}
