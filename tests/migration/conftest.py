"""A control plane of its own on which KEDA has worked: its definitions, and what a recording holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.control_plane import AuditedControlPlane
from parts.keda_cluster import KedaCluster
from parts.keda_recording import RECORDINGS, define, restore
from parts.keda_workloads import LISTS, PASSWORD
from parts.redis_servers import RedisProcess, redis_program


@pytest.fixture(scope="module", params=RECORDINGS, ids=lambda file: file.stem)
def keda(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KedaCluster]:
    """KEDA itself is gone; what it made is there."""
    file: Path = request.param
    redis = RedisProcess(redis_program(), ("--requirepass", PASSWORD))
    redis.call_options["password"] = PASSWORD
    with redis, AuditedControlPlane() as plane:
        for name, count in LISTS.items():
            redis.call("RPUSH", name, *map(str, range(count)))
        cluster = KedaCluster(plane, redis, tmp_path_factory.mktemp("keda"))
        try:
            cluster.ask(lambda client: define(client, file))
            cluster.ask(lambda client: restore(client, file, redis.address))
            yield cluster
        finally:
            cluster.close()
