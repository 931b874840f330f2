"""NATS as its clients see it: the port that messages go through, and how one logs in there."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.base.addresses import split_address, with_port
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.tls import Tls

PORT = 4222
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\s*([A-Za-z0-9_.=-]+)\s*-+END \1-+")
_SEED = re.compile(r"S[A-Z][A-Z2-7]{56}")
# Of a seed: two bytes of kind, 32 of the key itself, two of a checksum.
_SEED_BYTES = 36


@dataclass(frozen=True, slots=True)
class NatsLogin:
    """A user's name and password, a token, or a seed that signs what the server asks: with a `jwt`, or as the
    user that its public key names. Nothing at all where the server lets anybody in.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    jwt: str = field(default="", repr=False)
    seed: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NatsServer:
    """A server, or several of one cluster (`host:port`), of which any may be asked.

    `is_tls`: nothing is said without TLS. Otherwise it is spoken where the server wants it.
    """

    calls: ClassVar[Calls] = ROUND
    system: ClassVar[str] = "nats"

    addresses: tuple[str, ...]
    login: NatsLogin = NatsLogin()
    is_tls: bool = False
    tls: Tls = field(default_factory=Tls)

    def label(self) -> str:
        return f"NATS {'tls' if self.is_tls else 'nats'}://{', '.join(self.addresses)}"


@dataclass(frozen=True, slots=True)
class ConsumerNews:
    """To be watched: whether something may have come for a consumer of a stream."""

    server: NatsServer
    stream: str
    consumer: str


def read_url(text: str) -> tuple[tuple[str, ...], bool]:
    """The addresses of `nats://host:4222` or `tls://…`, several with commas, and whether TLS is a must.

    ValueError says what is wrong, and nothing of what was given.
    """
    addresses, schemes = [], set()
    for one in text.split(","):
        scheme, _, rest = one.strip().rpartition("://")
        if "@" in rest:
            raise ValueError("holds a login: give it as natsUser and natsPassword, natsToken or natsCreds")
        schemes.add(scheme.lower() or "nats")
        address = with_port(rest.rstrip("/"), PORT)
        split_address(address)
        addresses.append(address)
    if not schemes <= {"nats", "tls"}:
        raise ValueError("is neither nats://host:port nor tls://host:port")
    return tuple(addresses), "tls" in schemes


def read_credentials(text: str) -> tuple[str, str]:
    """The JWT and the seed in a credentials file. ValueError where it has not both."""
    found = dict(_BLOCK.findall(text))
    jwt, seed = found.get("NATS USER JWT", ""), found.get("USER NKEY SEED", "")
    if not jwt or not is_seed(seed):
        raise ValueError("is no credentials file: give the text that `nsc generate creds` writes")
    return jwt, seed


def is_seed(text: str) -> bool:
    """Whether it could be the seed of a user's key."""
    return bool(_SEED.fullmatch(text)) and len(seed_bytes(text)) == _SEED_BYTES


def seed_bytes(text: str) -> bytes:
    """What the letters of a seed stand for."""
    return base64.b32decode(text + "=" * (-len(text) % 8))
