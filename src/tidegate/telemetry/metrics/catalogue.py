"""Every metric that the operator tells, declared once: the text for Prometheus, OpenTelemetry, the page
`docs/reference/metrics.md`, the dashboard and the alert rules are held to this list.

KEDA's names and labels are kept to the letter, `_total` at the end of gauges included.
Source: KEDA's documentation, "Integrate with Prometheus".
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.telemetry.metrics.budgets import BUDGETS
from tidegate.telemetry.metrics.families import Family

SCALER_LABELS = ("namespace", "metric", "scaledObject", "scaler", "triggerIndex", "type")
"""`scaledObject` names a ScaledJob too; `scaler` is the trigger's name, else its type in KEDA's words."""

BUILD_INFO = Family(
    "keda_build_info",
    "gauge",
    ("version", "git_commit", "goversion", "goos", "goarch"),
    "Always 1; its labels tell the version that runs. `goversion` holds the Python that runs it.",
)
SCALER_VALUE = Family(
    "keda_scaler_metrics_value",
    "gauge",
    SCALER_LABELS,
    "The metric's value as its HPA gets it, a fallback's included. A metric that cannot be read has none.",
)
SCALER_LATENCY = Family(
    "keda_scaler_metrics_latency_seconds",
    "gauge",
    SCALER_LABELS,
    "How long the last measurement took, from its first question to its last answer.",
)
SCALER_ACTIVE = Family(
    "keda_scaler_active",
    "gauge",
    SCALER_LABELS,
    "1 for a metric above its activation target, 0 below. Neither while nobody can tell.",
)
SCALER_ERRORS = Family(
    "keda_scaler_detail_errors_total",
    "counter",
    SCALER_LABELS,
    "Measurements that failed.",
)
OBJECT_ERRORS = Family(
    "keda_scaled_object_errors_total",
    "counter",
    ("namespace", "scaledObject"),
    "Errors of a ScaledObject: failed measurements and reconciles, and the polls missed while it is wrong.",
)
JOB_ERRORS = Family(
    "keda_scaled_job_errors_total",
    "counter",
    ("namespace", "scaledJob"),
    "Errors of a ScaledJob: failed measurements and reconciles, and the polls missed while it is wrong.",
)
OBJECT_PAUSED = Family(
    "keda_scaled_object_paused",
    "gauge",
    ("namespace", "scaledObject"),
    "1 for a ScaledObject that is paused as a whole, else 0.",
)
TRIGGERS = Family("keda_trigger_registered_total", "gauge", ("type",), "Triggers by type.")
RESOURCES = Family(
    "keda_resource_registered_total",
    "gauge",
    ("type", "namespace"),
    "Objects of KEDA's kinds; what has no namespace counts under `default`.",
)
LOOP_LATENCY = Family(
    "keda_internal_scale_loop_latency_seconds",
    "gauge",
    ("namespace", "type", "resource"),
    "How much later than due the last poll of an object was begun.",
)
EVENTS_EMITTED = Family(
    "keda_cloudeventsource_events_emitted_total",
    "counter",
    ("namespace", "cloudeventsource", "eventsink", "state"),
    "CloudEvents by what became of them: `emitted` (the sink took it), `failed` (an attempt was in vain), "
    "`dropped` (given up, or the queue was full).",
)
EVENTS_QUEUED = Family(
    "keda_cloudeventsource_events_queued",
    "gauge",
    ("namespace",),
    "CloudEvents that wait for a sink, by the namespace of their source.",
)
EMPTY_RESPONSES = Family(
    "keda_scaler_empty_upstream_responses_total",
    "counter",
    ("namespace", "scaledResource", "triggerName", "metricName", "resourceType", "ignoreNullValues"),
    "Measurements of prometheus triggers that found an empty result.",
)
HTTP_REQUESTS = Family(
    "keda_scaler_http_requests_total",
    "counter",
    ("namespace", "scaled_resource", "scaler", "trigger_name", "metric_name", "status_code"),
    "Requests over HTTP that measurements needed. Where several triggers share a server they share its "
    "requests, too: those have the label `scaler` alone.",
)
_HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
HTTP_DURATION = Family(
    "keda_scaler_http_request_duration_seconds",
    "histogram",
    ("scaler", "status_code"),
    "How long requests over HTTP took until their answer began.",
    buckets=_HTTP_BUCKETS,
)
HTTP_DURATION_DETAILED = replace(HTTP_DURATION, labels=HTTP_REQUESTS.labels)

RECONCILES = Family(
    "controller_runtime_reconcile_total",
    "counter",
    ("controller", "result"),
    "Reconciles by kind and by how they ended.",
    "framework",
)
RECONCILE_ERRORS = Family(
    "controller_runtime_reconcile_errors_total",
    "counter",
    ("controller",),
    "Reconciles that failed and are repeated.",
    "framework",
)
QUEUE_DEPTH = Family(
    "workqueue_depth",
    "gauge",
    ("name", "controller"),
    "Objects that wait for a reconcile which is due.",
    "framework",
)
LEADER = Family(
    "leader_election_master_status",
    "gauge",
    ("name",),
    "1 while this process leads.",
    "framework",
)

READY = Family(
    "tidegate_object_ready",
    "gauge",
    ("namespace", "name", "kind"),
    "The Ready condition: 1 True, 0 False, -1 Unknown.",
    "ours",
)
FALLBACK = Family(
    "tidegate_object_fallback",
    "gauge",
    ("namespace", "name", "kind"),
    "1 while a fallback speaks for a trigger of the object, else 0. Only of objects that have one.",
    "ours",
)
DECISIONS = Family(
    "tidegate_decisions_total",
    "counter",
    ("kind",),
    "Decisions about objects.",
    "ours",
)
ACTIONS = Family(
    "tidegate_actions_total",
    "counter",
    ("kind", "action"),
    "What was done: targets `scaled` between zero and one, `jobs_created`, `jobs_deleted`, `hpas_deleted`.",
    "ours",
)
CLAIMS = Family(
    "tidegate_claims_total",
    "counter",
    ("namespace", "scaledJob", "outcome"),
    "What became of claimed messages: `claimed`, `renewed`, `acknowledged`, `released` (a Job failed), "
    "`dead_lettered`, `given_back`, `lost` (somebody else holds it), `failed` (the broker did not do it).",
    "ours",
)
CLAIMS_HELD = Family(
    "tidegate_claims_held", "gauge", ("namespace", "scaledJob"), "Messages that are held.", "ours"
)
HPA_QUESTIONS = Family(
    "tidegate_external_metric_questions_total",
    "counter",
    (),
    "Questions of HPAs for a metric.",
    "ours",
)
WAKE_UPS = Family(
    "tidegate_wake_ups_total",
    "counter",
    (),
    "Measurements that were wanted before their poll: a new or changed object, a Job that ended, a push.",
    "ours",
)
PUSHES = Family(
    "tidegate_pushes_total", "counter", (), "Wake-ups that a trigger's own server caused.", "ours"
)
READINGS = Family("tidegate_readings_total", "counter", (), "Readings kept, failures included.", "ours")
POLL_LATENESS = Family(
    "tidegate_poll_lateness_seconds",
    "histogram",
    (),
    "From the moment a poll is due until its reading is kept.",
    "ours",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)
SERVER_UP = Family(
    "tidegate_server_up",
    "gauge",
    ("system", "server"),
    "1 for a server that answers, 0 for one that failed as a whole and is left alone for a while.",
    "ours",
)
SERVER_TRIGGERS = Family(
    "tidegate_server_triggers", "gauge", ("system", "server"), "Triggers that are measured there.", "ours"
)
SERVER_CALLS = Family(
    "tidegate_server_calls_total",
    "counter",
    ("system", "server"),
    "Rounds: lists of questions that were sent together.",
    "ours",
)
SERVER_QUESTIONS = Family(
    "tidegate_server_questions_total",
    "counter",
    ("system", "server"),
    "Questions in those lists, equal ones once.",
    "ours",
)
SERVER_ROUND_TRIPS = Family(
    "tidegate_server_round_trips_total",
    "counter",
    ("system", "server"),
    "Requests, pipelines or batches on the wire, of connections that count them.",
    "ours",
)
SERVER_CONNECTIONS = Family(
    "tidegate_server_connections_opened_total",
    "counter",
    ("system", "server"),
    "Connections opened, of those that count them.",
    "ours",
)
STATUS_WRITES = Family(
    "tidegate_status_writes_total", "counter", (), "Patches of the status of our objects.", "ours"
)

WEBHOOK_JUDGED = Family(
    "keda_webhook_scaled_object_validations_total",
    "counter",
    ("namespace", "action"),
    "ScaledObjects that were judged at admission.",
)
WEBHOOK_REFUSED = Family(
    "keda_webhook_scaled_object_validation_errors_total",
    "counter",
    ("namespace", "action", "reason"),
    "ScaledObjects and ScaledJobs that were refused at admission, once for each reason.",
)
WEBHOOK_UNJUDGED = Family(
    "tidegate_webhook_unjudged_total",
    "counter",
    (),
    "Requests to the webhooks that could not be judged: no reviews, or a defect of ours.",
    "ours",
)
API_REQUESTS = Family(
    "tidegate_metrics_api_requests_total",
    "counter",
    ("part", "code"),
    "Requests to the metrics API server by part (`metrics`, `other`) and HTTP status.",
    "ours",
)
API_ANSWERS = Family(
    "tidegate_metrics_api_answers_total",
    "counter",
    ("source",),
    "Where answers to HPAs came from: kept in `memory`, or asked of the `operator`.",
    "ours",
)
API_SECONDS = Family(
    "tidegate_metrics_api_request_seconds",
    "histogram",
    (),
    "From an HPA's question to its answer, questions to the operator included.",
    "ours",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
STREAM_MESSAGES = Family(
    "tidegate_metrics_api_stream_messages_total",
    "counter",
    ("direction",),
    "Messages from (`in`) and to (`out`) the operator.",
    "ours",
)
STREAM_OPEN = Family(
    "tidegate_metrics_api_operator_up", "gauge", (), "1 while the leading operator tells its values.", "ours"
)
METRICS_KEPT = Family(
    "tidegate_metrics_api_metrics_kept", "gauge", (), "Metrics whose last value is kept.", "ours"
)

SHADOW_DIFFERS = Family(
    "tidegate_shadow_differs",
    "gauge",
    ("namespace", "name", "kind", "aspect"),
    "1 for each lasting difference between what Tidegate would set and what is.",
    "ours",
)
SHADOW_DIFFERED = Family(
    "tidegate_shadow_differed_seconds",
    "gauge",
    ("namespace", "name", "kind"),
    "How long an object has differed in the last 24 hours, all its differences added up.",
    "ours",
)

_INDEXED = (*SCALER_LABELS[:4], "scalerIndex", "type")
_MILLISECONDS = 1_000.0


def _old(name: str, now: Family, labels: tuple[str, ...] = (), says: str = "") -> Family:
    """A name of before, with the label names of then."""
    text = says or f"The same as `{now.name}`."
    return replace(now, name=name, labels=labels or now.labels, help=text, origin="old")


RENAMED = {
    _old("keda_scaler_errors", SCALER_ERRORS, _INDEXED): (SCALER_ERRORS, 1.0),
    _old("keda_scaler_errors_total", SCALER_ERRORS): (SCALER_ERRORS, 1.0),
    _old("keda_scaled_object_errors", OBJECT_ERRORS): (OBJECT_ERRORS, 1.0),
    _old("keda_scaled_job_errors", JOB_ERRORS): (JOB_ERRORS, 1.0),
    _old(
        "keda_scaler_metrics_latency",
        SCALER_LATENCY,
        says="How long the last measurement took, in milliseconds.",
    ): (SCALER_LATENCY, _MILLISECONDS),
    _old(
        "keda_internal_scale_loop_latency",
        LOOP_LATENCY,
        says="How much later than due the last poll of an object was begun, in milliseconds.",
    ): (LOOP_LATENCY, _MILLISECONDS),
    _old("keda_trigger_totals", TRIGGERS): (TRIGGERS, 1.0),
    _old("keda_resource_totals", RESOURCES): (RESOURCES, 1.0),
    _old("keda_metrics_adapter_scaler_metrics_value", SCALER_VALUE, _INDEXED): (SCALER_VALUE, 1.0),
    _old("keda_metrics_adapter_scaler_errors", SCALER_ERRORS, _INDEXED): (SCALER_ERRORS, 1.0),
    _old("keda_metrics_adapter_scaler_errors_total", SCALER_ERRORS, _INDEXED): (SCALER_ERRORS, 1.0),
    _old("keda_metrics_adapter_scaled_object_errors", OBJECT_ERRORS): (OBJECT_ERRORS, 1.0),
}
"""Each name that KEDA has given up, with the metric that took its place, and how many of its units are one
of the new. Source: KEDA's sources of 2.8 and its documentation of 2.9 to 2.15."""

