"""MongoDB: whom to ask, what to count, and filters as Extended JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from tidegate.kit.identity import AwsKeys, AwsLogin, Identity
from tidegate.kit.question import Server
from tidegate.kit.tls import Tls

DEEPEST = 64
"""How far a filter may nest."""

AWS = "MONGODB-AWS"
# Those that log in with what stands in the string or in the authentication, and not with what the
# autoscaler's own account has.
_MECHANISMS = frozenset({"DEFAULT", "SCRAM-SHA-1", "SCRAM-SHA-256", "MONGODB-X509", "PLAIN", AWS})
_LOGIN_OPTIONS = ("authmechanism", "authmechanismproperties", "authsource")
_TOKEN = "AWS_SESSION_TOKEN"
_PLACE = r"(?:\[[^\[\]@/?]*\]|[^\[\]:@/?,]+)(?::[0-9]{1,5})?"
# An @ after the hosts is that of a password with a bare slash, which must not be taken for a host.
_URI = re.compile(
    rf"mongodb(?:\+srv)?://(?:[^/?]*@)?({_PLACE}(?:,{_PLACE})*)(?:/[^?@]*)?(?:\?(.*))?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class MongodbServer:
    """A MongoDB, a replica set or the routers of a cluster, by a URI; `tls` and `aws`, who logs in by
    MONGODB-AWS, come on top of it."""

    system: ClassVar[str] = "mongodb"

    uri: str = field(repr=False)
    tls: Tls | None = None
    aws: AwsLogin | None = None

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
            raise ValueError(f"has an authMechanism other than {', '.join(sorted(_MECHANISMS))}")


def server_of(uri: str, tls: Tls | None, identity: Identity | None) -> MongodbServer:
    """The server of a URI. With MONGODB-AWS its keys log in, else the identity; the rest of it says where."""
    found = _URI.fullmatch(uri)
    options = [pair for pair in re.split("[&;]", found[2] or "") if pair] if found is not None else []
    given = {name.lower(): unquote(value) for name, _, value in (pair.partition("=") for pair in options)}
    if found is None or given.get("authmechanism", "").upper() != AWS:
        return MongodbServer(uri, tls)
    scheme, _, login = uri[: found.start(1)].partition("://")
    key, _, secret = login.removesuffix("@").partition(":")
    pairs = (one.partition(":") for one in given.get("authmechanismproperties", "").split(","))
    properties = {name: value for name, _, value in pairs}
    keys = AwsKeys(unquote(key), unquote(secret), properties.get(_TOKEN, "")) if key else None
    rest = uri[found.start(1) :].partition("?")[0]
    kept = [pair for pair in options if pair.partition("=")[0].lower() not in _LOGIN_OPTIONS]
    plain = f"{scheme}://{rest}" + (f"{'' if '/' in rest else '/'}?{'&'.join(kept)}" if kept else "")
    return MongodbServer(plain, tls, AwsLogin("", keys, identity if keys is None else None))


def uri_problems(uri: str, server: MongodbServer) -> Iterator[str]:
    """What is wrong with the URI of a server, or lacks for its login; never with one of its values."""
    try:
        check_uri(uri)
    except ValueError as error:
        yield str(error)
    login = server.aws
    if login is not None and login.keys is not None and not login.keys.secret_access_key:
        yield f"has an AWS key for {AWS} without its secret"
    if login is not None and login.keys is None and login.identity is None:
        yield f"has no AWS key for {AWS}; write one into it, or name podIdentity aws"


def uri_of(scheme: str, host: str, port: str, login: tuple[str, str], database: str) -> str:
    """The URI of these parts; `login` is user and password."""
    place = f"[{host}]" if ":" in host and not host.startswith("[") else host
    place += f":{port}" if scheme != "mongodb+srv" else ""
    user, password = (quote(text, safe="") for text in login)
    return f"{scheme}://{user}:{password}@{place}/{quote(database, safe='')}"


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
