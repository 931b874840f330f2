"""What an application with a certificate shows instead of a secret: a claim, signed with its key.

Source: Microsoft, "Microsoft identity platform application authentication certificate credentials".
"""

from __future__ import annotations

import base64
import binascii
import uuid
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from cryptography.x509 import Certificate, load_pem_x509_certificates

from tidegate.base.errors import Misconfigured
from tidegate.kit.identity import ServicePrincipal

_LIFE_S = 600


def assertion(who: ServicePrincipal, audience: str, now_s: float, attempted: str) -> str:
    """The signed claim (PS256) for the token endpoint `audience`. Misconfigured where nothing can sign."""
    try:
        certificate, key = _read(who)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        raise Misconfigured(
            attempted,
            answer="the client certificate and its key cannot be read",
            next_step="give both as PEM, or PKCS #12 in base64, and the password where there is one",
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        answer = "the client certificate's key is not RSA"
        raise Misconfigured(attempted, answer=answer, next_step="make one with an RSA key")
    head = {"alg": "PS256", "typ": "JWT", "x5t#S256": _plain(certificate.fingerprint(hashes.SHA256()))}
    claim = {
        "aud": audience,
        "iss": who.client_id,
        "sub": who.client_id,
        "jti": str(uuid.uuid4()),
        "nbf": int(now_s) - 5,
        "iat": int(now_s),
        "exp": int(now_s) + _LIFE_S,
    }
    text = f"{_plain(msgspec.json.encode(head))}.{_plain(msgspec.json.encode(claim))}"
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
    return f"{text}.{_plain(key.sign(text.encode(), pss, hashes.SHA256()))}"


def _read(who: ServicePrincipal) -> tuple[Certificate, Any]:
    """ValueError and the like where it is not one certificate with its key."""
    password = who.certificate_password.encode() or None
    key: Any
    if "-----BEGIN" in who.certificate:
        text = who.certificate.encode()
        found, key = load_pem_x509_certificates(text), load_pem_private_key(_key_of(text), password)
        own = next((one for one in found if one.public_key() == key.public_key()), None)
    else:
        packed = pkcs12.load_key_and_certificates(base64.b64decode(who.certificate), password)
        key, own = packed[0], packed[1]
    if key is None or own is None:
        raise ValueError("no certificate is for the key")
    return own, key


def _key_of(text: bytes) -> bytes:
    """The key alone: certificates may stand before it."""
    return text[text.rindex(b"-----BEGIN", 0, text.index(b"PRIVATE KEY-----")) :]


def _plain(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
