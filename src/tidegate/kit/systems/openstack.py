"""OpenStack: who asks (Keystone), the last measure of a metric (Gnocchi), objects in a container (Swift)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.systems.http import read_url

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Keystone:
    """Where tokens are fetched, by its base URL without `/v3`, and as whom.

    A user with a password, in a project where one is given; or an application credential, which has its own.
    """

    url: str
    user_id: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    project_id: str = field(default="", repr=False)
    credential_id: str = field(default="", repr=False)
    credential_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OpenstackServer:
    """A service of OpenStack by its base URL; "" is looked for in the catalogue of the token (Swift).

    `region` chooses among the catalogue's.
    """

    system: ClassVar[str] = "openstack"

    origin: str
    keystone: Keystone
    region: str = ""
    timeout_s: float = TIMEOUT_S

    def label(self) -> str:
        return f"OpenStack {self.origin or self.keystone.url}"


@dataclass(frozen=True, slots=True)
class LastMeasure:
    """The value of the last measure of a metric in its window; None where there is none."""

    server: OpenstackServer
    metric: str
    aggregation: str
    granularity_s: int


@dataclass(frozen=True, slots=True)
class ContainerObjects:
    """How many objects are in a container."""

    server: OpenstackServer
    container: str


def keystone_url(text: str) -> str:
    """Without `/v3`, which documentations write and which is added."""
    return text.rstrip("/").removesuffix("/v3").rstrip("/")


def url_problems(**texts: str) -> Iterator[Problem]:
    for name, text in texts.items():
        try:
            if text:
                read_url(text)
        except ValueError as error:
            yield Problem(name, f"its value {error}")
