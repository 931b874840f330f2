"""The dashboard of `tidegate up`: on loopback, with a token that lies beside the kubeconfig."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tidegate.cli.wiring.dashboard.serving import dashboard
from tidegate.local.apiserver.authentication.private_files import write_private
from tidegate.operator.operator import Operator
from tidegate.runtime.settings import Listen

TOKEN_FILE = "dashboard-token"
LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def local_dashboard(operator: Operator, data_dir: Path, port: int | None) -> AsyncIterator[str]:
    """The link to it until the block is left; "" without a port. The token stays, so that an open page finds
    the next start again; whoever deletes its file gets a new one."""
    if port is None:
        yield ""
        return
    token = token_in(data_dir / TOKEN_FILE)
    async with dashboard(operator, Listen(LOOPBACK, port), lambda: token, f"local mode · {data_dir}") as had:
        yield f"http://{LOOPBACK}:{had}/?token={token}"


def token_in(path: Path) -> str:
    """The token that is kept there; a new one where there is none. Its owner alone can read it."""
    with suppress(OSError):
        kept = path.read_text().strip()
        if kept:
            return kept
    token = secrets.token_urlsafe(32)
    write_private(path, token.encode())
    return token
