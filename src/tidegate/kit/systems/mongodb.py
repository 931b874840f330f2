"""MongoDB: whom to ask, what to count, and filters as Extended JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

from tidegate.kit.question import Server
from tidegate.kit.tls import Tls

DEEPEST = 64
"""How far a filter may nest."""

# Those that log in with what stands in the string, and not with what the autoscaler's own account has.
_MECHANISMS = frozenset({"DEFAULT", "SCRAM-SHA-1", "SCRAM-SHA-256", "MONGODB-X509", "PLAIN"})
_PLACE = r"(?:\[[^\[\]@/?]*\]|[^\[\]:@/?,]+)(?::[0-9]{1,5})?"
# An @ after the hosts is that of a password with a bare slash, which must not be taken for a host.
_URI = re.compile(
    rf"mongodb(?:\+srv)?://(?:[^/?]*@)?({_PLACE}(?:,{_PLACE})*)(?:/[^?@]*)?(?:\?(.*))?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class MongodbServer:
    """A MongoDB, a replica set or the routers of a cluster, by a URI; `tls` comes on top of it."""

    system: ClassVar[str] = "mongodb"

    uri: str = field(repr=False)
    tls: Tls | None = None

    def label(self) -> str:
        found = _URI.fullmatch(self.uri)
        return f"MongoDB {found[1].replace(',', ', ')}" if found else "MongoDB"


@dataclass(frozen=True, slots=True)
class MongodbCount:
    """How many documents of a collection match `filter`, an Extended JSON object: an int."""

    server: Server
    database: str
    collection: str
    filter: str = field(repr=False)


def check_uri(uri: str) -> None:
    """ValueError, which never repeats a value, where `uri` cannot be one of MongoDB's."""
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("begins neither with mongodb:// nor with mongodb+srv://")
    found = _URI.fullmatch(uri)
    if found is None:
        raise ValueError("is not a URI with a host (user and password are percent-encoded)")
    for pair in filter(None, re.split("[&;]", found[2] or "")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError("has an option that is not name=value")
        if name.lower() == "authmechanism" and unquote(value).upper() not in _MECHANISMS:
            raise ValueError(
                f"has an authMechanism other than {', '.join(sorted(_MECHANISMS))}: "
                "logging in with an identity comes later"
            )


def with_hosts(uri: str, names: Mapping[str, str]) -> str:
    """`uri` with other hosts in the place of those that `names` knows; ports stay."""
    found = _URI.fullmatch(uri)
    if found is None:
        return uri
    places = []
    for place in found[1].split(","):
        host, port = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(.*)", place, re.DOTALL).groups()  # type: ignore[union-attr]
        other = names.get(host.strip("[]").lower(), host)
        places.append((f"[{other}]" if ":" in other and other != host else other) + port)
    return uri[: found.start(1)] + ",".join(places) + uri[found.end(1) :]


def read_filter(text: str) -> dict[str, Any]:
    """The JSON object of a filter, its keys in order. ValueError, which repeats nothing, for others."""
    depth = deepest = 0
    for sign in text:
        depth += (sign in "{[") - (sign in "}]")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise ValueError(f"nests deeper than {DEEPEST}")
    try:
        found = json.loads(text)
    except ValueError as error:
        place = f" (column {error.pos + 1})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"is not JSON{place}") from None
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    return found
