"""The settings of `tidegate metrics-apiserver`: KEDA's names, defaults and variables."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.cli.wiring.log_settings import IGNORED_LOG_SETTINGS, LogSettings
from tidegate.cli.wiring.tls_settings import TlsSettings
from tidegate.runtime.settings import FOLDER, TEXT, Kind, Setting, own, whole

_FILE = Kind("a file", str)


def _port(text: str) -> int:
    port = whole(0).read(text)
    if port > 65535:
        raise ValueError("is more than 65535")
    return int(port)


# Of either family, as Go has it.
EVERY_ADDRESS = ("", "0.0.0.0", "::", "[::]")
PORT = Kind("a port", _port)


@dataclass(frozen=True)
class MetricsApiserverSettings(LogSettings, TlsSettings):
    """What the metrics API server was told from outside."""

    kubeconfig: str = own(
        TEXT,
        flag="--kubeconfig",
        about="file that names the cluster; without it KUBECONFIG, else the cluster of the pod",
        fate="other",
        difference="also what `--lister-kubeconfig`, `--authentication-kubeconfig` and "
        "`--authorization-kubeconfig` are in KEDA's",
    )
    own_namespace: str = own(TEXT, "keda", variable="POD_NAMESPACE", about="the namespace of the operator")
    host: str = own(
        Kind("an address, 0.0.0.0 or :: for every one", lambda text: "" if text in EVERY_ADDRESS else text),
        "0.0.0.0",
        flag="--bind-address",
        about="where the API and `/metrics` are served",
    )
    secure_port: int = own(PORT, "6443", flag="--secure-port", about="the port of the API, over TLS")
    port: int = own(PORT, "8080", flag="--port", about="the port of `/metrics`, plain; 0: nowhere")
    operator: str = own(
        TEXT,
        flag="--metrics-service-address",
        about="the operator's address; by default keda-operator.<POD_NAMESPACE>.svc.cluster.local:9666",
    )
    authority: str = own(
        TEXT,
        flag="--metrics-service-grpc-authority",
        about="the name that the operator's certificate must be for, where that is not the host above",
        fate="other",
        difference="there is no gRPC: it is the name in TLS alone",
    )
    certificates: str = own(
        FOLDER,
        "/certs",
        flag="--cert-dir",
        about="folder of `ca.crt`, `tls.crt` and `tls.key`, with which the operator is met",
        fate="other",
        difference="the default is /certs, as in KEDA's manifests; nothing is made there where it is empty",
    )
    certificate: str = own(
        _FILE, flag="--tls-cert-file", about="the API's certificate; by default `tls.crt` of the folder above"
    )
    key: str = own(
        _FILE, flag="--tls-private-key-file", about="its key; by default `tls.key` of the folder above"
    )
    clients: str = own(
        _FILE,
        flag="--client-ca-file",
        about="authorities of clients' certificates; by default what kube-system publishes",
    )


_NO_EFFECT = (
    ("--lister-kubeconfig", "nothing is listed; the cluster is what --kubeconfig names"),
    ("--authentication-kubeconfig", "the cluster is what --kubeconfig names"),
    ("--authorization-kubeconfig", "the cluster is what --kubeconfig names"),
    ("--discovery-interval", "the one resource never changes"),
    ("--msg", "the start has a line of its own"),
    ("--profiling-bind-address", "there is no profiler"),
    ("--kube-api-qps", "requests to the API server are few, and it says itself when they are too many"),
    ("--kube-api-burst", "requests to the API server are few, and it says itself when they are too many"),
    ("--disable-compression", "answers of the API server are never compressed"),
    ("--authentication-skip-lookup", "whom to trust is always looked up"),
    ("--authentication-tolerate-lookup-failure", "without it, nobody would be known"),
    ("--authentication-token-webhook-cache-ttl", "answers are kept for 10 s, as is Kubernetes' default"),
    ("--authorization-webhook-cache-authorized-ttl", "answers are kept for 10 s, as is Kubernetes' default"),
    (
        "--authorization-webhook-cache-unauthorized-ttl",
        "answers are kept for 10 s, as is Kubernetes' default",
    ),
    ("--audit-log-path", "requests are not recorded here; the API server does that"),
    ("--audit-policy-file", "requests are not recorded here; the API server does that"),
    *(
        (f"--requestheader-{one}", "the front proxy is known by what kube-system publishes")
        for one in (
            "client-ca-file",
            "allowed-names",
            "username-headers",
            "group-headers",
            "extra-headers-prefix",
            "uid-headers",
        )
    ),
    ("--authorization-always-allow-paths", "they are /healthz, /livez and /readyz"),
    ("--tls-min-version", "KEDA_SERVICE_MIN_TLS_VERSION says it"),
    ("--tls-cipher-suites", "KEDA_SERVICE_TLS_CIPHER_LIST says them"),
    ("--http2-max-streams-per-connection", "the API is served by HTTP/1.1"),
    ("--permit-address-sharing", "the port is ours alone"),
    ("--permit-port-sharing", "the port is ours alone"),
    ("--contention-profiling", "there is no profiler"),
    ("--profiling", "there is no profiler"),
    ("--audit-log-maxage", "requests are not recorded here; the API server does that"),
    ("--audit-log-maxbackup", "requests are not recorded here; the API server does that"),
    ("--audit-log-maxsize", "requests are not recorded here; the API server does that"),
    ("--enable-priority-and-fairness", "the API server in front does that"),
    ("--feature-gates", "there are none"),
)
IGNORED = (
    *IGNORED_LOG_SETTINGS,
    *(Setting(Kind("", str), "", flag=flag, fate="ignored", difference=why) for flag, why in _NO_EFFECT),
    Setting(
        Kind("", str),
        variable="WATCH_NAMESPACE",
        default="",
        fate="ignored",
        difference="which namespaces are followed is the operator's to say",
    ),
)
