"""What the operator says of the cluster that it meets."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tidegate.cli.wiring.operator_program import tell_version
from tidegate.kube.client import Client
from tidegate.kube.config import Config


async def told(body: Any, caplog: Any) -> list[str]:
    async def version(_: web.Request) -> web.Response:
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/version", version)
    async with TestServer(app) as server:
        client = Client(Config(str(server.make_url("/")).rstrip("/")))
        with caplog.at_level("INFO", "tidegate.cli"):
            await tell_version(client)
        await client.close()
    return [record.getMessage() for record in caplog.records if record.name.startswith("tidegate.cli")]


async def test_a_kubernetes_that_is_too_old_is_told(caplog: Any) -> None:
    lines = await told({"major": "1", "minor": "18+", "gitVersion": "v1.18.20"}, caplog)
    assert lines == ["connected", "Kubernetes is too old"]
    assert caplog.records[-1].kubernetes == "v1.18.20"


@pytest.mark.parametrize(
    ("body", "lines"), [({"major": "1", "minor": "35", "gitVersion": "v1.35.4"}, ["connected"]), ({}, [])]
)
async def test_any_other_is_no_matter(body: Any, lines: list[str], caplog: Any) -> None:
    assert await told(body, caplog) == lines
