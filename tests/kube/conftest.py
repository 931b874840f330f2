"""Serves a tiny API to each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from parts.tinyapi import TinyApi, serving
from tidegate.kube.client import Client
from tidegate.kube.config import Config


@pytest.fixture
async def api() -> AsyncIterator[TinyApi]:
    tiny = TinyApi()
    async with serving(tiny):
        yield tiny


@pytest.fixture
async def client(api: TinyApi) -> AsyncIterator[Client]:
    made = Client(Config(api.url))
    yield made
    await made.close()
