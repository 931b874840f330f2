"""Google Cloud: who asks which service, and the settings of an account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from tidegate.base.problems import Problem
from tidegate.kit.identity import TOKEN_URI, Identity, Provider, ServiceAccount
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, declared, setting
from tidegate.kit.systems.http import read_url

Service = Literal["monitoring", "secretmanager", "spanner", "storage"]
"""As `<service>.googleapis.com` is called."""

MONITORING_READ = "https://www.googleapis.com/auth/monitoring.read"
"""The scope of tokens that read metrics."""

PROJECT = re.compile(r"[a-z0-9][a-zA-Z0-9.:-]*")

GOOGLE = Identity("gcp")
"""The autoscaler's own, whatever else an authentication says of it."""

_NAMES: dict[Service, str] = {
    "monitoring": "Google Cloud Monitoring",
    "secretmanager": "Google Secret Manager",
    "spanner": "Google Cloud Spanner",
    "storage": "Google Cloud Storage",
}


@dataclass(frozen=True, slots=True)
class GcpServer:
    """One service, asked as one account or identity. `endpoint`: an origin instead of the usual one."""

    system: ClassVar[str] = "gcp"

    service: Service
    account: ServiceAccount | None = None
    endpoint: str = ""
    identity: Identity | None = None

    def label(self) -> str:
        where = f" ({self.endpoint})" if self.endpoint else ""
        who = self.account or self.identity
        whose = f" as {who.label()}" if who is not None else ""
        return f"{_NAMES[self.service]}{where}{whose}"

    def origin(self) -> str:
        """Where requests go: `scheme://host[:port]`."""
        return self.endpoint or f"https://{self.service}.googleapis.com"


def is_google(origin: str) -> bool:
    """Whether a server is one of Google's interfaces, by its certificate: only they get a token of an
    identity of Google, which is good for whoever has it."""
    host = urlsplit(origin).hostname or ""
    return origin.startswith("https:") and host.endswith(".googleapis.com")


def read_account(text: str) -> ServiceAccount:
    """The account of a key file's JSON. ValueError reads on after the text, which it does not repeat."""
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON; give the text of a service account's key file") from None
    if not isinstance(read, dict) or read.get("type") != "service_account":
        raise ValueError('is not the key of a service account (its "type" says so)')
    names = ("client_email", "private_key", "private_key_id", "project_id", "token_uri")
    email, key, key_id, project, token_uri = (read.get(name) or "" for name in names)
    if not all(isinstance(part, str) for part in (email, key, key_id, project, token_uri)):
        raise ValueError("holds something else than texts")
    missing = [name for name, part in (("client_email", email), ("private_key", key)) if not part]
    if missing:
        raise ValueError(f"has no {' and no '.join(missing)}")
    if project and not PROJECT.fullmatch(project):
        raise ValueError("has a project_id that is none")
    token_uri = token_uri or TOKEN_URI
    try:
        read_url(token_uri)
    except ValueError as error:
        raise ValueError(f"has a token_uri that {error}") from None
    return ServiceAccount(email, key, key_id, project, token_uri)


@declared
class GcpAccess(Polled):
    """The settings of an account; a subclass says which `service` it asks."""

    identities: ClassVar[tuple[Provider, ...]] = ("gcp",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("gcp",)
    service: ClassVar[Service]

    credentials: str = setting(
        "GoogleApplicationCredentials",
        "credentials",
        doc="Key of a service account (JSON).",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT),
        secret=True,
    )
    credentials_file: str = setting(
        "credentialsFromEnvFile",
        doc="Refused: files of the autoscaler are not read for a trigger.",
        default="",
    )
    _server: GcpServer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What cannot be read is a problem of `check`; nobody is asked until then."""
        _, written = self.endpoint_setting()
        try:
            endpoint = read_url(written).origin if written else ""
        except ValueError:
            endpoint = ""
        identity = GOOGLE if self.asks_as() is not None else None
        object.__setattr__(self, "_server", GcpServer(self.service, self.account(), endpoint, identity))

    def endpoint_setting(self) -> tuple[str, str]:
        """The name of the setting with a URL that stands in for the service's own, and that URL."""
        raise NotImplementedError

    def account(self) -> ServiceAccount | None:
        """The account that asks; None where an identity does, and where the key cannot be read."""
        if self.asks_as() is not None:
            return None
        try:
            return read_account(self.credentials)
        except ValueError:
            return None

    def server(self) -> GcpServer:
        """Whom this trigger asks, as whom. Made once: a measurement of thousands would notice."""
        return self._server

    def check(self) -> Iterator[Problem]:
        place, endpoint = self.endpoint_setting()
        if endpoint:
            try:
                read_url(endpoint)
            except ValueError as error:
                yield Problem(place, f'"{endpoint}" {error}')
        if self.asks_as() is not None:
            if endpoint and not is_google(self._server.origin()):
                message = "an identity's token goes to googleapis.com alone, over https"
                yield Problem(place, message, "FieldValueNotSupported")
            return
        name = "GoogleApplicationCredentials"
        if self.credentials:
            try:
                read_account(self.credentials)
            except ValueError as error:
                yield Problem(name, f"its value {error}")
        elif self.credentials_file:
            message = f"is not offered: files of the autoscaler are not read for a trigger; use {name}"
            yield Problem("credentialsFromEnvFile", message, "FieldValueNotSupported")
        else:
            yield Problem(name, "google application credentials not found", "FieldValueRequired")
