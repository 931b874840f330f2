"""Elasticsearch and OpenSearch: whom to ask, what to search for, and the settings of both triggers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from tidegate.base.errors import Malformed
from tidegate.base.literals import parse_float
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.picking.gjson import Json, path_problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    activation,
    declared,
    setting,
    target,
)
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import HttpLogin, Url, basic, read_url
from tidegate.kit.tls import Tls

TIMEOUT_S = 10.0
"""A search may take longer than a look at a counter."""


@dataclass(frozen=True, slots=True)
class SearchServer:
    """A cluster: the base URLs of its nodes, tried one after the other."""

    system: ClassVar[str] = "elasticsearch"

    addresses: tuple[str, ...]
    login: HttpLogin = field(default_factory=HttpLogin)
    tls: Tls | None = None
    name: str = "Elasticsearch"
    timeout_s: float = TIMEOUT_S

    def label(self) -> str:
        return f"{self.name} {', '.join(self.addresses)}"


@dataclass(frozen=True, slots=True)
class Search:
    """`body` is a search as JSON on one line, or with `is_template` a stored template's id and parameters.

    The answer is what `pick` finds in the response; None where it finds nothing.
    """

    calls: ClassVar[Calls] = Calls(together=100)

    server: SearchServer
    indices: tuple[str, ...]
    body: str
    pick: Json
    is_template: bool = False

    def path(self) -> str:
        """The path of this search alone."""
        return f"/{index_path(self.indices)}/_search{'/template' if self.is_template else ''}"


def index_path(indices: tuple[str, ...]) -> str:
    """Names and patterns, encoded for a path."""
    return ",".join(quote(one, safe="*-_.") for one in indices)


_AM = (AUTHENTICATION, METADATA)


@declared
class SearchAccess(Polled):
    """What a search trigger says; a class for each product says how one logs in."""

    product: ClassVar[str] = "Elasticsearch"

    addresses: tuple[str, ...] = setting("addresses", doc="URLs of the nodes.", default=(), sources=_AM)
    username: str = setting("username", doc="User.", default="", sources=_AM)
    password: str = setting(
        "password", doc="Password.", default="", sources=(AUTHENTICATION, ENVIRONMENT, METADATA), secret=True
    )
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)
    index: tuple[str, ...] = setting("index", doc="Names or patterns of indices.", sources=_AM, separator=";")
    query: str = setting("query", doc="A search, as JSON.", default="", sources=_AM)
    search_template_name: str = setting(
        "searchTemplateName", doc="Id of a stored template; instead of `query`.", default="", sources=_AM
    )
    parameters: tuple[str, ...] = setting(
        "parameters", doc="`key:value` of the template's parameters.", default=(), separator=";"
    )
    value_location: str = setting(
        "valueLocation", doc="Where the number is in the response, as a path of GJSON.", sources=_AM
    )
    target_value: float = target("targetValue", doc="Value that one replica should carry.", sources=_AM)
    activation_target_value: float = activation("activationTargetValue")
    ignore_null_values: bool = setting(
        "ignoreNullValues", doc="Take null, or nothing at the location, for 0.", default=False
    )
    _server: SearchServer = field(init=False, repr=False, compare=False)

    def urls(self) -> tuple[str, ...]:
        """The addresses, as they will be asked."""
        return tuple(one for one in self.addresses if one)

    def login(self, first: Url) -> HttpLogin:
        """Who we are; `first` is the first address, whose user info counts most."""
        if first.username or first.password:
            return first.login()
        has_any = self.username or self.password
        return HttpLogin((basic(self.username, self.password),)) if has_any else HttpLogin()

    def tls(self) -> Tls:
        return Tls(is_verified=not self.unsafe_ssl)

    def server(self) -> SearchServer:
        """Whom this trigger asks. Made once."""
        return self._server

    def __post_init__(self) -> None:
        urls = []
        for one in self.urls():
            try:
                urls.append(read_url(one))
            except ValueError:
                continue  # told by `check`
        bases = tuple(f"{url.origin}{url.path.rstrip('/')}" for url in urls)
        is_encrypted = any(base.startswith("https:") for base in bases)
        login = self.login(urls[0] if urls else Url(""))
        tls = self.tls() if is_encrypted else None
        object.__setattr__(self, "_server", SearchServer(bases, login, tls, self.product))

    def check(self) -> Iterator[Problem]:
        for one in self.addresses:
            try:
                read_url(one)
            except ValueError as error:
                shown = "an address" if "@" in one else f'"{one}"'
                yield Problem("addresses", f"{shown} {error}")
        if not self.query and not self.search_template_name:
            yield Problem(
                "query", "either searchTemplateName or query must be provided", "FieldValueRequired"
            )
        if self.query and self.search_template_name:
            yield Problem("query", "cannot provide both searchTemplateName and query")
        if self.query and not _is_object(self.query):
            yield Problem("query", "invalid query JSON: it must be a JSON object")
        for one in self.parameters:
            key, separator, value = (part.strip() for part in one.partition(":"))
            if one and not (key and separator and value):
                yield Problem("parameters", f'invalid parameter format "{one}", expected key:value')
        if not any(self.index):
            yield Problem("index", "no index is left when blank ones are dropped", "FieldValueRequired")
        if problem := path_problem(self.value_location):
            yield Problem("valueLocation", f'"{self.value_location}" {problem}')

    def metric_name(self) -> str:
        return normalize(f"{self.product.lower()}-{self.search_template_name or 'query'}")

    def search(self) -> Search:
        """What is asked. A search is sent as it was written, but on one line."""
        indices = tuple(one for one in self.index if one)
        pick = Json(self.value_location)
        if not self.search_template_name:
            body = self.query.replace("\r", " ").replace("\n", " ")
            return Search(self.server(), indices, body, pick)
        pairs = (one.partition(":") for one in self.parameters if one)
        given = {key.strip(): value.strip() for key, _, value in pairs}
        called: dict[str, Any] = {"id": self.search_template_name}
        if given:
            called["params"] = given
        return Search(self.server(), indices, msgspec.json.encode(called).decode(), pick, is_template=True)

    async def found(self, ask: Ask) -> float:
        """The number at the location."""
        question = self.search()
        answer = await ask(question)
        if answer is None and self.ignore_null_values:
            return 0.0
        if isinstance(answer, str):
            try:
                return parse_float(answer)
            except ValueError as error:
                raise _malformed(question, f"the text at the valueLocation {error}") from None
        if type(answer) in (int, float):
            return number(answer, question)
        kind = _KINDS.get(type(answer), "JSON") if not isinstance(answer, bool) else str(answer)
        raise _malformed(question, f"valueLocation must point to value of type number but got: '{kind}'")


_KINDS = {type(None): "Null"}


def _malformed(question: Search, answer: str) -> Malformed:
    return Malformed("read the value of the search", on=question.server.label(), answer=answer)


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text.encode()), dict)
    except (msgspec.DecodeError, UnicodeError):
        return False


def deployment(cloud_id: str) -> str:
    """The URL in a cloud id, `name:base64 of host$id[$kibana's id]`; "" where there is none."""
    try:
        host, own, *_ = base64.b64decode(cloud_id.partition(":")[2], validate=True).decode().split("$")
    except ValueError:
        return ""
    return f"https://{own}.{host}" if own and host else ""
