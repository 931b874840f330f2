"""What is installed on a cluster, for each test anew, and a Redis beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.installed import Installed
from parts.redis_servers import RedisProcess, redis_program


@pytest.fixture
def installed(real_kubeconfig: Path, tmp_path: Path) -> Iterator[Installed]:
    with Installed(real_kubeconfig, tmp_path) as installed:
        yield installed


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with RedisProcess(redis_program()) as redis:
        yield redis
