"""Azure Monitor Logs (Log Analytics): a Kusto query on a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.systems.azure_api import AzureApi
from tidegate.kit.systems.calls import Calls


@dataclass(frozen=True, slots=True)
class LogsServer(AzureApi):
    """The query interface of a cloud."""

    system: ClassVar[str] = "azure_logs"
    product: ClassVar[str] = "Log Analytics"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What a query of a workspace gives: a tuple of `kusto.Table`s."""

    calls: ClassVar[Calls] = Calls(together=20)

    server: LogsServer
    workspace: str
    query: str
