//! Calls on the cluster port beside the streams, for whoever serves something of its own there.
//!
//! They carry the same hello; whether the caller is a member is for the callee to know: one that is to become a member
//! calls too.

use std::net::SocketAddr;

use tonic::{
    Request, Status,
    metadata::{Binary, MetadataMap, MetadataValue},
    service::Interceptor,
    transport::Channel,
};

use crate::{
    model::Incarnation,
    peer::{
        IllegalAddress, Peers,
        handshake::{HELLO_HEADER, presented},
    },
    proto::peer as proto,
};

/// Puts the hello on a call.
#[derive(Clone)]
pub struct Stamp(MetadataValue<Binary>);

impl Stamp {
    pub(super) fn new(hello: &proto::Hello) -> Self {
        let mut value = MetadataValue::from_bytes(&prost::Message::encode_to_vec(hello));
        // The secret is in it: it stays out of tables of headers and out of logs.
        value.set_sensitive(true);
        Self(value)
    }
}

impl Interceptor for Stamp {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert_bin(HELLO_HEADER, self.0.clone());
        Ok(request)
    }
}

/// How nodes of the cluster are called, and who may call.
pub trait Calls: Send + Sync + 'static {
    /// A channel to the cluster port of a node, dialled when it is used.
    fn channel(&self, address: &str) -> Result<Channel, IllegalAddress>;

    /// What goes on each call.
    fn stamp(&self) -> Stamp;

    /// Who calls, if it knows name and secret of the cluster.
    fn check(&self, headers: &MetadataMap, from: Option<SocketAddr>) -> Result<Incarnation, Status>;
}

impl Calls for Peers {
    fn channel(&self, address: &str) -> Result<Channel, IllegalAddress> {
        Ok(self.endpoint(address)?.connect_lazy())
    }

    fn stamp(&self) -> Stamp {
        Stamp::new(&self.hello())
    }

    fn check(&self, headers: &MetadataMap, from: Option<SocketAddr>) -> Result<Incarnation, Status> {
        let checked = presented(headers).and_then(|hello| self.terms.check(self.core.cluster().this, &hello));
        checked.map(|caller| caller.life).map_err(|refusal| {
            if self.noted.is_new(&refusal.to_string()) {
                tracing::warn!(?from, %refusal, "a call on the cluster port is refused");
            }
            refusal.status()
        })
    }
}
