"""The settings by which a trigger of Azure Monitor says whom it asks, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.identity import Provider, ServicePrincipal
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.azure_api import (
    application_problems,
    asked_by,
    authority_of,
    sdk_cloud,
    sdk_cloud_problems,
    split_endpoint,
)
from tidegate.kit.systems.azure_applications import (
    application_secret_setting,
    application_setting,
    cloud_setting,
    tenant_setting,
)
from tidegate.kit.systems.azure_clouds import endpoint_problems, is_label, is_private, scope_of
from tidegate.kit.systems.azure_monitor import MonitorServer

_MEA = (METADATA, ENVIRONMENT, AUTHENTICATION)


@declared
class MonitorAccess(Polled):
    """Cloud, region and login."""

    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)

    tenant: str = tenant_setting(is_required=True)
    client_id: str = application_setting("activeDirectoryClientId", *_MEA)
    client_password: str = application_secret_setting("activeDirectoryClientPassword", *_MEA)
    cloud: str = cloud_setting()
    manager_url: str = setting(
        "azureResourceManagerEndpoint", doc="Resource manager of a `Private` cloud.", default=""
    )
    region: str = setting("region", doc="Its region; then many resources travel together.", default="")

    def check(self) -> Iterator[Problem]:
        if self.region and not (is_label(self.region) and not self.cloud):
            yield Problem("region", "must be a region of the public cloud, such as westeurope")
        yield from sdk_cloud_problems(self.cloud, "azureResourceManagerEndpoint", self.manager_url)
        yield from endpoint_problems("azureResourceManagerEndpoint", self.manager_url)
        yield from application_problems(
            self.identity,
            activeDirectoryClientId=self.client_id,
            activeDirectoryClientPassword=self.client_password,
        )

    def server(self) -> MonitorServer:
        own = self.manager_url if is_private(self.cloud) else sdk_cloud(self.cloud).management
        audience, origin, base = scope_of(own), *split_endpoint(own)
        if self.region:
            origin = f"https://{self.region.lower()}.metrics.monitor.azure.com"
            audience = scope_of("https://metrics.monitor.azure.com")
        application = ServicePrincipal(
            self.client_id, self.tenant, self.client_password, authority_host=authority_of(self.cloud)
        )
        token = asked_by(self.identity, application, audience)
        return MonitorServer(origin, base, token, region=self.region.lower())
