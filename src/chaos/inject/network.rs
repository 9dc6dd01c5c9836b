//! What is done to the lines between nodes.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Injector, Met, name};
use crate::chaos::links::Way;

/// Longer than silence makes suspect and than an election takes, shorter than leases.
const LENGTH: Duration = Duration::from_secs(8);

const CUT: Way = Way { cut: true, delay: Duration::ZERO, loss: 0, rate: None };

impl Injector {
    pub(super) async fn cut_off(&mut self, leads: bool) -> Result<Met> {
        let node = if leads { self.led(true).await? } else { self.any_running() };
        let ways = self.around(node);
        Ok(self.hold(name(node), &ways, CUT).await)
    }

    pub(super) async fn halves(&mut self) -> Result<Met> {
        let (first, count) = (self.any_running(), self.nodes.all.len());
        let is_small = |node: usize| (node + count - first) % count < count / 2;
        let mut ways = self.nodes.links.all();
        ways.retain(|(from, to)| is_small(*from) != is_small(*to));
        let small: Vec<String> = (0..count).filter(|node| is_small(*node)).map(name).collect();
        Ok(self.hold(format!("{} and the others", small.join(", ")), &ways, CUT).await)
    }

    pub(super) async fn one_way(&mut self) -> Result<Met> {
        let node = self.any_running();
        let mut ways = self.around(node);
        ways.retain(|(from, _)| *from == node);
        Ok(self.hold(name(node), &ways, CUT).await)
    }

    pub(super) async fn late(&mut self) -> Result<Met> {
        let ways = self.nodes.links.all();
        Ok(self.hold("all".into(), &ways, Way { delay: Duration::from_millis(80), ..Way::default() }).await)
    }

    pub(super) async fn lossy(&mut self) -> Result<Met> {
        let ways = self.nodes.links.all();
        Ok(self.hold("all".into(), &ways, Way { loss: 10, ..Way::default() }).await)
    }

    pub(super) async fn slow(&mut self) -> Result<Met> {
        let node = self.any_running();
        let ways = self.around(node);
        Ok(self.hold(name(node), &ways, Way { rate: Some(64 << 10), ..Way::default() }).await)
    }

    /// All lines from and to a node.
    fn around(&self, node: usize) -> Vec<(usize, usize)> {
        let mut ways = self.nodes.links.all();
        ways.retain(|(from, to)| *from == node || *to == node);
        ways
    }

    async fn hold(&self, target: String, ways: &[(usize, usize)], way: Way) -> Met {
        let links = &self.nodes.links;
        let before = links.held(ways);
        links.set(ways, way);
        sleep(LENGTH).await;
        let held = links.held(ways) - before;
        links.set(ways, Way::default());
        Met { target, evidence: (held > 0).then(|| format!("{held} pieces were held up")) }
    }
}
