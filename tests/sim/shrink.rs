//! Makes a failing plan shorter, by leaving out actions as long as it still fails.

use crate::{
    plan::{Action, Plan},
    run,
};

/// How many plans are tried at most.
const TRIES: usize = 120;

/// A plan that fails in the same property, with as few actions as a bounded search finds.
pub fn shrink(plan: &Plan, failure: &str) -> (Plan, String) {
    let mut best = (plan.clone(), failure.to_owned());
    let mut tries = 0;
    let mut part = plan.actions.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < best.0.actions.len() && tries < TRIES {
            tries += 1;
            let shorter = best.0.with(without(&best.0.actions, from, part));
            match run::run(&shorter).failure.filter(|now| property(now) == property(failure)) {
                Some(failure) => best = (shorter, failure),
                None => from += part,
            }
        }
        part = if part == 1 { 0 } else { part.div_ceil(2) };
    }
    best
}

fn property(failure: &str) -> &str {
    failure.split(',').next().unwrap_or(failure)
}

fn without(actions: &[Action], from: usize, length: usize) -> Vec<Action> {
    let outside = |(place, _): &(usize, &Action)| *place < from || *place >= from + length;
    actions.iter().enumerate().filter(outside).map(|(_, action)| action.clone()).collect()
}
