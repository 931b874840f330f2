"""The settings of `tidegate admission-webhooks`: KEDA's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.cli.wiring.installation.extensions import ExtensionSettings
from tidegate.cli.wiring.log_settings import IGNORED_LOG_SETTINGS, LogSettings
from tidegate.cli.wiring.tls_settings import TlsSettings
from tidegate.runtime.settings import FOLDER, LISTEN, TEXT, Kind, Listen, Setting, own, whole


@dataclass(frozen=True)
class AdmissionSettings(LogSettings, TlsSettings, ExtensionSettings):
    """What the webhooks were told from outside."""

    kubeconfig: str = own(
        TEXT,
        flag="--kubeconfig",
        about="file that names the cluster; without it KUBECONFIG, else the cluster of the pod",
    )
    port: int = own(whole(0), "9443", flag="--port", about="where the API server asks, over TLS")
    host: str = own(TEXT, flag="--host", about="the address to listen on there; by default all", fate="ours")
    certificates: str = own(
        FOLDER,
        "/certs",
        flag="--cert-dir",
        about="folder of `tls.crt` and `tls.key`; new files are taken without a restart",
    )
    metrics_address: Listen = own(
        LISTEN, ":8080", flag="--metrics-bind-address", about="where `/metrics` is served"
    )
    probe_address: Listen = own(
        LISTEN, ":8081", flag="--health-probe-bind-address", about="where `/healthz` and `/readyz` are served"
    )


def _ignored(flag: str, reason: str) -> Setting:
    return Setting(Kind("", str), "", flag=flag, fate="ignored", difference=reason)


IGNORED = (
    _ignored("--cache-miss-to-direct-client", "workloads are always read from the API server"),
    _ignored("--profiling-bind-address", "there is no profiling endpoint"),
    _ignored("--kube-api-qps", "requests to the API server are few and not held back"),
    _ignored("--kube-api-burst", "requests to the API server are few and not held back"),
    *IGNORED_LOG_SETTINGS,
)
