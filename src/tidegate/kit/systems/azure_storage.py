"""Azure Storage: whom to ask, what to ask, and the settings by which triggers name their account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tidegate.base.problems import Problem
from tidegate.kit.identity import AnyIdentity, IdentityToken, Provider
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.azure import is_base64, read_pairs
from tidegate.kit.systems.azure_clouds import (
    cloud_of,
    cloud_problems,
    is_label,
    is_private,
    scope_of,
    suffix_problems,
)
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import read_url

Service = Literal["queue", "blob"]

_EMULATED = "devstoreaccount1"
# The emulator's account has the same key everywhere. Source: Microsoft, "Use the Azurite emulator".
_EMULATED_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_EMULATED_PORTS: dict[Service, int] = {"blob": 10000, "queue": 10001}


@dataclass(frozen=True, slots=True)
class StorageServer:
    """One service of one account, asked with its key, a shared access signature (`sas`, a query), or as an
    identity (`token`).

    `path` comes before all others: an emulator has its accounts there, not in the host's name.
    """

    system: ClassVar[str] = "azure_storage"

    service: Service
    account: str
    origin: str
    path: str = ""
    key: str = field(default="", repr=False)
    sas: str = field(default="", repr=False)
    token: IdentityToken | None = None

    def label(self) -> str:
        return f"Azure {self.service} storage {self.origin}{self.path}"


@dataclass(frozen=True, slots=True)
class QueueMessages:
    """How many messages a queue holds: an int.

    `is_visible_only`: those that can be received now, where they are fewer than 32; from there on all.
    """

    calls: ClassVar[Calls] = Calls(more="a second one for `visibleonly` from 32 messages on")

    server: StorageServer
    queue: str
    is_visible_only: bool = False


@dataclass(frozen=True, slots=True)
class BlobCount:
    """How many blobs of a container have names that begin with `prefix`: an int.

    With a `delimiter`, those that do not hold it after the prefix; with a `pattern` (RE2), those that are
    all of it.
    """

    calls: ClassVar[Calls] = Calls(more="one for each further 5,000 blobs")

    server: StorageServer
    container: str
    prefix: str = ""
    delimiter: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class BlobMetadata:
    """The metadata of the blobs whose names begin with `prefix`: a dict by name of dicts by folded key.

    Empty where there is no such container.
    """

    server: StorageServer
    container: str
    prefix: str


@dataclass(frozen=True, slots=True)
class BlobTexts:
    """What those of the blobs `names` hold that there are: a dict of bytes by name.

    Empty where there is no such container.
    """

    server: StorageServer
    container: str
    names: tuple[str, ...]


AUDIENCE = "https://storage.azure.com/.default"
"""Of all accounts, in all clouds. Source: Microsoft, "Authorize access to blobs using Microsoft Entra ID"."""


def identified_storage(
    identity: AnyIdentity, account: str, service: Service, suffix: str, *, is_private: bool
) -> StorageServer:
    """The service of an account, as an identity. A host of a private cloud, which a manifest names, gets a
    token for itself alone."""
    origin = f"https://{account}.{suffix}" if is_private else f"https://{account}.{service}.{suffix}"
    audience = scope_of(origin) if is_private else AUDIENCE
    return StorageServer(service, account, origin, token=IdentityToken(identity, audience))


def read_storage(text: str, service: Service) -> StorageServer:
    """The service of an account that a connection string names. ValueError reads on after the text, and
    repeats none of it.

    Source: Microsoft, "Configure Azure Storage connection strings".
    """
    pairs = read_pairs(text)
    if pairs.get("usedevelopmentstorage", "").casefold() == "true":
        where = read_url(pairs.get("developmentstorageproxyuri") or "http://127.0.0.1").origin
        origin = f"{where}:{_EMULATED_PORTS[service]}"
        return StorageServer(service, _EMULATED, origin, f"/{_EMULATED}", _EMULATED_KEY)
    account = pairs.get("accountname", "")
    endpoint = pairs.get(f"{service}endpoint", "")
    if not endpoint and not account:
        raise ValueError(f"names no account (AccountName), and no {service.capitalize()}Endpoint")
    if not endpoint:
        scheme = pairs.get("defaultendpointsprotocol") or "https"
        endpoint = f"{scheme}://{account}.{service}.{pairs.get('endpointsuffix') or 'core.windows.net'}"
    try:
        url = read_url(endpoint)
    except ValueError as error:
        raise ValueError(f"has a {service} endpoint that {error}") from error
    path = url.path.rstrip("/")
    host = url.origin.partition("://")[2]
    account = account or path.rpartition("/")[2] or host.partition(".")[0]
    key = pairs.get("accountkey", "")
    sas = (pairs.get("sharedaccesssignature") or url.query).lstrip("?")
    if not key and not sas:
        raise ValueError("has neither an AccountKey nor a SharedAccessSignature")
    if not is_base64(key):
        raise ValueError("has an AccountKey that is not base64: perhaps it was cut")
    return StorageServer(service, account, url.origin, path, key, "" if key else sas)


@declared
class StorageAccess(Polled):
    """The settings of an account; a subclass says which `service` it asks."""

    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    service: ClassVar[Service]

    connection: str = setting(
        "connection",
        doc="Connection string of the account.",
        default="",
        sources=(AUTHENTICATION, METADATA, ENVIRONMENT),
        secret=True,
    )
    account_name: str = setting("accountName", doc="Account, where an identity asks.", default="")
    cloud: str = setting(
        "cloud",
        doc="Cloud, where an identity asks: `AzurePublicCloud`, `AzureUSGovernmentCloud`, "
        "`AzureChinaCloud`, `Private` …",
        default="",
    )
    endpoint_suffix: str = setting(
        "endpointSuffix",
        doc="Suffix of the hosts of a `Private` cloud, such as `queue.core.private.cloud`.",
        default="",
    )

    def check(self) -> Iterator[Problem]:
        yield from cloud_problems(self.cloud, endpointSuffix=self.endpoint_suffix)
        if self.identity is not None:
            if not self.account_name:
                yield Problem("accountName", "no accountName given", "FieldValueRequired")
            elif not is_label(self.account_name):
                yield Problem("accountName", "is no name of an account: give it without its host")
            yield from suffix_problems("endpointSuffix", self.endpoint_suffix)
        elif not self.connection:
            yield Problem("connection", "no connection setting given", "FieldValueRequired")
        else:
            try:
                read_storage(self.connection, self.service)
            except ValueError as error:
                yield Problem("connection", f"the connection string {error}")

    def server(self) -> StorageServer:
        if self.identity is None:
            return read_storage(self.connection, self.service)
        is_own = is_private(self.cloud)
        suffix = self.endpoint_suffix if is_own else cloud_of(self.cloud).storage
        return identified_storage(self.identity, self.account_name, self.service, suffix, is_private=is_own)
