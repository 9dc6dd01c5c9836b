//! Searches in the names of services.
//!
//! Patterns are plain: a part of the name, `*` for anything between. The reference takes them for regular expressions, in
//! which the dot of a common name means something else.

use compact_str::CompactString;

use crate::{
    http::nacos::{Call, Fault, page::Page},
    model::ServiceKey,
    node::{Input, Reply},
    registry::{Among, Stretch},
};

/// Which services are looked for.
pub(super) struct Search<'a> {
    /// Where; everywhere when none.
    pub(super) namespace: Option<CompactString>,
    pub(super) among: Among,
    /// Pattern of the group.
    pub(super) group: &'a str,
    /// Pattern of the name.
    pub(super) name: &'a str,
}

/// Whether a text has the parts of a pattern, in their order.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

impl Search<'_> {
    fn admits(&self, service: &ServiceKey) -> bool {
        matches(self.group, &service.group) && matches(self.name, &service.name)
    }
}

impl Call<'_> {
    /// Visits all services that are found, by namespace, group and name. The node is held for a stretch at a time only,
    /// and not while one is visited.
    pub(super) fn search(
        &self,
        search: &Search<'_>,
        mut visit: impl FnMut(ServiceKey) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let Stretch { services, next } = self.stretch(search, after)?;
            services.into_iter().filter(|service| search.admits(service)).try_for_each(&mut visit)?;
            if next.is_none() {
                return Ok(());
            }
            after = next;
        }
    }

    fn stretch(&self, search: &Search<'_>, after: Option<ServiceKey>) -> Result<Stretch, Fault> {
        match self.handle(Input::Services { namespace: search.namespace.clone(), among: search.among, after })? {
            Reply::Stretch(stretch) => Ok(stretch),
            other => unreachable!("services are answered with some, not {other:?}"),
        }
    }

    /// How many services are found, and those of a page.
    pub(super) fn found(&self, search: &Search<'_>, page: Page) -> Result<(usize, Vec<ServiceKey>), Fault> {
        let (mut count, mut shown) = (0, Vec::new());
        self.search(search, |service| {
            if page.range().contains(&count) {
                shown.push(service);
            }
            count += 1;
            Ok(())
        })?;
        Ok((count, shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_part_with_stars_for_anything_between() {
        for (pattern, text, matched) in [
            ("", "orders", true),
            ("order", "my-orders", true),
            ("ord*", "my-orders", true),
            ("*ord", "my-orders", true),
            ("m*d*s", "my-orders", true),
            ("s*o", "my-orders", false),
            ("ord.r", "my-orders", false),
            ("ord.r", "ord.r", true),
            ("rr*r", "rrr", true),
            ("rr*rr", "rrr", false),
            ("*", "", true),
            ("[", "orders", false),
            ("ä*ü", "xäöü", true),
        ] {
            assert_eq!(matches(pattern, text), matched, "{pattern} in {text}");
        }
    }
}
