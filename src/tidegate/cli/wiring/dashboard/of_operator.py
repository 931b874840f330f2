"""The dashboard of an operator on a cluster, where it is asked for."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tidegate.base.errors import Misconfigured
from tidegate.cli.wiring.dashboard.serving import dashboard
from tidegate.cli.wiring.operator_settings import OperatorSettings
from tidegate.dashboard.entrance import LEAST_TOKEN
from tidegate.operator.operator import Operator

log = logging.getLogger(__name__)


@asynccontextmanager
async def operator_dashboard(
    settings: OperatorSettings, operator: Operator, standby: Callable[[], str]
) -> AsyncIterator[None]:
    """Serves until the block is left. Misconfigured where address or token cannot be had. `standby` says why
    this replica has nothing to show, "" where it leads."""
    if not settings.is_dashboard_served or settings.dashboard_address.port is None:
        yield
        return
    path = Path(settings.dashboard_token_file)
    token_of(path)

    def token() -> str:
        try:
            return token_of(path)
        except Misconfigured as error:
            # It was there at the start: a Secret that is mounted anew, or was emptied. Nobody is let in.
            log.warning("the dashboard's token cannot be read", extra={"failure": str(error)})
            return ""

    title = f"{settings.cluster_name} · operator in {settings.own_namespace}"
    async with dashboard(operator, settings.dashboard_address, token, title, standby) as port:
        log.info("the dashboard is served", extra={"port": port})
        yield


def token_of(path: Path) -> str:
    """The token in a file; Misconfigured where there is none that is good."""
    attempted, step = "read the token of the dashboard", "put a random text there, or leave --dashboard out"
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        answer = getattr(error, "strerror", None) or "it is no text"
        raise Misconfigured(attempted, on=str(path), answer=answer, next_step=step) from error
    if len(token) < LEAST_TOKEN:
        answer = f"it has {len(token)} characters, and {LEAST_TOKEN} are the least"
        raise Misconfigured(attempted, on=str(path), answer=answer, next_step=step)
    return token
