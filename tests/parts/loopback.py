"""Ports of our own on loopback, and what to do where a program is missing."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

import pytest


def free_port() -> int:
    """A port nobody uses, nor the one 10000 above it, which a cluster node takes as well."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10000))
            return port
    raise AssertionError("no free port")


def missing(reason: str, environment: Mapping[str, str] = os.environ) -> NoReturn:
    """A skip on a user's machine, a failure in CI."""
    if environment.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
