//! The delayed task engine (Nacos `NacosDelayTaskExecuteEngine`), as a value.
//!
//! Owns which keys have work to do and when. A key has at most one task: adding another merges the two and keeps the
//! earlier due time, so a burst of changes neither postpones nor repeats the work, and memory is bounded by the number of
//! keys. A failed task is added again with a later due time. Never runs anything, never reads a clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Tick;

/// Work that two additions of one key merge into.
pub trait Task {
    /// Takes in what `later`, added for the same key, asks for.
    fn merge(&mut self, later: Self);
}

impl Task for () {
    fn merge(&mut self, (): ()) {}
}

/// Keys with work, each with its due time.
#[derive(Debug)]
pub struct DelayedTasks<K, T> {
    tasks: BTreeMap<K, (Tick, T)>,
    due: BTreeSet<(Tick, K)>,
}

impl<K, T> Default for DelayedTasks<K, T> {
    fn default() -> Self {
        Self { tasks: BTreeMap::new(), due: BTreeSet::new() }
    }
}

impl<K: Ord + Copy, T: Task> DelayedTasks<K, T> {
    /// Adds `task` for `key`, due at `at`; merges with the one that is there, and the earlier due time stays.
    pub fn add(&mut self, key: K, task: T, at: Tick) {
        match self.tasks.get_mut(&key) {
            None => {
                self.tasks.insert(key, (at, task));
                self.due.insert((at, key));
            }
            Some((due, present)) => {
                present.merge(task);
                if at < *due {
                    self.due.remove(&(*due, key));
                    *due = at;
                    self.due.insert((at, key));
                }
            }
        }
    }

    /// Takes the task that has been due longest, if one is due at `now`.
    pub fn pop_due(&mut self, now: Tick) -> Option<(K, T)> {
        let (at, key) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        let (_, task) = self.tasks.remove(&key)?;
        Some((key, task))
    }

    /// Drops the work of `key`.
    pub fn remove(&mut self, key: K) -> Option<T> {
        let (at, task) = self.tasks.remove(&key)?;
        self.due.remove(&(at, key));
        Some(task)
    }

    /// The task of `key`, if it has work.
    pub fn get(&self, key: K) -> Option<&T> {
        self.tasks.get(&key).map(|(_, task)| task)
    }

    /// All keys that have work, each with its due time.
    pub fn all(&self) -> impl Iterator<Item = (K, Tick)> + '_ {
        self.tasks.iter().map(|(key, (at, _))| (*key, *at))
    }

    /// When the task of `key` is due, if it has work.
    pub fn due(&self, key: K) -> Option<Tick> {
        self.tasks.get(&key).map(|(at, _)| *at)
    }

    /// When the next task is due.
    pub fn next_due(&self) -> Option<Tick> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many keys have work.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no key has work.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Panics when the two sides of the engine disagree, or a key would never come due.
    pub fn check(&self) {
        assert_eq!(self.tasks.len(), self.due.len(), "every task has one due time");
        for (key, (at, _)) in &self.tasks {
            assert!(self.due.contains(&(*at, *key)), "a task's due time is in the order");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Sum(u32);

    impl Task for Sum {
        fn merge(&mut self, later: Self) {
            self.0 += later.0;
        }
    }

    #[test]
    fn tasks_of_one_key_merge_and_the_earlier_time_stays() {
        let mut tasks = DelayedTasks::default();
        tasks.add(1, Sum(1), Tick(100));
        tasks.add(1, Sum(2), Tick(300));
        tasks.add(1, Sum(4), Tick(50));
        assert_eq!(tasks.next_due(), Some(Tick(50)));
        assert_eq!(tasks.pop_due(Tick(49)), None);
        assert_eq!(tasks.pop_due(Tick(50)), Some((1, Sum(7))));
        assert!(tasks.is_empty());
    }

    #[test]
    fn due_tasks_come_in_order_of_their_time() {
        let mut tasks = DelayedTasks::default();
        for (key, at) in [(1, 30), (2, 10), (3, 20), (4, 99)] {
            tasks.add(key, (), Tick(at));
        }
        let order: Vec<i32> = std::iter::from_fn(|| tasks.pop_due(Tick(50))).map(|(key, ())| key).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(tasks.next_due(), Some(Tick(99)));
    }

    proptest! {
        #[test]
        fn no_task_is_lost_or_early(steps in proptest::collection::vec((0u8..3, 0u8..6, 0u64..50), 1..200)) {
            let mut tasks = DelayedTasks::default();
            let mut model: BTreeMap<u8, (u64, u32)> = BTreeMap::new();
            for (step, key, at) in steps {
                match step {
                    0 => {
                        tasks.add(key, Sum(1), Tick(at));
                        let entry = model.entry(key).or_insert((at, 0));
                        *entry = (entry.0.min(at), entry.1 + 1);
                    }
                    1 => prop_assert_eq!(tasks.remove(key).map(|sum| sum.0), model.remove(&key).map(|(_, sum)| sum)),
                    _ => while let Some((key, sum)) = tasks.pop_due(Tick(at)) {
                        let (due, expected) = model.remove(&key).expect("the model has it");
                        prop_assert!(due <= at && sum.0 == expected);
                    },
                }
                tasks.check();
                prop_assert_eq!(tasks.next_due(), model.values().map(|(due, _)| Tick(*due)).min());
            }
        }
    }
}
