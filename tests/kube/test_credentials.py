"""Identities that rotate: token files and credential plugins, as the server sees them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from parts.tinyapi import status
from tidegate.base.errors import Denied, Misconfigured
from tidegate.kube.client import Client
from tidegate.kube.config import Config, ExecPlugin
from tidegate.kube.resource import PODS, ApiError
from tidegate.runtime.clock import SystemClock


class ShiftedClock(SystemClock):
    """The machine's clock, moved by the test."""

    def __init__(self) -> None:
        self.shift_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.shift_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.shift_s


def sent(api):
    return [headers.get("Authorization") for headers in api.headers]


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"token": "abc"}, "Bearer abc"),
        ({"username": "me", "password": "pw"}, "Basic bWU6cHc="),
        ({}, None),
    ],
)
async def test_what_the_server_gets(api, fields, header):
    client = Client(Config(api.url, **fields))
    await client.list(PODS)
    await client.close()
    assert sent(api) == [header]


async def test_a_token_file_is_read_again_after_a_minute(api, tmp_path):
    file, clock = tmp_path / "token", ShiftedClock()
    file.write_text("one\n")
    client = Client(Config(api.url, token_file=str(file)), clock=clock)
    await client.list(PODS)
    file.write_text("two\n")
    await client.list(PODS)
    clock.shift_s = 61
    await client.list(PODS)
    await client.close()
    assert sent(api) == ["Bearer one", "Bearer one", "Bearer two"]


async def test_a_refused_token_is_read_again_at_once_and_only_once(api, tmp_path):
    file = tmp_path / "token"
    file.write_text("old")

    async def refuse(request):
        if request.headers.get("Authorization") == "Bearer new":
            return None
        file.write_text(replacement)
        return web.json_response(status(401, "Unauthorized", "who are you?"), status=401)

    api.refuse = refuse
    replacement = "new"
    client = Client(Config(api.url, token_file=str(file)))
    await client.list(PODS)
    assert sent(api) == ["Bearer old", "Bearer new"]
    await client.close()

    replacement = "bad"
    file.write_text("bad")
    client = Client(Config(api.url, token_file=str(file)))
    with pytest.raises(ApiError, match="who are you"):
        await client.list(PODS)
    await client.close()
    assert len(api.requests) == 4


async def test_a_token_file_that_is_gone_is_said(api, tmp_path):
    client = Client(Config(api.url, token_file=str(tmp_path / "none")))
    with pytest.raises(Denied, match="read the token"):
        await client.list(PODS)


def plugin(tmp_path, body, **options):
    """A program that counts its runs and prints."""
    program = tmp_path / "plugin.py"
    program.write_text(
        "import json, os, pathlib, sys\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "n = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(n))\n"
        f"{body}\n"
    )
    return ExecPlugin(command=sys.executable, args=(str(program),), **options)


PRINTS = """
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
status = {"token": f"{os.environ['PROFILE']}-{n}", "expirationTimestamp": EXPIRES}
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


async def test_a_plugins_token_is_used_until_it_expires(api, tmp_path):
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = PRINTS.replace("EXPIRES", json.dumps(expires))
    clock = ShiftedClock()
    config = Config(api.url, exec=plugin(tmp_path, body, env=(("PROFILE", "dev"),)))
    client = Client(config, clock=clock)
    await client.list(PODS)
    await client.list(PODS)
    clock.shift_s = 3_600
    await client.list(PODS)
    await client.close()
    assert sent(api) == ["Bearer dev-1", "Bearer dev-1", "Bearer dev-2"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('log in first', file=sys.stderr); sys.exit(3)", "exit code 3: log in first"),
        ("print('hello')", "did not print an ExecCredential"),
        ("print(json.dumps({'status': {}}))", "neither a token nor a certificate"),
        ("print(json.dumps({'status': {'token': 't', 'expirationTimestamp': 'x'}}))", "is not a time"),
    ],
)
async def test_a_plugin_that_fails_is_quoted(api, tmp_path, body, said):
    client = Client(Config(api.url, exec=plugin(tmp_path, body)))
    with pytest.raises(Denied, match=said):
        await client.list(PODS)
    assert api.requests == []


async def test_a_plugin_that_is_not_installed_says_how_to_install_it(api):
    config = Config(api.url, exec=ExecPlugin("no-such-program", install_hint="get it from example.org"))
    with pytest.raises(Misconfigured, match=r"get it from example\.org"):
        await Client(config).list(PODS)
