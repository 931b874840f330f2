"""What Azure triggers share: connection strings and namespaces."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlsplit


def read_pairs(text: str) -> dict[str, str]:
    """A connection string's values by their folded keys. ValueError reads on after the text, and repeats none
    of it."""
    pairs: dict[str, str] = {}
    for part in text.split(";"):
        key, separator, value = part.strip().partition("=")
        if separator and key.strip():
            pairs[key.strip().casefold()] = value.strip()
        elif part.strip():
            raise ValueError("is no connection string (key=value pairs with ; between them)")
    return pairs


def is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace of Service Bus or Event Hubs, by its connection string.

    `port` is 0 where none is given. `token` is a ready signature that stands in for the key, `entity` the one
    queue, topic or hub that the string is for. An emulator speaks without TLS.
    """

    host: str
    port: int = 0
    key_name: str = ""
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    entity: str = ""
    is_emulator: bool = False

    def signature(self, resource: str, until_s: int) -> str:
        """What proves the right to `resource`, a URL, until that many seconds after 1970.

        Source: Microsoft, "Service Bus access control with Shared Access Signatures".
        """
        if self.token:
            return self.token
        escaped = quote_plus(resource)
        text = f"{escaped}\n{until_s}".encode()
        signed = base64.b64encode(hmac.new(self.key.encode(), text, hashlib.sha256).digest()).decode()
        return (
            f"SharedAccessSignature sr={escaped}&sig={quote(signed, safe='')}"
            f"&se={until_s}&skn={quote(self.key_name, safe='')}"
        )


def read_namespace(text: str) -> Namespace:
    """What a connection string names. ValueError reads on after the text, and repeats none of it."""
    pairs = read_pairs(text)
    try:
        parts = urlsplit(pairs.get("endpoint", ""))
        host, port = parts.hostname or "", parts.port or 0
    except ValueError as error:
        raise ValueError("has an Endpoint whose host or port cannot be read") from error
    if not host:
        raise ValueError("names no namespace (Endpoint=sb://…)")
    if not host.isascii() or any(sign in host for sign in '\\^|<>"{}`% '):
        raise ValueError("has an Endpoint that names no host")
    name, key = pairs.get("sharedaccesskeyname", ""), pairs.get("sharedaccesskey", "")
    token = pairs.get("sharedaccesssignature", "")
    if not token and not (name and key):
        raise ValueError("has neither SharedAccessKeyName and SharedAccessKey nor a SharedAccessSignature")
    if any(ord(sign) < 32 or ord(sign) > 126 for sign in token):
        raise ValueError("has a SharedAccessSignature that is none")
    is_emulator = pairs.get("usedevelopmentemulator", "").casefold() == "true"
    entity = pairs.get("entitypath", "")
    return Namespace(host, port, "" if token else name, "" if token else key, token, entity, is_emulator)
