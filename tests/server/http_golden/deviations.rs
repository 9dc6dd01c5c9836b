//! Cases that are answered otherwise on purpose, each with its reason.

use super::lists::Deviation;

const ID: &str = "The id is always shown";
const GROUPED: &str =
    "A grouped name means the same in every generation, instead of making a service that nobody else finds";
const ALL_CLUSTERS: &str = "Without a cluster all are listed, as newer versions and the other generations do";
const FULL_BEAT: &str = "A full beat is checked as the registration that it may become";
const FIRST: &str = "Of a parameter given twice the first counts, in every generation";
const ACCEPT: &str = "The Accept header is ignored: the answer is what clients can read";
const METHOD: &str = "A method that a path does not serve is 405, below v1 501; framework accidents are not followed";
const DIGITS: &str = "Digits are ASCII digits";
const NAN: &str = "NaN is no weight";
const BLANK: &str = "Nobody can be reached at a blank address";
const LABEL: &str = "A label without a value is none";
const UNREADABLE: &str = "What does not read is the caller's fault, 400, in every generation";

const CALLER: &str = "What a caller left out or spelled wrong is 400, not the 500 of an accident";
const NO_NAMESPACE: &str = "A namespace that is not there is 404, not the 500 of an accident";
const RESERVED: &str = "The id `public` is the default namespace's, in every generation";
const LONG_NAME: &str = "A name as long as the check of names allows is kept";
const ONE_SERVER: &str = "One server serves the generations and the console, with the context and without";
const SERVED: &str = "The older generations need no switch to be served";
const NAMING_ONLY: &str = "The server says that it serves naming only";
const NO_CONFIGURATIONS: &str = "There is no configuration management here";
const PAGE: &str = "A page of our own for browsers";
const NO_SUCH_PATH: &str = "A path that nobody serves is 404";
const REPORT: &str = "Nodes do not tell each other of themselves over HTTP";
const JSON_OR_FORM: &str = "What is taken as JSON is taken as a form too: one official client sends that";
const READINESS: &str = "Readiness is answered also where one official client asks for it";
const PLAIN: &str =
    "Patterns are plain parts of names with * for anything, not regular expressions in which a dot matches all";
const FORM: &str = "Refusals have the form of their generation";
const FILTERS: &str = "Filters work, and may be left out";
const SHOWN_ADDRESS: &str = "The address of a client is always shown";
const ASKED_FROM: &str = "Who names a port without an address is reached, and shown, where it asks from";
const LABELS: &str = "One instance whose labels become equal does not fail the whole answer: the last label stays";

