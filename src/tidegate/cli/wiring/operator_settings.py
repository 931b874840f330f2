"""The settings of `tidegate operator`: KEDA's names, defaults and variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.base.duration import parse_duration
from tidegate.base.errors import Misconfigured
from tidegate.cli.wiring.certificates.settings import CertificateSettings
from tidegate.cli.wiring.dashboard.settings import DashboardSettings
from tidegate.cli.wiring.installation.budgets import budget_problems
from tidegate.cli.wiring.installation.extensions import ExtensionSettings
from tidegate.cli.wiring.log_settings import IGNORED_LOG_SETTINGS, LogSettings
from tidegate.cli.wiring.tls_settings import TlsSettings
from tidegate.runtime.settings import (
    BOOLEAN,
    BOOLEAN_OR_NOT,
    FOLDER,
    LISTEN,
    NAMES,
    NETWORK,
    POSITIVE_DURATION,
    SELECTOR,
    TEXT,
    Kind,
    Listen,
    Setting,
    own,
)

_LEASE = "KEDA_OPERATOR_LEADER_ELECTION"
KEDA_LEASE = "operator.keda.sh"
LEAST_TIMEOUT_S = 0.3
LEAST_TOKEN_S, MOST_TOKEN_S = 3600, 6 * 3600


def _milliseconds(text: str) -> float:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise ValueError
    # As KEDA has it.
    return int(text) / 1000 if int(text) > 0 else LEAST_TIMEOUT_S


def _token_life(text: str) -> float:
    seconds = parse_duration(text)
    if not LEAST_TOKEN_S <= seconds <= MOST_TOKEN_S:
        raise ValueError("is not between 1h and 6h")
    return seconds


_TOKEN_LIFE = Kind("a duration from 1h to 6h", _token_life)
_MILLISECONDS = Kind("a whole number of milliseconds; 0 or less means 300", _milliseconds)
# A waiting replica stretches its pauses by up to as much.
JITTER = 1.2


@dataclass(frozen=True)
class OperatorSettings(DashboardSettings, LogSettings, TlsSettings, CertificateSettings, ExtensionSettings):
    """What the operator was told from outside."""

    kubeconfig: str = own(
        TEXT,
        flag="--kubeconfig",
        about="file that names the cluster; without it KUBECONFIG, else the cluster of the pod",
    )
    own_namespace: str = own(TEXT, "keda", variable="POD_NAMESPACE", about="the operator's own namespace")
    namespaces: tuple[str, ...] = own(
        NAMES,
        variable="WATCH_NAMESPACE",
        about="the namespaces to follow; empty: all",
        fate="other",
        difference="unset means all namespaces, too (KEDA does not start); blanks around a name do not count",
    )
    object_labels: str = own(
        SELECTOR,
        variable="WATCH_LABEL_SELECTOR",
        about="the labels of the ScaledObjects and ScaledJobs to follow; empty: any",
        fate="other",
        difference="HPAs are followed whatever their labels: in KEDA one that lacks them is never seen again",
    )
    authentication_labels: str = own(
        SELECTOR,
        variable="WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH",
        about="the labels of the (Cluster)TriggerAuthentications to follow; empty: any",
    )
    is_secret_access_restricted: bool = own(
        BOOLEAN_OR_NOT,
        "false",
        variable="KEDA_RESTRICT_SECRET_ACCESS",
        about="whether Secrets are read in KEDA_CLUSTER_OBJECT_NAMESPACE alone",
    )
    cluster_object_namespace: str = own(
        TEXT,
        variable="KEDA_CLUSTER_OBJECT_NAMESPACE",
        about="the namespace of what ClusterTriggerAuthentications refer to; by default the operator's own",
    )
    cluster_name: str = own(
        TEXT,
        "kubernetes-default",
        flag="--k8s-cluster-name",
        about="what CloudEvents call the cluster where their source does not name it",
    )
    metrics_address: Listen = own(
        LISTEN, ":8080", flag="--metrics-bind-address", about="where `/metrics` is served"
    )
    probe_address: Listen = own(
        LISTEN, ":8081", flag="--health-probe-bind-address", about="where `/healthz` and `/readyz` are served"
    )
    is_metrics_served: bool = own(
        BOOLEAN, "true", flag="--enable-prometheus-metrics", about="whether `/metrics` is served"
    )
    is_otel_enabled: bool = own(
        BOOLEAN,
        "false",
        flag="--enable-opentelemetry-metrics",
        about="whether metrics are sent by OpenTelemetry's protocol; where to and how often say the standard "
        "variables `OTEL_…`. Needs the extra `otel`",
    )
    has_detailed_metric_labels: bool = own(
        BOOLEAN,
        "false",
        flag="--enable-high-cardinality-metrics-labels",
        about="tell `keda_scaler_http_request_duration_seconds` by trigger",
    )
    has_old_metric_names: bool = own(
        BOOLEAN,
        "false",
        flag="--metrics-old-names",
        fate="ours",
        about="tell metrics also under the names that KEDA has given up (`keda_scaler_errors_total` …), for "
        "alerts that still use them",
    )
    metrics_service_address: Listen = own(
        LISTEN,
        ":9666",
        flag="--metrics-service-bind-address",
        about="where metrics API servers and `tidegate explain` are answered, over TLS",
        fate="other",
        difference="a WebSocket and not gRPC; a client's certificate must be for the Service below",
    )
    parameter_files: str = own(
        FOLDER,
        flag="--filepath-auth-root-path",
        about="folder of the parameter files that ClusterTriggerAuthentications name (`spec.filePath`)",
    )
    token_life_s: float = own(
        _TOKEN_LIFE,
        "1h",
        variable="KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY",
        about="how long the tokens of `boundServiceAccountToken` are good; they are renewed before they end",
    )
    timeout_s: float = own(
        _MILLISECONDS,
        "3000",
        variable="KEDA_HTTP_DEFAULT_TIMEOUT",
        about="how long a trigger's server has to answer",
        fate="other",
        difference="it bounds answers of every kind, not of HTTP alone; databases have three times as long",
    )
    has_no_keep_alive: bool = own(
        BOOLEAN,
        "false",
        variable="KEDA_HTTP_DISABLE_KEEP_ALIVE",
        about="whether each HTTP request of a trigger has a connection of its own",
    )
    authorities: tuple[str, ...] = own(
        FOLDER,
        "/custom/ca",
        flag="--ca-dir",
        is_repeated=True,
        about="folders of certificate authorities, as PEM, trusted beside the system's; read at start",
    )
    http_proxy: str = own(TEXT, variable="HTTP_PROXY", about="the proxy through which `http` URLs are asked")
    https_proxy: str = own(
        TEXT, variable="HTTPS_PROXY", about="the proxy through which `https` URLs are asked"
    )
    no_proxy: str = own(
        TEXT, variable="NO_PROXY", about="hosts, domains, addresses and networks that are asked directly"
    )
    is_leader_elected: bool = own(
        BOOLEAN,
        "false",
        flag="--leader-elect",
        about="whether to act only while holding the Lease: of several replicas one acts",
    )
    lease_name: str = own(TEXT, KEDA_LEASE, flag="--leader-election-id", about="name of that Lease")
    lease_duration_s: float = own(
        POSITIVE_DURATION,
        "15s",
        variable=f"{_LEASE}_LEASE_DURATION",
        about="how long others wait for a leader that is silent",
    )
    lease_deadline_s: float = own(
        POSITIVE_DURATION,
        "10s",
        variable=f"{_LEASE}_RENEW_DEADLINE",
        about="after which a leader that cannot renew the Lease ends",
    )
    lease_retry_s: float = own(
        POSITIVE_DURATION, "2s", variable=f"{_LEASE}_RETRY_PERIOD", about="the pause between two renewals"
    )
    allowed_addresses: tuple[str, ...] = own(
        NETWORK,
        flag="--allow-address",
        is_repeated=True,
        fate="ours",
        about="addresses and networks that triggers may ask although they are the operator's own loopback, "
        "link-local or a metadata service's; may be given several times",
    )
    lends_identity: tuple[str, ...] = own(
        NAMES,
        flag="--lend-identity",
        variable="TIDEGATE_LEND_IDENTITY",
        fate="ours",
        about="namespaces whose triggers may use the operator's own identity of a cloud, `*` for all, as in "
        "KEDA; without it only the namespaces that a ClusterTriggerAuthentication names",
    )
    is_shadow: bool = own(
        BOOLEAN,
        "false",
        flag="--shadow",
        fate="ours",
        about="stand beside a running KEDA: measure and decide, change nothing, and tell what would differ; "
        "its Lease is `shadow.tidegate.dev` unless another is named",
    )
    claim_namespaces: tuple[str, ...] = own(
        TEXT,
        flag="--allow-claims",
        is_repeated=True,
        fate="ours",
        about="namespaces whose ScaledJobs may claim messages, which takes them off a broker; `*` for all; "
        "may be given several times",
    )
    budgets: tuple[str, ...] = own(
        TEXT,
        flag="--budget",
        variable="TIDEGATE_BUDGETS",
        is_repeated=True,
        fate="ours",
        about="calls a minute that each server of a system may have, such as `aws.monitoring=60`; intervals "
        "are stretched for it (docs/metered-sources.md)",
    )
    shadow_address: Listen = own(
        LISTEN,
        "127.0.0.1:8082",
        flag="--shadow-bind-address",
        fate="ours",
        about="where `--shadow` serves its report; on loopback alone `kubectl port-forward` reaches it",
    )

    @property
    def cluster_namespace(self) -> str:
        return self.cluster_object_namespace or self.own_namespace

    def problems(self) -> Iterable[Misconfigured]:
        """What does not go together."""
        yield from self.dashboard_problems()
        yield from budget_problems(self.budgets)
        order = (
            ("LEASE_DURATION", self.lease_duration_s, "RENEW_DEADLINE", self.lease_deadline_s),
            ("RENEW_DEADLINE", self.lease_deadline_s, "RETRY_PERIOD", JITTER * self.lease_retry_s),
        )
        for longer, more_s, shorter, less_s in order:
            if more_s <= less_s:
                yield Misconfigured(
                    f"use {_LEASE}_{longer}",
                    answer=f"{more_s:g} s leave no room for {_LEASE}_{shorter}",
                    next_step=f"give more than {less_s:g}s",
                )


def _ignored(why: str, *names: str) -> Iterable[Setting]:
    for name in names:
        is_flag = name.startswith("-")
        flag, variable = (name, "") if is_flag else ("", name)
        yield Setting(TEXT, "", flag=flag, variable=variable, fate="ignored", difference=why)


IGNORED = (
    *IGNORED_LOG_SETTINGS,
    *_ignored(
        "the API server sets the pace: what it answers with 429 is repeated when it says so",
        "--kube-api-qps",
        "--kube-api-burst",
    ),
    *_ignored(
        "the API server is asked for uncompressed answers, as KEDA does by default", "--disable-compression"
    ),
    *_ignored("no profiler is served; py-spy looks into a running process", "--profiling-bind-address"),
    *_ignored(
        "each server of triggers has connections of its own, as many as its questions need",
        "--http-max-idle-conns",
        "--http-max-idle-conns-per-host",
        "--http-idle-conn-timeout",
    ),
    *_ignored(
        "16 objects are reconciled side by side, of either kind",
        "KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES",
        "KEDA_SCALEDJOB_CTRL_MAX_RECONCILES",
    ),
    *_ignored(
        "parameters that no trigger reads are always told, as warnings of their object",
        "KEDA_CHECK_UNEXPECTED_SCALERS_PARAMS",
    ),
    *_ignored("raw metrics are not streamed to others", "RAW_METRICS_GRPC_PROTOCOL", "RAW_METRICS_MODE"),
)
