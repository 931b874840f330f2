"""NATS servers that let in who logs in: by name, token, key or signed credentials, or over TLS alone."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from parts.faults import authority
from parts.nats_server import NatsServer
from tidegate.connections.nats.login import _crc
from tidegate.kit.systems.nats_client import NatsLogin

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3
PASSWORD = "hunter2"

JETSTREAM = 'jetstream {{ store_dir: "{folder}", max_mem: 8M, max_file: 8M }}'
HEAD = """
server_name: {token}
host: {host}
port: {port}
http: "{host}:{monitoring}"
"""


def _letters(kind: bytes, raw: bytes) -> str:
    whole = kind + raw
    return base64.b32encode(whole + _crc(whole).to_bytes(2, "little")).decode().rstrip("=")


class Key:
    """A key pair as NATS writes it."""

    def __init__(self, kind: int) -> None:
        self._key = Ed25519PrivateKey.generate()
        raw = self._key.private_bytes_raw()
        self.public = _letters(bytes([kind]), self._key.public_key().public_bytes_raw())
        self.seed = _letters(bytes([SEED | kind >> 5, (kind & 31) << 3]), raw)

    def signed(self, subject: str, what: dict[str, Any]) -> str:
        """A JWT about `subject`."""
        claims = {"jti": secrets.token_hex(8), "iat": 1, "iss": self.public, "sub": subject, "name": "x"}
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        text = ".".join(_base64(json.dumps(one).encode()) for one in (head, {**claims, "nats": what}))
        return f"{text}.{_base64(self._key.sign(text.encode()))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


UNLIMITED = {"subs": -1, "data": -1, "payload": -1}


class Guarded(NatsServer):
    """Lets in by `way`: user, token, nkey, creds; or the users of `rules`, with their permissions. `is_tls`:
    over TLS alone."""

    def __init__(self, way: str = "user", rules: str = "", *, is_tls: bool = False) -> None:
        super().__init__()
        self.way, self.rules, self.is_tls = way, rules, is_tls
        self.key, self.stranger = Key(USER), Key(USER)
        self.creds = ""

    def configuration(self) -> str:
        text = (HEAD + (JETSTREAM if self.way != "creds" else "")).format(
            token=self.token, host=self.host, port=self.port, monitoring=self.ports[1], folder=self.folder
        )
        if self.is_tls:
            pair = authority().issue_cert("127.0.0.1")
            self.write("key.pem", pair.private_key_pem.bytes().decode())
            self.write("cert.pem", "".join(one.bytes().decode() for one in pair.cert_chain_pems))
            text += '\ntls { cert_file: "cert.pem", key_file: "key.pem" }\n'
        return f"{text}\n{self._entrance()}\n"

    def _entrance(self) -> str:
        if self.way == "token":
            return f"authorization {{ token: {PASSWORD} }}"
        if self.way == "creds":
            return self._signed()
        users = {"user": f"{{user: shop, password: {PASSWORD}}}", "nkey": f"{{nkey: {self.key.public}}}"}
        return f"accounts {{ SHOP: {{ jetstream: enabled, users: [{self.rules or users[self.way]}] }} }}"

    def _signed(self) -> str:
        operator, account = Key(OPERATOR), Key(ACCOUNT)
        limits = {**UNLIMITED, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
        jwts = [
            operator.signed(operator.public, {"type": "operator", "version": 2}),
            operator.signed(account.public, {"type": "account", "version": 2, "limits": limits}),
            account.signed(self.key.public, {"type": "user", "version": 2, **UNLIMITED}),
        ]
        self.creds = (
            f"-----BEGIN NATS USER JWT-----\n{jwts[2]}\n------END NATS USER JWT------\n\n"
            "************************* IMPORTANT *************************\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.key.seed}\n------END USER NKEY SEED------\n"
        )
        preload = f"resolver_preload: {{ {account.public}: {jwts[1]} }}"
        return f"operator: {jwts[0]}\nresolver: MEMORY\n{preload}"

    def logins(self) -> tuple[NatsLogin, NatsLogin]:
        """One that is right and one that is wrong."""
        match self.way:
            case "token":
                return NatsLogin(token=PASSWORD), NatsLogin(token="other")
            case "nkey":
                return NatsLogin(seed=self.key.seed), NatsLogin(seed=self.stranger.seed)
            case "creds":
                jwt = self.creds.splitlines()[1]
                return NatsLogin(jwt=jwt, seed=self.key.seed), NatsLogin(jwt=jwt, seed=self.stranger.seed)
        return NatsLogin("shop", PASSWORD), NatsLogin("shop", "other")

    def is_ready(self) -> bool:
        return bool(self.page("/varz")["server_name"] == self.token)
