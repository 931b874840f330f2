"""The settings of the dashboard of a program on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.base.errors import Misconfigured
from tidegate.runtime.settings import BOOLEAN, FILE, LISTEN, Listen, own


@dataclass(frozen=True)
class DashboardSettings:
    """Whether there is one, where, and who may look."""

    is_dashboard_served: bool = own(
        BOOLEAN,
        "false",
        flag="--dashboard",
        fate="ours",
        about="whether a page for the browser shows objects, plots, reasons and logs; see docs/dashboard.md",
    )
    dashboard_address: Listen = own(
        LISTEN,
        "127.0.0.1:8083",
        flag="--dashboard-bind-address",
        fate="ours",
        about="where it is served, without TLS; on loopback alone `kubectl port-forward` reaches it",
    )
    dashboard_token_file: str = own(
        FILE,
        flag="--dashboard-token-file",
        fate="ours",
        about="the file that holds the token of whoever may look: at least 16 characters, read anew at each "
        "request",
    )

    def dashboard_problems(self) -> Iterable[Misconfigured]:
        """What it lacks."""
        if self.is_dashboard_served and not self.dashboard_token_file:
            yield Misconfigured(
                "use --dashboard",
                answer="nobody says by which token one may look",
                next_step="name a file that holds one with --dashboard-token-file",
            )
