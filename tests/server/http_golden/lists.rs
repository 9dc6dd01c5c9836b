//! Which recorded cases are answered otherwise, on purpose or for now, and how many there must be.

/// A case answered otherwise on purpose.
pub struct Deviation {
    /// Its id. Where both versions have a case of that id, the entry is for both.
    pub id: &'static str,
    /// Why.
    pub why: &'static str,
}

/// A version of the reference, and what must be there of it, so that a lost file is noticed.
pub struct Fixtures {
    pub version: &'static str,
    pub files: usize,
    pub cases: usize,
    /// Cases that wait for minutes: they run in simulated time.
    pub slow: usize,
}

/// What was recorded.
pub const FIXTURES: [Fixtures; 2] = [
    Fixtures { version: "2.5.1", files: 30, cases: 1_215, slow: 24 },
    Fixtures { version: "3.0.3", files: 18, cases: 751, slow: 24 },
];

/// Whether a case is answered otherwise, on purpose or for now.
pub fn is_listed(id: &str) -> bool {
    deviation(id).is_some() || waits(id)
}

/// Why a case is answered otherwise on purpose.
pub fn deviation(id: &str) -> Option<&'static Deviation> {
    super::deviations::DEVIATIONS.iter().find(|listed| listed.id == id)
}

/// Whether a case waits for health checks; what deviates on purpose does not wait.
pub fn waits(id: &str) -> bool {
    deviation(id).is_none() && super::unchecked::UNCHECKED.contains(&id)
}
