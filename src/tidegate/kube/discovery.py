"""What the server is and serves: its version; from a kind, or from the word a user types, to a resource."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.base.errors import Malformed
from tidegate.kube.client import Client
from tidegate.kube.resource import ApiError, Resource

LEAST_MINOR = 23
"""The first version 1.x with `autoscaling/v2`, in which HPAs are written."""

# Hosted clusters append a sign of their own: `18+`.
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Served:
    """A resource with the names it goes by and its subresources."""

    resource: Resource
    names: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    subresources: frozenset[str] = frozenset()


class Discovery:
    """Believes what it has learned; asks again for what it does not know, or not enough of."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, list[Served]] = {}

    async def resolve(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind; ApiError `NotFound` where the server does not serve it."""
        return (await self.served(api_version, kind)).resource

    async def served(self, api_version: str, kind: str, subresource: str = "") -> Served:
        """The same with its subresources, and with `subresource` among them (`scale`), else `NotFound`."""
        found = _pick(self._known.get(api_version, ()), kind, subresource)
        found = found or _pick(await self._learn(api_version), kind, subresource)
        if found is not None:
            return found
        missing = f"{kind} of {api_version}" + (f" with the subresource {subresource}" if subresource else "")
        details = {"kind": kind, "group": api_version.rpartition("/")[0]}
        raise ApiError(404, "NotFound", f"the server does not serve {missing}", details)

    async def named(self, word: str) -> Served:
        """What a user means by `so`, `scaledobject`, `ScaledObjects` or `scaledobjects.keda.sh`."""
        found = find(await self.all(), word)
        if found is not None:
            return found
        raise ApiError(404, "NotFound", f"the server does not serve {word!r}", {"kind": word})

    async def all(self) -> list[Served]:
        """All that is served, each group in its preferred version; the core group comes first."""
        body = msgspec.json.decode(await self._client.request("GET", "/apis"))
        versions = [group["preferredVersion"]["groupVersion"] for group in body.get("groups") or ()]
        lists = await asyncio.gather(self._learn("v1"), *(self._learn_if_up(one) for one in versions))
        return [served for one in lists for served in one]

    async def _learn_if_up(self, api_version: str) -> list[Served]:
        """Nothing where the extension server of a group is down: the other groups stay within reach."""
        try:
            return await self._learn(api_version)
        except ApiError as error:
            if error.code != 503:
                raise
            return []

    async def _learn(self, api_version: str) -> list[Served]:
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            body = msgspec.json.decode(await self._client.request("GET", path))
        except ApiError as error:
            if error.code != 404:
                raise
            # A group vanishes with the last of its definitions: then it serves nothing.
            body = {}
        self._known[api_version] = read_resources(api_version, body.get("resources") or ())
        return self._known[api_version]


def find(known: Iterable[Served], word: str) -> Served | None:
    """The first that goes by this name: plural, singular, kind or short name, bare or with its group."""
    wanted = word.lower()
    name, _, group = wanted.partition(".")
    for served in known:
        resource = served.resource
        names = served.names | {resource.plural, resource.kind.lower()}
        if wanted in names or (group and name in names and resource.group == group):
            return served
    return None


def _pick(known: Iterable[Served], kind: str, subresource: str) -> Served | None:
    for served in known:
        if served.resource.kind == kind and (not subresource or subresource in served.subresources):
            return served
    return None


def read_resources(api_version: str, entries: Collection[dict[str, Any]]) -> list[Served]:
    """The entries of an APIResourceList; `pods/log` is a subresource of `pods`."""
    group, _, version = api_version.rpartition("/")
    whole = [entry for entry in entries if "/" not in entry["name"]]
    below: dict[str, set[str]] = {}
    for entry in entries:
        plural, slash, subresource = entry["name"].partition("/")
        if slash:
            below.setdefault(plural, set()).add(subresource)
    return [
        Served(
            Resource(group, version, entry["name"], entry["kind"], bool(entry.get("namespaced"))),
            frozenset([*(entry.get("shortNames") or ()), entry.get("singularName") or entry["kind"].lower()]),
            frozenset(entry.get("categories") or ()),
            frozenset(below.get(entry["name"], ())),
        )
        for entry in whole
    ]


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """`text` is the server's own, such as `v1.35.4`."""

    major: int
    minor: int
    text: str

    @property
    def is_too_old(self) -> bool:
        """Whether it knows nothing of the HPAs that we write."""
        return (self.major, self.minor) < (1, LEAST_MINOR)


async def server_version(client: Client) -> ServerVersion:
    """Malformed where the answer holds none; ApiError or Unreachable where none comes."""
    return read_version(msgspec.json.decode(await client.request("GET", "/version")))


def read_version(body: Any) -> ServerVersion:
    """Of the body of `/version`. Source: Kubernetes API reference, version.Info."""
    told = body if isinstance(body, dict) else {}
    numbers = [_DIGITS.match(str(told.get(name, ""))) for name in ("major", "minor")]
    if numbers[0] is None or numbers[1] is None:
        raise Malformed("read the version of the API server", answer="it holds no major and minor version")
    return ServerVersion(int(numbers[0][0]), int(numbers[1][0]), str(told.get("gitVersion", "")))
