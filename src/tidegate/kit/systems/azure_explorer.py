"""Azure Data Explorer: a Kusto query on a database of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.systems.azure_api import AzureApi


@dataclass(frozen=True, slots=True)
class ExplorerServer(AzureApi):
    """A cluster."""

    system: ClassVar[str] = "azure_explorer"
    product: ClassVar[str] = "Data Explorer"


@dataclass(frozen=True, slots=True)
class ExplorerQuery:
    """What a query of a database gives: a tuple of `kusto.Table`s, the primary results."""

    server: ExplorerServer
    database: str
    query: str
