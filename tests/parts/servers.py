"""Whether a server of `tests/servers.toml` is installed, and where."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from parts.loopback import missing

SCRIPT = Path(__file__).parents[2] / "scripts" / "servers.py"


def script() -> ModuleType:
    """`scripts/servers.py` as a module."""
    name = "tidegate_servers_script"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SCRIPT)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def installed(name: str) -> Path:
    """The folder of a server: in the cache, or that of its first program on this machine.

    Without it the test ends: skipped with the command that installs it; in CI a failure, unless the
    server's tier is `all`.
    """
    server = wanted(name)
    folder: Path | None = server.found()
    return folder if folder is not None else lacking(server)


def program(name: str, which: str) -> Path:
    """One program of a server, by the name `programs` gives it; without it the test ends."""
    server = wanted(name)
    path: Path | None = server.program(which)
    return path if path is not None else lacking(server)


def wanted(name: str, environment: Mapping[str, str] = os.environ) -> Any:
    """The server of that name. `make test` leaves the tier `all` alone, even if it is here."""
    server = script().servers()[name]
    if server.tier == "all" and environment.get("TIDEGATE_TIER", "all") != "all":
        pytest.skip(f"{server.title}: run by `make test-all`")
    return server


def lacking(server: Any, environment: Mapping[str, str] = os.environ) -> NoReturn:
    """Ends the test: see `installed`."""
    reason = f"{server.title} is missing; install it: {server.remedy()}"
    if server.tier == "all":
        pytest.skip(reason)
    missing(reason, environment)
