"""podman with a store of its own, once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.podman import Podman, own_podman


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    with own_podman() as one:
        yield one
