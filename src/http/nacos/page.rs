//! Parts of lists: which one is asked for, and how the third generation shows it (http.md 6.10).

use std::ops::Range;

use serde::Serialize;

use crate::http::nacos::{Call, Fault};

/// Entries a page of the third generation when it is not said.
const DEFAULT_SIZE: i32 = 100;

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// From 1; where a caller may say 0, that is the first too.
    pub(super) number: usize,
    /// Entries a page.
    pub(super) size: usize,
}

impl Page {
    /// The places of its entries in the list.
    pub(super) fn range(self) -> Range<usize> {
        let start = self.number.saturating_sub(1).saturating_mul(self.size);
        start..start.saturating_add(self.size)
    }

    /// Its entries.
    pub(super) fn of<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.range().start).take(self.size).collect()
    }
}

/// A page as the third generation shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paged<T> {
    pub(super) total_count: usize,
    pub(super) page_number: usize,
    pub(super) pages_available: usize,
    pub(super) page_items: Vec<T>,
}

impl<T> Paged<T> {
    /// A page, with one more available when the last one is full: so the reference counts.
    pub(super) fn new(page: Page, count: usize, items: Vec<T>) -> Self {
        let available = if count == 0 { 0 } else { count / page.size + 1 };
        Self { total_count: count, page_number: page.number, pages_available: available, page_items: items }
    }
}

impl Call<'_> {
    /// The page of the third generation.
    pub(super) fn page(&self) -> Result<Page, Fault> {
        let number = self.integer("pageNo")?.unwrap_or(1);
        let number = positive("pageNo", number)?;
        Ok(Page { number, size: self.size()? })
    }

    /// The page of a console's list, which may begin at 0.
    pub(super) fn console_page(&self) -> Result<Page, Fault> {
        let number = self.integer("pageNo")?.unwrap_or(1);
        Ok(Page { number: usize::try_from(number).unwrap_or(0), size: self.size()? })
    }

    fn size(&self) -> Result<usize, Fault> {
        positive("pageSize", self.integer("pageSize")?.unwrap_or(DEFAULT_SIZE))
    }

    /// The page of a list whose caller must name one, of which no number is below `least`.
    pub(super) fn required_page(&self, least: usize) -> Result<Page, Fault> {
        let required = |name| -> Result<usize, Fault> {
            self.required_single(name, "int")?;
            Ok(self.integer(name)?.map_or(least, |given| usize::try_from(given).unwrap_or(0).max(least)))
        };
        Ok(Page { number: required("pageNo")?, size: required("pageSize")? })
    }
}

fn positive(name: &str, given: i32) -> Result<usize, Fault> {
    usize::try_from(given).ok().filter(|number| *number > 0).ok_or_else(|| {
        Fault::validation(format!("Required parameter '{name}' should be positive integer, current is {given}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_one_and_may_lie_behind_the_end() {
        let of = |number, size| Page { number, size }.of(vec!['a', 'b', 'c']);
        assert_eq!(of(1, 2), ['a', 'b']);
        assert_eq!(of(2, 2), ['c']);
        assert_eq!(of(0, 2), ['a', 'b']);
        assert_eq!(of(3, 2), [' '; 0]);
        assert_eq!(of(usize::MAX, usize::MAX), [' '; 0]);
        assert_eq!(of(1, 0), [' '; 0]);
    }

    #[test]
    fn a_full_last_page_makes_one_more_available() {
        let available = |count, size| Paged::<()>::new(Page { number: 1, size }, count, Vec::new()).pages_available;
        assert_eq!([available(0, 2), available(1, 2), available(4, 2), available(4, 3)], [0, 1, 3, 2]);
    }
}
