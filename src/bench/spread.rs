//! Spreads so many instances over connections and services. Promises that every connection gets a near equal share
//! and every service too, and that a connection publishes to a service once: as a single registration, or as a batch
//! when it has several there. Never talks to a server.

use std::collections::BTreeMap;

/// Per connection, how many instances it publishes to which service.
#[derive(Debug, PartialEq, Eq)]
pub struct Spread(Vec<BTreeMap<usize, usize>>);

impl Spread {
    /// Instance k goes to service k modulo `services`; each connection takes the next `per_connection` of them.
    pub fn new(connections: usize, per_connection: usize, services: usize) -> Self {
        let share = |connection: usize| {
            let mut share = BTreeMap::new();
            for number in connection * per_connection..(connection + 1) * per_connection {
                *share.entry(number % services).or_insert(0) += 1;
            }
            share
        };
        Self((0..connections).map(share).collect())
    }

    pub fn of(&self, connection: usize) -> &BTreeMap<usize, usize> {
        &self.0[connection]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_equal_on_both_sides() {
        let spread = Spread::new(20, 100, 200);
        let mut by_service = BTreeMap::new();
        for connection in 0..20 {
            assert_eq!(spread.of(connection).values().sum::<usize>(), 100);
            assert!(spread.of(connection).values().all(|count| *count == 1));
            for (service, count) in spread.of(connection) {
                *by_service.entry(*service).or_insert(0) += count;
            }
        }
        assert_eq!(by_service.len(), 200);
        assert!(by_service.values().all(|count| *count == 10));
    }

    #[test]
    fn a_small_number_of_services_makes_batches() {
        let spread = Spread::new(2, 5, 2);
        assert_eq!(spread.of(0), &BTreeMap::from([(0, 3), (1, 2)]));
        assert_eq!(spread.of(1), &BTreeMap::from([(0, 2), (1, 3)]));
    }
}
