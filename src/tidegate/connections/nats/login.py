"""What a client says of itself when a NATS server has greeted it."""

from __future__ import annotations

import base64
import json
from typing import Any

from tidegate.kit.systems.nats_client import NatsLogin, seed_bytes

_USER = 20 << 3
_CRC_POLYNOMIAL = 0x1021


def hello(login: NatsLogin, nonce: str) -> bytes:
    """The line CONNECT, with what the login comes to for this `nonce`."""
    said: dict[str, Any] = {
        "verbose": False,
        "pedantic": False,
        "name": "tidegate",
        "lang": "python",
        "version": "1",
        "protocol": 1,
        "headers": True,
        "no_responders": True,
    }
    if login.user:
        said |= {"user": login.user, "pass": login.password}
    if login.token:
        said["auth_token"] = login.token
    if login.seed:
        public, signature = signed(login.seed, nonce)
        said["sig"] = signature
        said |= {"jwt": login.jwt} if login.jwt else {"nkey": public}
    return b"CONNECT " + json.dumps(said).encode() + b"\r\n"


def signed(seed: str, nonce: str) -> tuple[str, str]:
    """The public key of a user's seed, as NATS writes it, and the signature of `nonce`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(seed_bytes(seed)[2:34])
    raw = bytes([_USER]) + key.public_key().public_bytes_raw()
    public = base64.b32encode(raw + _crc(raw).to_bytes(2, "little")).decode().rstrip("=")
    signature = base64.urlsafe_b64encode(key.sign(nonce.encode())).decode().rstrip("=")
    return public, signature


def _crc(raw: bytes) -> int:
    """CRC-16, as XMODEM has it."""
    crc = 0
    for byte in raw:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ _CRC_POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
