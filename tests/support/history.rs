//! What callers asked and were told of some registers, and whether it is as if all of it had happened at one place, one
//! after the other.
//!
//! Each register is checked on its own. A caller who was told nothing, or that nobody knows, may have been served at any
//! later time: such a write stays open to the end; such a read says nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

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

/// A register: a version, or none.
pub struct Register;

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

/// What was asked and told, in the order of the calls and the answers.
#[derive(Default)]
pub struct Histories(Mutex<BTreeMap<u16, Actions>>);

/// Of one register, each with who asked.
type Actions = Vec<(usize, Action<Operation>)>;

impl Histories {
    /// Somebody asked, or was told.
    pub fn note(&self, key: u16, process: usize, action: Action<Operation>) {
        self.0.lock().expect("no panic under it").entry(key).or_default().push((process, action));
    }

    /// The last call of a caller never was.
    pub fn take_back(&self, key: u16, process: usize) {
        let mut histories = self.0.lock().expect("no panic under it");
        let actions = histories.entry(key).or_default();
        let call = actions.iter().rposition(|(caller, _)| *caller == process).expect("it called");
        actions.remove(call);
    }

    /// The registers whose history has no order that all that was told agrees with, and of all others how much was asked.
    pub fn check(self) -> (Vec<String>, BTreeMap<u16, usize>) {
        let (mut wrong, mut asked) = (Vec::new(), BTreeMap::new());
        for (key, mut actions) in self.0.into_inner().expect("no panic under it") {
            close(&mut actions);
            asked.insert(key, actions.len() / 2);
            if !WGLChecker::<Register>::is_linearizable(History::from_actions(actions.clone())) {
                wrong.push(format!("{key}: {actions:?}"));
            }
        }
        (wrong, asked)
    }
}

/// Ends what is open: a write at the very end; a read as if it had never been.
fn close(actions: &mut Actions) {
    let mut open: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, (process, action)) in actions.iter().enumerate() {
        match action {
            Action::Call(_) => open.insert(*process, place),
            Action::Response(_) => open.remove(process),
        };
    }
    let (mut ends, mut never) = (Vec::new(), BTreeSet::new());
    for (process, place) in open {
        match &actions[place].1 {
            Action::Call(Operation::Read(_)) => drop(never.insert(place)),
            Action::Call(operation) => ends.push((process, Action::Response(*operation))),
            Action::Response(_) => unreachable!("only calls are open"),
        }
    }
    let mut place = 0..;
    actions.retain(|_| place.next().is_none_or(|place| !never.contains(&place)));
    actions.extend(ends);
}

#[test]
fn the_checker_refuses_what_was_lost_and_takes_what_may_have_been() {
    let check = |actions: &[(usize, Action<Operation>)]| {
        let mut actions = actions.to_vec();
        close(&mut actions);
        WGLChecker::<Register>::is_linearizable(History::from_actions(actions))
    };
    let whole = |process, operation| [(process, Action::Call(operation)), (process, Action::Response(operation))];
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
}
