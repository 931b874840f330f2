"""How many examples a property is tried with, and the real servers of the session, for every test.

`full` is the default, of `pytest` and `make test`; `make check` takes `quick`. No property has a
deadline, nor is drawing examples timed: a busy machine proves nothing against a law.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from parts.real_cluster import kubeconfig_of
from parts.server_process import Servers
from tidegate.testing.sources import uncollected

settings.register_profile(
    "full", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("quick", settings.get_profile("full"), max_examples=25)
settings.load_profile("full")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig", metavar="FILE", help="a cluster to ask in place of the control plane of the tests"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts the group of a test into its id, by which xdist gives all of a group to one worker.

    xdist (3.8) does so itself, in a place where pytest (9.2) no longer looks: without this, each worker
    starts servers of its own.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        names = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
        if names and "@" not in item.nodeid.rpartition("]")[2].rpartition("::")[2]:
            item._id = type(item._id).parse(f"{item.nodeid}@{'_'.join(names)}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """The report of a failure parses what failed: where that goes wrong, the whole session ends."""
    with uncollected():
        return (yield)


@pytest.fixture(scope="session")
def real_kubeconfig(request: pytest.FixtureRequest, servers: Servers) -> Path:
    """An administrator's kubeconfig of a real cluster."""
    return kubeconfig_of(request.config.getoption("--kubeconfig"), servers)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """`servers.get(NatsServer)` is the session's one NATS, started when it is first asked for."""
    running = Servers()
    yield running
    running.close()
