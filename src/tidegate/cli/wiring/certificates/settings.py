"""What the operator is told of certificates: KEDA's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.runtime.settings import BOOLEAN, FOLDER, POSITIVE_DURATION, TEXT, own


@dataclass(frozen=True)
class CertificateSettings:
    """Where they are, whether they are made here, for which names, and who is told."""

    certificates: str = own(
        FOLDER,
        "/certs",
        flag="--cert-dir",
        about="folder of `ca.crt`, `tls.crt` and `tls.key`; new files are taken without a restart",
    )
    is_rotated: bool = own(
        BOOLEAN,
        "false",
        flag="--enable-cert-rotation",
        about="whether the leader makes and rotates the certificates of all programs",
        fate="other",
        difference="the process goes on with new certificates (KEDA's ends, to be started again), and a new "
        "authority is trusted for ten minutes before it signs",
    )
    rotation_step_s: float = own(
        POSITIVE_DURATION,
        "10m",
        flag="--cert-rotation-step",
        about="how long each of the three steps to a new authority is waited for: as long as mounted Secrets "
        "take to change everywhere",
        fate="ours",
    )
    certificate_secret: str = own(
        TEXT, "kedaorg-certs", flag="--cert-secret-name", about="the Secret that holds them"
    )
    operator_service: str = own(
        TEXT, "keda-operator", flag="--operator-service-name", about="name of the operator's Service"
    )
    metrics_server_service: str = own(
        TEXT,
        "keda-metrics-apiserver",
        flag="--metrics-server-service-name",
        about="name of the metrics API server's Service",
    )
    webhooks_service: str = own(
        TEXT,
        "keda-admission-webhooks",
        flag="--webhooks-service-name",
        about="name of the admission webhooks' Service",
    )
    cluster_domain: str = own(
        TEXT, "cluster.local", flag="--k8s-cluster-domain", about="the domain of Services' names"
    )
    webhook_configuration: str = own(
        TEXT,
        "keda-admission",
        flag="--validating-webhook-name",
        about="the ValidatingWebhookConfiguration whose webhooks are told whom to trust",
    )
    is_webhook_told: bool = own(
        BOOLEAN,
        "true",
        flag="--enable-webhook-patching",
        about="whether they are, where certificates are rotated",
        fate="other",
        difference="webhooks that lead to another namespace are left alone",
    )
    is_apiservice_told: bool = own(
        BOOLEAN,
        "true",
        flag="--enable-apiservice-patching",
        about="whether the APIService of external metrics is told whom to trust, where they are rotated",
        fate="other",
        difference="one that leads to another Service is left alone",
    )
