//! Writes that another node is responsible for.

use std::{sync::Arc, time::Duration};

use roster::{
    model::{
        Agreed, AgreedChange, Attributes, ClientId, ClientState, HybridTime, Instance, NodeId, ServiceKey,
        ServiceMetadata, Version,
    },
    node::{Beat, Input, Rejection, Reply, Write},
    peer::{FORWARD_DEADLINE, ForwardError},
    registry::Refused,
};

use crate::{
    raw::{self, Mute},
    support::{DEADLINE, Member, Plan, bind, pair},
};

fn service() -> ServiceKey {
    ServiceKey::new("", "", "orders").expect("legal")
}

fn client() -> ClientId {
    ClientId::address("10.0.0.1", 80)
}

fn register() -> Write {
    let instance = Instance { ip: "10.0.0.1".into(), port: 80, ..Instance::default() };
    Write::RegisterBeating { client: client(), service: service(), instance: Box::new(instance) }
}

#[tokio::test]
async fn the_responsible_node_does_it_and_answers() {
    let [one, two] = pair().await;
    let to = two.life().node;
    let forward = |write: Write| {
        let peers = one.peers.clone();
        async move { peers.forward(to, &write, DEADLINE).await.expect("answered").result.expect("done") }
    };
    assert!(matches!(forward(register()).await, Reply::Done));
    let beat = Write::Beat { client: client(), service: service(), instance: None };
    assert!(matches!(forward(beat).await, Reply::Beat(Beat::Alive { interval: 5_000 })));
    let published = |member: &Member| {
        let reply = member.runtime.handle(Input::Instances { service: service() });
        let Ok(Reply::Instances(instances)) = reply else { panic!("instances") };
        instances.unwrap_or_default().len()
    };
    assert_eq!((published(&one), published(&two)), (0, 1));

    let deregister = || Write::Deregister { client: client(), service: service() };
    assert!(matches!(forward(deregister()).await, Reply::Deregistered(true)));
    assert!(matches!(forward(deregister()).await, Reply::Deregistered(false)));
    assert_eq!(published(&two), 0);
}

#[tokio::test]
async fn the_answer_carries_what_the_client_publishes_now() {
    let ((listener, address), (other, at_other)) = (bind().await, bind().await);
    let version = Version::written(HybridTime(7), NodeId(2));
    let owner = roster::model::Incarnation { node: NodeId(2), since: 3 };
    let attributes = Attributes::default();
    let state = ClientState { id: client(), version, owner, lease: None, attributes, publications: Vec::new() };
    let mut one = Member::start(Plan::new(1, &[(2, at_other)]), listener);
    let plan = Plan { state: Some(Arc::new(state.clone())), ..Plan::new(2, &[(1, address)]) };
    let _two = Member::start(plan, other);
    one.linked().await;
    let forwarded = one.peers.forward(NodeId(2), &register(), DEADLINE).await.expect("answered");
    assert_eq!(forwarded.state, Some(state));
}

#[tokio::test]
async fn a_refusal_is_the_same_as_at_the_responsible_node() {
    let [one, two] = pair().await;
    let set = Agreed::Service { service: service(), ephemeral: false, metadata: ServiceMetadata::default() };
    two.runtime.handle(Input::Agreed(vec![AgreedChange::Put(set)])).expect("made");
    let forwarded = one.peers.forward(two.life().node, &register(), DEADLINE).await.expect("answered");
    let expected = Rejection::from(Refused::IsPersistent(service()));
    assert_eq!(forwarded.result.expect_err("refused"), expected);
    assert!(forwarded.state.is_none());
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_said() {
    let mute = Mute::start(raw::hello(2, None)).await;
    let (listener, _) = bind().await;
    let mut node = Member::start(Plan::new(1, &[(2, mute)]), listener);
    node.linked().await;
    let deadline = Duration::from_millis(30);
    let late = node.peers.forward(NodeId(2), &register(), deadline).await.expect_err("late");
    assert_eq!(late, ForwardError::Late(deadline));
}

#[tokio::test]
async fn a_node_without_a_stream_is_not_asked() {
    let [mut one, two] = pair().await;
    let refused = one.peers.forward(NodeId(3), &register(), FORWARD_DEADLINE).await.expect_err("unknown");
    assert_eq!(refused, ForwardError::NotLinked(NodeId(3)));
    one.stop_dialling().await;
    let refused = one.peers.forward(two.life().node, &register(), FORWARD_DEADLINE).await.expect_err("gone");
    assert_eq!(refused, ForwardError::NotLinked(NodeId(2)));
}
