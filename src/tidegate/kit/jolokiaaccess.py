"""The settings by which a trigger names a broker's Jolokia: an endpoint, or the whole URL of an attribute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from tidegate.base.problems import Problem
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.http import HttpLogin, HttpServer, Url, basic, header_problem, read_url
from tidegate.kit.systems.jolokia import JolokiaServer, pairs_in
from tidegate.kit.tls import Tls

_AEM = (AUTHENTICATION, ENVIRONMENT, METADATA)


@declared
class JolokiaAccess(Polled):
    """Subclass it for each broker; `template_name` is how its setting `template` is written."""

    product: ClassVar[str] = ""
    path: ClassVar[str] = ""
    template_name: ClassVar[str] = ""

    endpoint: str = setting("managementEndpoint", doc="`host:port` of the web console.", default="")
    username: str = setting("username", doc="User.", sources=_AEM, hidden=True)
    password: str = setting("password", doc="Password.", sources=_AEM, secret=True)
    template: str = setting("restAPITemplate", doc="Whole URL to read instead.", default="", hidden=True)
    cors_header: str = setting(
        "corsHeader", doc="`Origin` that is sent; `http://` and the endpoint by default.", default=""
    )
    _server: JolokiaServer | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A broken address is a problem of `check`; it leads nowhere until then."""
        url = self._url()
        server = None
        if url is not None:
            login = HttpLogin((basic(self.username, self.password),))
            tls = self.tls() if url.origin.startswith("https:") else None
            http = HttpServer(url.origin, login, tls, name=self.product)
            place = url.origin.partition("://")[2] if self.template else self.endpoint
            server = JolokiaServer(http, self.path, self.cors_header or f"http://{place}")
        object.__setattr__(self, "_server", server)

    def server(self) -> JolokiaServer:
        """Whom this trigger asks. Made once: a measurement of thousands would notice."""
        assert self._server is not None, "check() has found a problem with the address"
        return self._server

    def tls(self) -> Tls:
        """How to speak TLS, where a template wants it."""
        return Tls()

    def target(self) -> str:
        """Path and query of the template, as they go onto the wire."""
        url = self._url()
        return url.target() if url is not None else "/"

    def named(self) -> dict[str, str]:
        """The pairs of the bean that the template names, without the quotes around their values."""
        try:
            pairs = pairs_in(unquote(urlsplit(self.template).path))
        except ValueError:
            return {}
        return {key: value.strip('"') for key, value in pairs.items()}

    def address_problems(
        self, needed: Iterable[tuple[str, str, str]], keys: Iterable[str]
    ) -> Iterator[Problem]:
        """What is wrong with the template, which must name these `keys`; without one, with the endpoint and
        the `needed` settings (name, words, value)."""
        if self.cors_header and (wrong := header_problem("Origin", self.cors_header)):
            yield Problem("corsHeader", wrong)
        if self.template:
            if self._url() is None:
                yield Problem(self.template_name, "is not an absolute URL (http:// or https:// and a host)")
                return
            pairs = self.named()
            for key in keys:
                if not pairs.get(key):
                    yield Problem(self.template_name, f"can't parse {self.template_name}: no {key} is given")
            return
        if not self.endpoint:
            yield Problem("managementEndpoint", "no management endpoint given", "FieldValueRequired")
        elif self._url() is None:
            yield Problem("managementEndpoint", f'"{self.endpoint}" is not host:port')
        for name, words, value in needed:
            if not value:
                yield Problem(name, f"no {words} given", "FieldValueRequired")

    def _url(self) -> Url | None:
        try:
            if self.template:
                return read_url(self.template)
            url = read_url(f"http://{self.endpoint}")
        except ValueError:
            return None
        return url if not (url.path or url.query or url.username) else None
