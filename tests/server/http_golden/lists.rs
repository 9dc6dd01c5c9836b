//! Which recorded cases are answered otherwise: on purpose, or because what they are about does not exist yet.

/// A case answered otherwise on purpose.
pub struct Deviation {
    /// Its id. Where both versions have a case of that id, the entry is for both.
    pub id: &'static str,
    /// Why.
    pub why: &'static str,
}

/// Cases of something that does not exist yet.
pub struct Waiting {
    /// How their ids begin; an area ends with `/`.
    pub prefix: &'static str,
    /// What they wait for.
    pub feature: &'static str,
}

/// A version of the reference, and what must be there of it, so that a lost file is noticed.
pub struct Fixtures {
    pub version: &'static str,
    pub files: usize,
    pub cases: usize,
    /// Cases that wait for heart-beats to time out: they are for simulated time.
    pub slow: usize,
}

/// What was recorded.
pub const FIXTURES: [Fixtures; 2] = [
    Fixtures { version: "2.5.1", files: 30, cases: 1_215, slow: 24 },
    Fixtures { version: "3.0.3", files: 18, cases: 751, slow: 24 },
];

/// Cases answered otherwise on purpose.
pub const DEVIATIONS: &[Deviation] = &[];

/// Cases that wait.
pub const WAITING: &[Waiting] = &[];

/// Whether a case is answered otherwise, on purpose or for now.
pub fn is_listed(id: &str) -> bool {
    deviation(id).is_some() || waiting(id).is_some()
}

/// Why a case is answered otherwise on purpose.
pub fn deviation(id: &str) -> Option<&'static Deviation> {
    DEVIATIONS.iter().find(|listed| listed.id == id)
}

/// What a case waits for; what deviates on purpose does not wait.
pub fn waiting(id: &str) -> Option<&'static Waiting> {
    WAITING.iter().find(|listed| id.starts_with(listed.prefix))
}
