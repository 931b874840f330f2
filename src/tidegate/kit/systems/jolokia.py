"""Jolokia: attributes of a JVM's management beans over HTTP, as ActiveMQ and Artemis offer them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.http import HttpServer


@dataclass(frozen=True, slots=True)
class JolokiaServer:
    """`http` names origin, login and TLS; `path` is where Jolokia is, `/api/jolokia` say.

    `origin` is sent as `Origin`: Jolokia refuses who has none that it allows.
    """

    calls: ClassVar[Calls] = ROUND

    system: ClassVar[str] = "jolokia"

    http: HttpServer
    path: str
    origin: str

    def label(self) -> str:
        return self.http.label()


@dataclass(frozen=True, slots=True)
class BeanAttribute:
    """A whole number that `attribute` of `bean` holds. A missing bean is a failure.

    Reads that travel together are packed into one request. `about` is what is counted, for people.
    """

    server: JolokiaServer
    bean: str
    attribute: str
    about: str


@dataclass(frozen=True, slots=True)
class BeanUrl:
    """The same, read from a URL of the user's own: `target` is its path and query, as they are sent."""

    server: JolokiaServer
    target: str
    about: str


def bean(domain: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The name of a bean."""
    return f"{domain}:{','.join(f'{key}={value}' for key, value in pairs)}"


def pairs_in(target: str) -> dict[str, str]:
    """The `key=value` pairs of the bean that a decoded path names: between its first `:` and the next `/`."""
    _, colon, rest = target.partition(":")
    if not colon:
        raise ValueError("names no bean: there is no : in its path")
    text = rest.partition(":")[0].partition("/")[0]
    return {key: value for key, _, value in (pair.partition("=") for pair in text.split(","))}
