//! What callers were told of some registers, such as persistent instances: it must be as if everything had happened at one
//! place, one thing after the other.
//!
//! Each register is checked on its own. A caller who was told nothing, or that nobody knows, may have been served at any
//! later time: such a write stays open to the end; such a read says nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;
use todc_utils::{
    linearizability::{
        WGLChecker,
        history::{Action, History},
    },
    specifications::Specification,
};

/// What was asked of one register, and for a read what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Put(u64),
    Delete,
    Read(Option<u64>),
}

/// A version, or none.
struct Register;

impl Specification for Register {
    type State = Option<u64>;
    type Operation = Operation;

    fn init() -> Self::State {
        None
    }

    fn apply(operation: &Operation, state: &Self::State) -> (bool, Self::State) {
        match operation {
            Operation::Put(version) => (true, Some(*version)),
            Operation::Delete => (true, None),
            Operation::Read(seen) => (seen == state, *state),
        }
    }
}

/// Of one register, each with who asked.
type Actions = Vec<(usize, Action<Operation>)>;

/// What was asked and told, in the order of the calls and the answers.
pub struct Histories<K> {
    actions: Mutex<BTreeMap<K, Actions>>,
    callers: AtomicUsize,
}

impl<K> Default for Histories<K> {
    fn default() -> Self {
        Self { actions: Mutex::default(), callers: AtomicUsize::new(0) }
    }
}

impl<K: Copy + Ord> Histories<K> {
    /// A call without an answer is its caller's last: whoever asks on is somebody else.
    pub fn caller(&self) -> usize {
        self.callers.fetch_add(1, Relaxed)
    }

    pub fn called(&self, key: K, caller: usize, operation: Operation) {
        self.actions.lock().entry(key).or_default().push((caller, Action::Call(operation)));
    }

    pub fn answered(&self, key: K, caller: usize, operation: Operation) {
        self.actions.lock().entry(key).or_default().push((caller, Action::Response(operation)));
    }

    /// The last call of a caller never was.
    pub fn take_back(&self, key: K, caller: usize) {
        let mut all = self.actions.lock();
        let actions = all.entry(key).or_default();
        let call = actions.iter().rposition(|(known, _)| *known == caller).expect("it called");
        actions.remove(call);
    }

    /// All registers that anything was asked of.
    pub fn keys(&self) -> BTreeSet<K> {
        self.actions.lock().keys().copied().collect()
    }

    /// How much was asked of each, and those for which there is no order that all that was told agrees with, with what was.
    /// Takes long.
    pub fn check(&self) -> (BTreeMap<K, usize>, Vec<(K, String)>) {
        let all = self.actions.lock().clone();
        let asked = all.iter().map(|(key, actions)| (*key, actions.len() / 2)).collect();
        let broken = all.into_iter().filter(|(_, actions)| !is_linearizable(actions));
        (asked, broken.map(|(key, actions)| (key, format!("{actions:?}"))).collect())
    }
}

fn is_linearizable(actions: &Actions) -> bool {
    let actions = closed(actions.clone());
    actions.is_empty() || WGLChecker::<Register>::is_linearizable(History::from_actions(actions))
}

/// With what is open ended: a write at the very end; a read as if it had never been.
fn closed(mut actions: Actions) -> Actions {
    let mut open: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, (caller, action)) in actions.iter().enumerate() {
        match action {
            Action::Call(_) => open.insert(*caller, place),
            Action::Response(_) => open.remove(caller),
        };
    }
    let (mut ends, mut never) = (Vec::new(), BTreeSet::new());
    for (caller, place) in open {
        match &actions[place].1 {
            Action::Call(operation @ (Operation::Put(_) | Operation::Delete)) => {
                ends.push((caller, Action::Response(*operation)));
            }
            _ => drop(never.insert(place)),
        }
    }
    let mut place = 0..;
    actions.retain(|_| place.next().is_none_or(|place| !never.contains(&place)));
    actions.extend(ends);
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_refused_and_what_may_have_been_is_not() {
        let check = |actions: &[(usize, Action<Operation>)]| is_linearizable(&actions.to_vec());
        let whole = |caller, operation| [(caller, Action::Call(operation)), (caller, Action::Response(operation))];
        let acknowledged = whole(0, Operation::Put(1));
        let lost = whole(1, Operation::Read(None));
        let found = whole(1, Operation::Read(Some(1)));
        assert!(!check(&[&acknowledged[..], &lost].concat()), "an acknowledged write is there");
        assert!(check(&[&acknowledged[..], &found].concat()));
        let open = [(0, Action::Call(Operation::Put(1)))];
        assert!(check(&[&open[..], &lost].concat()) && check(&[&open[..], &found].concat()), "nobody knows");
        let silent = [(0, Action::Call(Operation::Read(None)))];
        assert!(!check(&[&acknowledged[..], &silent, &lost].concat()), "a read without an answer takes nothing along");
        let again = whole(2, Operation::Read(None));
        assert!(!check(&[&open[..], &found, &again].concat()), "what was seen stays");
        assert!(check(&silent));
    }
}