KEDA = (
    BUILD_INFO,
    SCALER_VALUE,
    SCALER_LATENCY,
    SCALER_ACTIVE,
    SCALER_ERRORS,
    OBJECT_ERRORS,
    JOB_ERRORS,
    OBJECT_PAUSED,
    TRIGGERS,
    RESOURCES,
    LOOP_LATENCY,
    EMPTY_RESPONSES,
    HTTP_REQUESTS,
    HTTP_DURATION,
    EVENTS_EMITTED,
    EVENTS_QUEUED,
)
FRAMEWORK = (RECONCILES, RECONCILE_ERRORS, QUEUE_DEPTH, LEADER)
OURS = (
    READY,
    FALLBACK,
    DECISIONS,
    ACTIONS,
    CLAIMS,
    CLAIMS_HELD,
    HPA_QUESTIONS,
    WAKE_UPS,
    PUSHES,
    READINGS,
    POLL_LATENESS,
    SERVER_UP,
    SERVER_TRIGGERS,
    SERVER_CALLS,
    SERVER_QUESTIONS,
    SERVER_ROUND_TRIPS,
    SERVER_CONNECTIONS,
    *BUDGETS,
    STATUS_WRITES,
)
WEBHOOKS = (WEBHOOK_JUDGED, WEBHOOK_REFUSED, WEBHOOK_UNJUDGED)
METRICS_API = (API_REQUESTS, API_SECONDS, API_ANSWERS, STREAM_MESSAGES, STREAM_OPEN, METRICS_KEPT)
SHADOW = (SHADOW_DIFFERS, SHADOW_DIFFERED)
OLD = tuple(RENAMED)
FAMILIES = (*KEDA, *FRAMEWORK, *OURS, *OLD)
