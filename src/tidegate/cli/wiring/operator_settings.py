"""The settings of `tidegate operator`: KEDA's names, defaults and variables."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.cli.wiring.log_settings import IGNORED_LOG_SETTINGS, LogSettings
from tidegate.runtime.settings import (
    BOOLEAN,
    FOLDER,
    LISTEN,
    NAMES,
    NETWORK,
    TEXT,
    Listen,
    own,
)


@dataclass(frozen=True)
class OperatorSettings(LogSettings):
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
    cluster_object_namespace: str = own(
        TEXT,
        variable="KEDA_CLUSTER_OBJECT_NAMESPACE",
        about="the namespace of what ClusterTriggerAuthentications refer to; by default the operator's own",
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
    parameter_files: str = own(
        FOLDER,
        flag="--filepath-auth-root-path",
        about="folder of the parameter files that ClusterTriggerAuthentications name (`spec.filePath`)",
    )
    allowed_addresses: tuple[str, ...] = own(
        NETWORK,
        flag="--allow-address",
        is_repeated=True,
        fate="ours",
        about="addresses and networks that triggers may ask although they are the operator's own loopback, "
        "link-local or a metadata service's; may be given several times",
    )


IGNORED = (*IGNORED_LOG_SETTINGS,)
