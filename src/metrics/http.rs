//! The counter of HTTP requests: one series for each operation, generation and class of status that was seen.
//!
//! A series begins with its first request, so that a node that is asked little shows little.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, counter};

use crate::metrics::names;

/// The classes of a status, from 200 on, and what stands for no answer.
const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "none"];
const NONE: usize = CLASSES.len() - 1;

/// Counts the requests of one operation in one generation.
#[derive(Clone)]
pub struct HttpCounter(Arc<Series>);

struct Series {
    operation: &'static str,
    generation: &'static str,
    classes: [OnceLock<Counter>; CLASSES.len()],
}

/// A request that is under way. It counts once: with its status, or as one without, because it took too long or its caller
/// left.
pub struct Counting<'a> {
    series: &'a Series,
    class: usize,
}

impl HttpCounter {
    pub(super) fn new(operation: &'static str, generation: &'static str) -> Self {
        Self(Arc::new(Series { operation, generation, classes: Default::default() }))
    }

    /// A request begins.
    pub fn begin(&self) -> Counting<'_> {
        Counting { series: &self.0, class: NONE }
    }
}

impl Counting<'_> {
    /// It is answered with this status.
    pub fn answered(mut self, status: u16) {
        self.class = usize::from(status / 100).saturating_sub(2).min(NONE);
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        let Series { operation, generation, classes } = self.series;
        let counter = classes[self.class].get_or_init(|| {
            let status = CLASSES[self.class];
            counter!(names::HTTP_REQUESTS, "operation" => *operation, "generation" => *generation, "status" => status)
        });
        counter.increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(end: impl FnOnce(Counting<'_>)) -> Vec<usize> {
        let counter = HttpCounter::new("test", "v1");
        end(counter.begin());
        (0..CLASSES.len()).filter(|class| counter.0.classes[*class].get().is_some()).collect()
    }

    #[test]
    fn a_request_counts_once_by_its_status_or_as_unanswered() {
        for (status, expected) in [(200, "2xx"), (301, "3xx"), (404, "4xx"), (501, "5xx"), (700, "none")] {
            let found = class(|request| request.answered(status));
            assert_eq!(found.iter().map(|class| CLASSES[*class]).collect::<Vec<_>>(), [expected], "{status}");
        }
        assert_eq!(class(|request| drop::<Counting<'_>>(request)), [NONE]);
    }
}
