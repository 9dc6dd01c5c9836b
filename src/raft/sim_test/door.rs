//! What callers ask a node for, in place of its HTTP port: handed over in memory, answered by the real group.

use std::sync::Arc;

use compact_str::CompactString;
use tokio::sync::{mpsc, oneshot};

use crate::{
    model::{
        Address, Agreed, AgreedKey, Amended, AmendedMetadata, Amendment, Instance, MetadataOperation,
        PersistentOperation, Proposal, ServiceKey,
    },
    raft::{Agreement, Failure, Group, MemberChange},
};

/// Registers from this one on are overrides of instances, those below persistent instances.
pub(super) const OVERRIDES: u16 = 1_000;
/// An instance that is always there, so that the service is.
pub(super) const ANCHOR: u16 = 999;

/// What is asked.
pub(super) enum What {
    Put(u16, u64),
    Delete(u16),
    Read(u16),
    Members(MemberChange),
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Done,
    Seen(Option<u64>),
    /// Nothing changed.
    NotDone(String),
    /// Nobody knows.
    Unknown(String),
}

/// One caller at the door.
pub(super) struct Ask {
    pub(super) what: What,
    pub(super) told: oneshot::Sender<Told>,
}

/// Lets callers in for as long as the node lives.
pub(super) async fn answer(group: &Arc<Group>, mut asked: mpsc::Receiver<Ask>) {
    while let Some(Ask { what, told }) = asked.recv().await {
        let group = group.clone();
        tokio::spawn(async move {
            // Who asked may be gone.
            let _ = told.send(one(&group, what).await);
        });
    }
    std::future::pending::<()>().await;
}

async fn one(group: &Group, what: What) -> Told {
    let result = match what {
        What::Put(key, version) if key >= OVERRIDES => amend(group, key, version).await,
        What::Put(key, version) => group.propose(registration(key, version)).await.map(drop),
        What::Delete(key) => group.propose(deregistration(key)).await.map(drop),
        What::Read(key) => match group.catch_up().await {
            Ok(()) => return read(group, key),
            Err(failure) => Err(failure),
        },
        What::Members(change) => group.change_members(change).await.map(drop),
    };
    match result {
        Ok(()) => Told::Done,
        Err(Failure::Unknown(why)) => Told::Unknown(why),
        Err(failure) => Told::NotDone(failure.to_string()),
    }
}

/// Nothing happens to a service that the asked node does not show, so it is asked to catch up first.
async fn amend(group: &Group, key: u16, version: u64) -> Result<(), Failure> {
    group.catch_up().await?;
    group.propose(amendment(key, version)).await.map(drop)
}

fn read(group: &Group, key: u16) -> Told {
    let Ok(running) = group.running() else { return Told::NotDone("no member".into()) };
    let thing = running.shared.view().state.get(&agreed_key(key));
    Told::Seen(thing.and_then(|thing| version(&thing)))
}

/// The version of a register as a node's state has it.
pub(super) fn version(thing: &Agreed) -> Option<u64> {
    match thing {
        Agreed::Instance { instance, .. } => Some(instance.weight as u64),
        Agreed::Override { value, .. } => Some(value.weight as u64),
        _ => None,
    }
}

fn service() -> ServiceKey {
    ServiceKey::new("", "", "history").expect("legal")
}

fn host() -> CompactString {
    "10.0.0.1".into()
}

fn overridden(key: u16) -> Address {
    Address { ip: host(), port: key, cluster: "DEFAULT".into() }
}

fn agreed_key(key: u16) -> AgreedKey {
    if key >= OVERRIDES {
        AgreedKey::Override(service(), overridden(key))
    } else {
        AgreedKey::Instance(service(), host(), key)
    }
}

fn registration(key: u16, version: u64) -> Proposal {
    let instance = Instance { ip: host(), port: key, weight: version as f64, ..Instance::default() };
    Proposal::Instance(PersistentOperation::Register { service: service(), instance: Box::new(instance) })
}

fn deregistration(key: u16) -> Proposal {
    Proposal::Instance(PersistentOperation::Deregister { service: service(), ip: host(), port: key })
}

fn amendment(key: u16, version: u64) -> Proposal {
    let amendment = Amendment {
        weight: Amended::Set(version as f64),
        enabled: Amended::Keep(true),
        metadata: AmendedMetadata::Keep,
    };
    let amendments = vec![(overridden(key), amendment)];
    Proposal::Metadata(MetadataOperation::Override { service: service(), amendments })
}