/// All of them.
pub const DEVIATIONS: &[Deviation] = &[
    Deviation { id: "v2-instance/register-optional-healthy=false", why: ID },
    Deviation { id: "v2-instance/register-optional-healthy=true", why: ID },
    Deviation { id: "v2-instance/register-optional-healthy=false-2", why: ID },
    Deviation { id: "v2-instance/register-optional-healthy=0", why: ID },
    Deviation { id: "v2-instance/register-optional-healthy=", why: ID },
    Deviation { id: "v2-instance/register-optional-enabled=false", why: ID },
    Deviation { id: "v2-instance/register-optional-enabled=false-2", why: ID },
    Deviation { id: "v2-instance/register-optional-enabled=off", why: ID },
    Deviation { id: "v2-instance/register-optional-enabled=1", why: ID },
    Deviation { id: "v2-instance/register-optional-enabled=", why: ID },
    Deviation { id: "v2-instance/register-optional-clustername=c-1", why: ID },
    Deviation { id: "v2-instance/register-optional-clustername=", why: ID },
    Deviation { id: "v2-instance/register-metadata-heart-beat-timeouts-valid", why: ID },
    Deviation { id: "v2-instance/register-metadata-heart-beat-interval-negative", why: ID },
    Deviation { id: "v2-instance/register-metadata-heart-beat-interval-as-a-json-number", why: ID },
    Deviation { id: "v2-instance/register-metadata-instance-id-generator-snowflake", why: ID },
    Deviation { id: "v2-instance/register-metadata-instance-id-generator-simple", why: ID },
    Deviation { id: "v2-instance/register-metadata-instance-id-generator-unknown", why: ID },
    Deviation { id: "v2-instance/register-metadata-preserved.register.source", why: ID },
    Deviation { id: "v2-instance/get-known", why: ID },
    Deviation { id: "v2-instance/get-disabled", why: ID },
    Deviation { id: "v2-instance/get-unhealthy", why: ID },
    Deviation { id: "v2-instance/register-optional-group-name-in-servicename", why: GROUPED },
    Deviation { id: "v2-instance/register-optional-group-name-and-another-groupname", why: GROUPED },
    Deviation { id: "v2-instance/register-invalid-name-servicename-empty-group-before", why: GROUPED },
    Deviation { id: "v2-instance/deregister-group-form", why: GROUPED },
    Deviation { id: "v2-instance/get-group-form", why: GROUPED },
    Deviation { id: "v2-list/list-filter-grouped-service-name", why: GROUPED },
    Deviation { id: "v2-list/list-filter-grouped-name-and-other-groupname", why: GROUPED },
    Deviation { id: "v2-list/list-invalid-empty-group-before", why: GROUPED },
    Deviation { id: "v3-admin-instance/register-optional-grouped-name", why: GROUPED },
    Deviation { id: "v3-admin-instance/register-optional-grouped-name-and-groupname", why: GROUPED },
    Deviation { id: "v3-admin-instance/list-grouped-name", why: GROUPED },
    Deviation { id: "v3-client-instance/register-optional-grouped-name", why: GROUPED },
    Deviation { id: "v3-client-instance/register-optional-grouped-name-and-groupname", why: GROUPED },
    Deviation { id: "v3-client-instance/list-grouped-name", why: GROUPED },
    Deviation { id: "v2-instance/register-invalid-name-servicename-only", why: GROUPED },
    Deviation { id: "v3-client-instance/register-optional-two-clusters", why: ALL_CLUSTERS },
    Deviation { id: "v3-client-instance/register-again-other-cluster-replaces", why: ALL_CLUSTERS },
    Deviation { id: "v3-client-instance/list-cluster-omitted", why: ALL_CLUSTERS },
    Deviation { id: "v3-client-instance/list-clustername=", why: ALL_CLUSTERS },
    Deviation { id: "v3-client-instance/list-healthyonly=true", why: ALL_CLUSTERS },
    Deviation { id: "v3-client-instance/list-healthyonly=false", why: ALL_CLUSTERS },
    Deviation { id: "v3-client-instance/list-healthyonly=", why: ALL_CLUSTERS },
    Deviation { id: "v1-beat/beat-full-beat-without-weight-registers-with", why: FULL_BEAT },
    Deviation { id: "v1-beat/beat-full-beat-with-a-minimum-of-fields", why: FULL_BEAT },
    Deviation { id: "v1-beat/beat-full-beat-with-ephemeral-false-inside", why: FULL_BEAT },
    Deviation { id: "v1-beat/beat-full-beat-with-weight-10001", why: FULL_BEAT },
    Deviation { id: "v2-beat/beat-full-beat-with-a-minimum-of-fields", why: FULL_BEAT },
    Deviation { id: "v2-beat/beat-full-beat-with-ephemeral-false-inside", why: FULL_BEAT },
    Deviation { id: "v2-beat/beat-full-beat-broken-json", why: FULL_BEAT },
    Deviation { id: "v2-beat/beat-full-beat-json-without-ip", why: FULL_BEAT },
    Deviation { id: "v2-beat/beat-full-beat-with-weight-10001", why: FULL_BEAT },
    Deviation { id: "v2-beat/beat-beat-by-post", why: FULL_BEAT },
    Deviation { id: "v2-beat/beat-beat-by-get", why: FULL_BEAT },
    Deviation { id: "v1-instance/register-same-parameter-in-query-and-form-which-wins", why: FIRST },
    Deviation { id: "v1-instance/register-same-parameter-twice-in-the-query", why: FIRST },
    Deviation { id: "v2-instance/register-same-parameter-in-query-and-form-which-wins", why: FIRST },
    Deviation { id: "v2-instance/register-same-parameter-twice-in-the-query", why: FIRST },
    Deviation { id: "v1-client/instance-register-duplicate-parameters", why: FIRST },
    Deviation { id: "v3-client-instance/register-same-name-twice-in-the-query", why: FIRST },
    Deviation { id: "v1-list/list-extra-accept-text-html", why: ACCEPT },
    Deviation { id: "v2-misc/transport-accept-text-html", why: ACCEPT },
    Deviation { id: "v1-client/list-accept-text-html", why: ACCEPT },
    Deviation { id: "v3-admin-instance/list-accept-text-html", why: ACCEPT },
    Deviation { id: "v3-client-instance/list-accept-text-html", why: ACCEPT },
    Deviation { id: "v2-misc/path-post-instance-list", why: METHOD },
    Deviation { id: "v2-misc/path-delete-service-list", why: METHOD },
    Deviation { id: "v2-misc/path-patch-service", why: METHOD },
    Deviation { id: "v1-misc/path-get-instance-list-3", why: METHOD },
    Deviation { id: "v1-instance/register-invalid-number-port=", why: DIGITS },
    Deviation { id: "v2-instance/register-invalid-number-port=", why: DIGITS },
    Deviation { id: "v1-instance/register-invalid-number-weight=nan", why: NAN },
    Deviation { id: "v2-instance/register-invalid-number-weight=nan", why: NAN },
    Deviation { id: "v1-instance/register-missing-ip-blank", why: BLANK },
    Deviation { id: "v2-list/list-extra-port=abc", why: UNREADABLE },
    Deviation { id: "v2-instance/register-metadata-json-numbers-booleans-and-null", why: LABEL },
    Deviation { id: "v3-client-instance/register-metadata-json-numbers-and-null", why: LABEL },
    Deviation { id: "root-misc/path-get", why: PAGE },
    Deviation { id: "root-misc/path-post-nacos-v3-auth-user-login", why: ONE_SERVER },
    Deviation { id: "root-misc/path-get-nacos-v1-cs-configs", why: NO_CONFIGURATIONS },
    Deviation { id: "v1-console-state/state-server-state", why: NAMING_ONLY },
    Deviation { id: "v1-console-state/health-v1-post-liveness", why: METHOD },
    Deviation { id: "v1-console-state/health-v1-post-readiness", why: METHOD },
    Deviation { id: "v1-console/namespace-create-id-missing", why: CALLER },
    Deviation { id: "v1-console/namespace-create-name-missing", why: CALLER },
    Deviation { id: "v1-console/namespace-delete-id-missing", why: CALLER },
    Deviation { id: "v1-console/namespace-create-name-with", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-create-name-with-2", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-create-name-with-3", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-create-name-with-4", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-create-name-with-6", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-create-name-with-7", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-show-unknown", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-delete", why: NO_NAMESPACE },
    Deviation { id: "v1-console/namespace-create-name-256-chars", why: LONG_NAME },
    Deviation { id: "v1-console/namespace-show-public", why: RESERVED },
    Deviation { id: "v1-console/namespace-delete-public", why: RESERVED },
    Deviation { id: "v1-console/namespace-create-public", why: RESERVED },
    Deviation { id: "v2-console/namespace-get-public", why: RESERVED },
    Deviation { id: "v3-admin-namespace/namespace-check-public", why: RESERVED },
    Deviation { id: "v1-core/cluster-report-without-body", why: REPORT },
    Deviation { id: "v1-core/cluster-switch-lookup-missing", why: CALLER },
    Deviation { id: "v1-core/ops-raft-without-body", why: CALLER },
    Deviation { id: "v2-core/loader-reloadcurrent-missing", why: CALLER },
    Deviation { id: "v2-core/ops-raft-without-body", why: CALLER },
    Deviation { id: "v1-operator/switch-set-pushversion=java", why: CALLER },
    Deviation { id: "v2-operator/metrics-onlystatus=abc", why: CALLER },
    Deviation { id: "v2-operator/metrics-by-post", why: METHOD },
    Deviation { id: "v2-operator/switch-set-distrothreshold=0", why: CALLER },
    Deviation { id: "v2-operator/switch-set-distrothreshold=abc", why: CALLER },
    Deviation { id: "v2-operator/switch-set-clientbeatinterval=abc", why: CALLER },
    Deviation { id: "v2-operator/switch-set-pushversion=foo-0.1.0", why: CALLER },
    Deviation { id: "v2-operator/switch-set-pushversion=java", why: CALLER },
    Deviation { id: "v2-operator/switch-set-pushcachemillis=500", why: CALLER },
    Deviation { id: "v2-operator/switch-set-defaultcachemillis=10", why: CALLER },
    Deviation { id: "v2-operator/switch-set-limitedurlmap=broken", why: CALLER },
    Deviation { id: "v2-operator/switch-set-httphealthparams=-max-1-min-5-factor-3", why: CALLER },
    Deviation { id: "v3-admin-core/state-state", why: NAMING_ONLY },
    Deviation { id: "v3-admin-core/state-ops-readiness", why: READINESS },
    Deviation { id: "v3-admin-core/ops-log-form", why: JSON_OR_FORM },
    Deviation { id: "v3-admin-core/ops-log-empty", why: CALLER },
    Deviation { id: "v3-admin-ops/metrics-onlystatus=abc", why: CALLER },
    Deviation { id: "v3-admin-ops/switch-set-distrothreshold=0", why: CALLER },
    Deviation { id: "v3-admin-ops/switch-set-distrothreshold=abc", why: CALLER },
    Deviation { id: "v3-admin-ops/switch-set-pushversion=foo-0.1.0", why: CALLER },
    Deviation { id: "v3-admin-ops/switch-set-pushcachemillis=500", why: CALLER },
    Deviation { id: "v3-admin-ops/switch-set-limitedurlmap=broken", why: CALLER },
    Deviation { id: "v3-console-state/state-state", why: NAMING_ONLY },
    Deviation { id: "v3-console-state/state-config-list-refused-or-not", why: NO_CONFIGURATIONS },
    Deviation { id: "v3-console-state/path-get-next", why: NO_SUCH_PATH },
    Deviation { id: "v3-console-state/path-get-v3-console-zzz", why: NO_SUCH_PATH },
    Deviation { id: "v3-console-state/path-get-v1-auth-login", why: NO_SUCH_PATH },
    Deviation { id: "v3-console-state/path-get-v1-console-health-readiness", why: SERVED },
    Deviation { id: "v3-console-state/path-get-v1-console-namespaces", why: SERVED },
    Deviation { id: "v3-console-state/path-get-v2-console-health-liveness", why: SERVED },
    Deviation { id: "v3-console-state/path-get-nacos-v3-console-server-state", why: ONE_SERVER },
    Deviation { id: "v3-root-misc/path-get-nacos-v3-console-server-state", why: ONE_SERVER },
    Deviation { id: "v3-root-misc/path-get-nacos-v1-console-health-readiness", why: SERVED },
    Deviation { id: "v3-root-misc/path-get-nacos-v2-console-health-liveness", why: SERVED },
    Deviation { id: "v3-root-misc/path-get-nacos", why: PAGE },
    Deviation { id: "v3-root-misc/path-get-nacos-index.html", why: PAGE },
    Deviation { id: "prometheus/sd-keys-that-become-equal", why: LABELS },
    Deviation { id: "prometheus/sd-post", why: METHOD },
    Deviation { id: "v1-catalog/instances-pageno=abc", why: CALLER },
    Deviation { id: "v1-catalog/services-pageno-missing", why: CALLER },
    Deviation { id: "v1-catalog/services-pagesize-missing", why: CALLER },
    Deviation { id: "v1-catalog/services-servicenameparam-with-a-dot", why: PLAIN },
    Deviation { id: "v1-catalog/services-regular-expression-broken", why: PLAIN },
    Deviation { id: "v1-service/subscribers-clientip-absent", why: ASKED_FROM },
    Deviation { id: "v2-catalog/instances-healthyonly=true", why: FILTERS },
    Deviation { id: "v2-catalog/instances-enabledonly=false", why: FILTERS },
    Deviation { id: "v2-catalog/instances-pageno-missing", why: FORM },
    Deviation { id: "v2-catalog/instances-pagesize-missing", why: FORM },
    Deviation { id: "v2-catalog/instances-servicename-missing", why: FORM },
    Deviation { id: "v2-client/list-by-post", why: METHOD },
    Deviation { id: "v2-client/publisher-name-only", why: FILTERS },
    Deviation { id: "v2-client/publisher-ip-only", why: FILTERS },
    Deviation { id: "v2-client/publisher-port-only", why: FILTERS },
    Deviation { id: "v3-admin-client/detail-ephemeral", why: SHOWN_ADDRESS },
    Deviation { id: "v3-admin-service/list-servicenameparam-dot", why: PLAIN },
    Deviation { id: "v3-console-service/list-servicenameparam-dot", why: PLAIN },
    Deviation { id: "v3-console-service/list-broken-regular-expression", why: PLAIN },
    Deviation { id: "v3-console-service/method-post-list", why: METHOD },
    Deviation { id: "v3-console-service/method-get-foo", why: METHOD },
    Deviation { id: "v3-console-service/method-delete-list", why: METHOD },
    Deviation { id: "v2-catalog/instances-pageno=abc", why: CALLER },
    Deviation { id: "v3-admin-service/list-pageno=abc", why: CALLER },
    Deviation { id: "v3-console-service/list-pageno=abc", why: CALLER },
    Deviation { id: "v3-console-instance/list-pagesize-0", why: CALLER },
];
