"""The settings by which triggers of Azure's monitoring name an application and its cloud.

They stand in classes that share no base: each says from which sources its own come, in the order of looking,
which is KEDA's and another for each type.
"""

from __future__ import annotations

from typing import Any

from tidegate.kit.settings import METADATA, REQUIRED, Source, setting


def tenant_setting(*sources: Source, is_required: bool = False) -> Any:
    """Azure Monitor and Application Insights want it beside an identity, too."""
    default = REQUIRED if is_required else ""
    return setting(
        "tenantId", doc="Tenant of the application.", default=default, sources=sources or (METADATA,)
    )


def application_setting(name: str, *sources: Source) -> Any:
    return setting(name, doc="Application that logs in.", default="", sources=sources)


def application_secret_setting(name: str, *sources: Source) -> Any:
    return setting(name, doc="Its secret.", default="", sources=sources, secret=True)


def cloud_setting() -> Any:
    return setting(
        "cloud",
        doc="`AzurePublicCloud`, `AzureUSGovernmentCloud`, `AzureChinaCloud`, `Private`.",
        default="",
    )
