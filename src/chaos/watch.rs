//! What subscribers were shown, and whether that could be.
//!
//! Over one connection no instance goes back to an older version, and no list ever lacks an instance whose client holds on to
//! it. The version of an instance is the time at which it was published, so it also tells how long its way was.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use compact_str::CompactString;
use parking_lot::Mutex;

use super::journal::{Journal, Promise};
use crate::bench::{
    message::{Host, View},
    stream::OnPush,
};

/// Where an instance is: service, ip, port.
pub type Place = (CompactString, CompactString, u16);

/// What is known of instances whose clients never let go of them.
#[derive(Default)]
pub struct Steady {
    /// Version that was acknowledged last, in milliseconds.
    pub acknowledged: BTreeMap<Place, u64>,
    /// Whether all nodes have had the time to hear of them: lists must have them from now on.
    pub is_known: bool,
}

/// What all subscribers are measured by.
pub struct Ground {
    pub journal: Arc<Journal>,
    pub steady: Mutex<Steady>,
    /// Longest way of a push since it was asked for, in milliseconds.
    pub slowest: Mutex<u64>,
}

impl Ground {
    /// Whether the client of an instance never lets go of it. Of one that was taken back, what its client published over an
    /// earlier connection may be shown again until that is known to be gone.
    fn is_steady(&self, view: &View, host: &Host) -> bool {
        self.steady.lock().acknowledged.contains_key(&(view.name.clone(), host.ip.clone(), host.port))
    }
}

/// One subscriber, over all its connections.
pub struct Watch {
    pub name: String,
    ground: Arc<Ground>,
    now: Mutex<Option<Weak<Shown>>>,
}

/// What was shown over one connection.
#[derive(Default)]
struct Shown {
    views: Mutex<BTreeMap<CompactString, View>>,
}

/// One connection of a subscriber.
pub struct Door {
    shown: Arc<Shown>,
    watch: Arc<Watch>,
}

impl Watch {
    pub fn new(name: String, ground: Arc<Ground>) -> Arc<Self> {
        Arc::new(Self { name, ground, now: Mutex::default() })
    }

    /// A new connection, of which nothing is known yet.
    pub fn open(self: &Arc<Self>) -> Door {
        let shown = Arc::<Shown>::default();
        *self.now.lock() = Some(Arc::downgrade(&shown));
        Door { shown, watch: self.clone() }
    }

    /// What it was shown of a service last, if it is connected.
    pub fn hosts(&self, service: &str) -> Option<Vec<Host>> {
        let shown = self.now.lock().as_ref().and_then(Weak::upgrade)?;
        let views = shown.views.lock();
        views.get(service).map(View::sorted_hosts)
    }
}

impl Door {
    pub fn on_push(&self) -> OnPush {
        let (shown, watch) = (self.shown.clone(), self.watch.clone());
        Arc::new(move |push| match push.view() {
            Ok(view) => shown.take(&watch, &view, true),
            Err(error) => watch.ground.journal.broke(Promise::FinalPush, format!("an unreadable push: {error}")),
        })
    }

    /// What a subscription was answered with.
    pub fn seen(&self, view: &View) {
        self.shown.take(&self.watch, view, false);
    }
}

impl Shown {
    fn take(&self, watch: &Watch, view: &View, pushed: bool) {
        let now = watch.ground.journal.millis();
        let mut views = self.views.lock();
        let known = views.entry(view.name.clone()).or_default();
        // The SDKs drop what is not newer.
        if view.last_ref_time <= known.last_ref_time {
            return;
        }
        let both = view.hosts.iter().filter_map(|host| Some((host, find(known, host)?)));
        for (host, old) in both.filter(|(host, _)| watch.ground.is_steady(view, host)) {
            let (new, old) = (version(host), version(old));
            if new < old {
                let what =
                    format!("{} was shown {}:{} of {} at {new} after {old}", watch.name, host.ip, host.port, view.name);
                watch.ground.journal.broke(Promise::NeverBack, what);
            }
            if pushed && new > old {
                let mut slowest = watch.ground.slowest.lock();
                *slowest = (*slowest).max(now.saturating_sub(new));
            }
        }
        watch.judge(view);
        *known = view.clone();
    }
}

impl Watch {
    /// Whether a list lacks what must be there.
    fn judge(&self, view: &View) {
        let steady = self.ground.steady.lock();
        if !steady.is_known {
            return;
        }
        let first = (view.name.clone(), CompactString::default(), 0);
        let all = steady.acknowledged.range(first..).take_while(|((service, ..), _)| *service == view.name);
        for ((service, ip, port), _) in all {
            if !view.hosts.iter().any(|host| host.ip == *ip && host.port == *port) {
                let shown = view.hosts.len();
                let what = format!("{} was shown {service} without {ip}:{port} ({shown} others)", self.name);
                self.ground.journal.broke(Promise::NothingVanishes, what);
            }
        }
    }

    /// How far this subscriber is behind, in milliseconds; none when it is not connected.
    pub fn lag(&self, now: u64) -> Option<u64> {
        let shown = self.now.lock().as_ref().and_then(Weak::upgrade)?;
        let (views, steady) = (shown.views.lock(), self.ground.steady.lock());
        let behind = steady.acknowledged.iter().filter_map(|((service, ip, port), newest)| {
            let view = views.get(service)?;
            let seen = view.hosts.iter().find(|host| host.ip == *ip && host.port == *port).map_or(0, version);
            (seen < *newest).then(|| now.saturating_sub(*newest))
        });
        Some(behind.max().unwrap_or(0))
    }
}

fn find<'a>(view: &'a View, host: &Host) -> Option<&'a Host> {
    view.hosts.iter().find(|known| known.ip == host.ip && known.port == host.port)
}

fn version(host: &Host) -> u64 {
    host.metadata.version.parse().unwrap_or(0)
}
