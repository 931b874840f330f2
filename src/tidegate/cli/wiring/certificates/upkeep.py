"""The rotation of certificates, as the operator's settings want it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tidegate.cli.wiring.certificates.settings import CertificateSettings
from tidegate.kube.client import Client
from tidegate.operator.certificates.rotation import Place, Rotation
from tidegate.operator.certificates.trust import Bundles, Trusting
from tidegate.runtime.certificate_files import Material
from tidegate.runtime.certificates import service_names
from tidegate.runtime.clock import Clock


def rotation_of(
    settings: CertificateSettings,
    namespace: str,
    client: Client,
    clock: Clock,
    take: Callable[[Material], Any],
) -> Rotation | None:
    """None where the user's own certificates are used: then nothing is touched."""
    if not settings.is_rotated:
        return None
    services = [settings.operator_service, settings.metrics_server_service]
    if settings.is_webhook_told:
        services.append(settings.webhooks_service)
    names = [name for one in services for name in service_names(one, namespace, settings.cluster_domain)]
    trusting = Trusting(
        namespace,
        settings.metrics_server_service if settings.is_apiservice_told else "",
        settings.webhook_configuration if settings.is_webhook_told else "",
    )
    place = Place(
        namespace,
        settings.certificate_secret,
        tuple(names),
        timedelta(seconds=settings.rotation_step_s),
    )
    return Rotation(client, place, Bundles(client, trusting), clock, take)
