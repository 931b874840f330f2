"""podman with a store of its own, once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.podman import Podman, podman_in


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with podman_in(tmp_path_factory.mktemp("podman") / "own") as one:
        yield one
