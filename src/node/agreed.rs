//! What nodes agreed on, as this node shows it.
//!
//! Nothing is refused here: what could be refused was, when it was proposed or when all nodes applied it.

use std::sync::Arc;

use crate::{
    model::{Agreed, AgreedChange, AgreedKey, Flag, Instance, Now, ServiceKey, Span, Switch, Tick},
    node::{Cause, Node, Rejection, Reply},
    registry::{Command, ServiceNo},
};

impl Node {
    /// Makes changes that all nodes make.
    pub(super) fn agreed(&mut self, now: Now, changes: Vec<AgreedChange>) -> Reply {
        for change in changes {
            match change {
                AgreedChange::Put(Agreed::Namespace(namespace)) => self.namespaces.put(namespace),
                AgreedChange::Gone(AgreedKey::Namespace(id)) => self.namespaces.remove(&id),
                AgreedChange::Put(Agreed::Switch(switch)) => self.switch(switch),
                AgreedChange::Gone(AgreedKey::Switch(place)) => {
                    let default = Switch::defaults().into_iter().find(|switch| switch.place() == place);
                    default.into_iter().for_each(|switch| self.switch(switch));
                }
                change => self
                    .apply_as(now, Command::Agreed(change), Cause::Agreed)
                    .expect("what is agreed on is not refused"),
            }
        }
        Reply::Done
    }

    /// An instance that may be proposed.
    pub(super) fn minted(&mut self, now: Now, service: &ServiceKey, mut instance: Box<Instance>) -> Reply {
        self.mint(now, service, std::slice::from_mut(&mut *instance));
        Reply::Minted(instance)
    }

    /// What nobody needs any more of what is agreed on, of some services.
    pub(super) fn forgettable(&self, now: Tick, after: Option<ServiceNo>) -> Reply {
        let (keys, last) = self.registry.forgettable(now, after);
        Reply::Forgettable(keys, last)
    }

    /// Sets a switch on this node.
    pub(super) fn switch(&mut self, switch: Switch) {
        let switches = Arc::make_mut(&mut self.switches);
        switches.set(switch);
        self.push.switch(switches.flag(Flag::Push), switches.span(Span::PushCache));
    }

    /// Refuses to show what may be older than what was shown before: a service with persistent instances, while it is not
    /// known how far nodes had agreed when this one stopped.
    pub(super) fn check_recovered(&self, service: &ServiceKey) -> Result<(), Rejection> {
        if self.recovering && self.registry.is_persistent(service) {
            return Err(Rejection::Recovering(service.clone()));
        }
        Ok(())
    }
}
