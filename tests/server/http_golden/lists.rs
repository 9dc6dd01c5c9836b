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

/// Cases that wait. An entry goes when its last case passes; to fix what passes before, list the rest by longer prefixes.
pub const WAITING: &[Waiting] = &[
    Waiting { prefix: "v1-cluster/", feature: "v1 clusters" },
    Waiting { prefix: "v1-health/", feature: "v1 health" },
    Waiting { prefix: "v1-metadata-batch/", feature: "v1 metadata of many" },
    Waiting { prefix: "v1-operator/effect-defaultinstanceephemeral=false", feature: "persistent instances" },
    Waiting { prefix: "v1-patch/", feature: "v1 PATCH" },
    Waiting { prefix: "v1-service/", feature: "v1 services" },
    Waiting { prefix: "v1-operator/effect-", feature: "switches" },
    Waiting { prefix: "v1-patch/", feature: "v1 PATCH" },
    Waiting { prefix: "v2-health/", feature: "v2 health" },
    Waiting { prefix: "v2-metadata-batch/", feature: "v2 metadata of many" },
    Waiting { prefix: "v2-patch/", feature: "v2 PATCH" },
    Waiting { prefix: "v2-service/", feature: "v2 services" },
    Waiting { prefix: "v3-admin-cluster/", feature: "v3 clusters" },
    Waiting { prefix: "v3-admin-health/", feature: "v3 health" },
    Waiting { prefix: "v3-admin-service/", feature: "v3 services" },
    Waiting { prefix: "v3-console-instance/", feature: "the v3 console" },
    Waiting { prefix: "v3-console-service/", feature: "the v3 console" },
    Waiting { prefix: "prometheus/sd-persistent", feature: "persistent instances" },
    Waiting { prefix: "v1-catalog/service-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v1-catalog/services-triggerflag-with-protection", feature: "persistent instances" },
    Waiting { prefix: "v1-service/create-", feature: "v1 services" },
    Waiting { prefix: "v1-service/get-", feature: "v1 services" },
    Waiting { prefix: "v1-service/update-", feature: "v1 services" },
    Waiting { prefix: "v1-service/delete-", feature: "v1 services" },
    Waiting { prefix: "v1-service/list-", feature: "v1 services" },
    Waiting { prefix: "v1-service/subscribers-agent-", feature: "attributes of a client by subscription" },
    Waiting { prefix: "v3-admin-client/detail-persistent", feature: "persistent instances" },
    Waiting { prefix: "v3-admin-service/create-", feature: "v3 services" },
    Waiting { prefix: "v3-admin-service/get-", feature: "v3 services" },
    Waiting { prefix: "v3-admin-service/delete-", feature: "v3 services" },
    Waiting { prefix: "v3-console-service/create-", feature: "the v3 console" },
    Waiting { prefix: "v3-console-service/get-after-cluster-", feature: "persistent instances" },
    Waiting { prefix: "v3-console-instance/update-unknown-", feature: "overrides of instances" },
    Waiting { prefix: "v3-console-instance/cluster-", feature: "persistent instances" },
    Waiting { prefix: "v1-beat/beat-full-beat-into-a-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v1-beat/beat-full-beat-of-a-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v1-client/instance-deregister-", feature: "persistent instances" },
    Waiting { prefix: "v1-client/instance-ephemeral-", feature: "persistent instances" },
    Waiting { prefix: "v1-client/instance-full-beat-into-", feature: "persistent instances" },
    Waiting { prefix: "v1-client/instance-register-eph=", feature: "persistent instances" },
    Waiting { prefix: "v1-client/instance-register-persistent", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/deregister-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/ephemeral-", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/get-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/register-optional-ephemeral=0", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/register-optional-ephemeral=1", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/register-optional-ephemeral=false", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/register-optional-ephemeral=xyz", feature: "persistent instances" },
    Waiting { prefix: "v1-instance/update-metadata-", feature: "overrides of instances" },
    Waiting { prefix: "v1-instance/update-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v1-list/list-filter-persistent", feature: "persistent instances" },
    Waiting { prefix: "v1-list/protection-threshold-0-", feature: "persistent instances" },
    Waiting { prefix: "v1-list/protection-threshold-0.5-1-", feature: "persistent instances" },
    Waiting { prefix: "v1-list/protection-threshold-0.5-2-", feature: "persistent instances" },
    Waiting { prefix: "v1-list/protection-threshold-0.5-cluster-", feature: "persistent instances" },
    Waiting { prefix: "v1-list/protection-threshold-0.5-none-", feature: "persistent instances" },
    Waiting { prefix: "v1-list/protection-threshold-1-", feature: "persistent instances" },
    Waiting { prefix: "v2-beat/beat-beat-", feature: "persistent instances" },
    Waiting { prefix: "v2-beat/beat-full-beat-into-a-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v2-beat/beat-full-beat-of-a-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v2-instance/deregister-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v2-instance/ephemeral-", feature: "persistent instances" },
    Waiting { prefix: "v2-instance/get-persistent", feature: "persistent instances" },
    Waiting { prefix: "v2-instance/register-optional-ephemeral=0", feature: "persistent instances" },
    Waiting { prefix: "v2-instance/register-optional-ephemeral=false", feature: "persistent instances" },
    Waiting { prefix: "v2-instance/update-enabled=", feature: "overrides of instances" },
    Waiting { prefix: "v2-instance/update-invalid-", feature: "overrides of instances" },
    Waiting { prefix: "v2-instance/update-metadata-", feature: "overrides of instances" },
    Waiting { prefix: "v2-instance/update-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v2-list/list-filter-persistent", feature: "persistent instances" },
    Waiting { prefix: "v3-admin-instance/batch-", feature: "overrides of instances" },
    Waiting { prefix: "v3-admin-instance/deregister-persistent", feature: "persistent instances" },
    Waiting { prefix: "v3-admin-instance/detail-persistent", feature: "persistent instances" },
    Waiting {
        prefix: "v3-admin-instance/ephemeral-mismatch-ephemeral-into-persistent",
        feature: "persistent instances",
    },
    Waiting { prefix: "v3-admin-instance/ephemeral-mismatch-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v3-admin-instance/list-persistent", feature: "persistent instances" },
    Waiting { prefix: "v3-admin-instance/partial-", feature: "overrides of instances" },
    Waiting { prefix: "v3-admin-instance/register-optional-ephemeral=0", feature: "persistent instances" },
    Waiting { prefix: "v3-admin-instance/register-optional-ephemeral=false", feature: "persistent instances" },
    Waiting { prefix: "v3-admin-instance/update-persistent", feature: "persistent instances" },
    Waiting { prefix: "v3-client-beat/beat-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v3-client-instance/deregister-persistent", feature: "persistent instances" },
    Waiting {
        prefix: "v3-client-instance/ephemeral-mismatch-ephemeral-into-persistent",
        feature: "persistent instances",
    },
    Waiting { prefix: "v3-client-instance/ephemeral-mismatch-persistent-", feature: "persistent instances" },
    Waiting { prefix: "v3-client-instance/list-persistent", feature: "persistent instances" },
    Waiting { prefix: "v3-client-instance/register-optional-ephemeral=0", feature: "persistent instances" },
    Waiting { prefix: "v3-client-instance/register-optional-ephemeral=false", feature: "persistent instances" },
    Waiting { prefix: "timing/v1-persistent-", feature: "persistent instances" },
    Waiting { prefix: "timing/v2-persistent-", feature: "persistent instances" },
    Waiting { prefix: "timing/v3-persistent-", feature: "persistent instances" },
    Waiting { prefix: "timing/empty-service-a-persistent-", feature: "persistent instances" },
    Waiting { prefix: "timing/empty-service-other-kind-", feature: "persistent instances" },
];

/// Whether a case is answered otherwise, on purpose or for now.
pub fn is_listed(id: &str) -> bool {
    deviation(id).is_some() || waiting(id).is_some()
}

/// Why a case is answered otherwise on purpose.
pub fn deviation(id: &str) -> Option<&'static Deviation> {
    super::deviations::DEVIATIONS.iter().find(|listed| listed.id == id)
}

/// What a case waits for; what deviates on purpose does not wait.
pub fn waiting(id: &str) -> Option<&'static Waiting> {
    WAITING.iter().find(|listed| id.starts_with(listed.prefix))
}
