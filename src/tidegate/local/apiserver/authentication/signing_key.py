"""The key that signs the tokens of ServiceAccounts: one file, made once, for its owner alone."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidegate.local.apiserver.authentication.certificates import tls_folder
from tidegate.local.apiserver.authentication.private_files import write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY_FILE = "serviceaccounts.key"
ALGORITHM = "ES256"
NO_TOKEN = "invalid bearer token"
_NUMBER_BYTES = 32
_decoder = msgspec.json.Decoder(dict[str, object])


class NotSigned(Exception):
    """A text that is no token of this key; the message says what is wrong with it."""


class SigningKey:
    """Signs and checks JSON Web Tokens. `identifier` names the key in their headers."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives import serialization

        self._key = key
        self._public = key.public_key()
        public = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.identifier = _text(hashlib.sha256(public).digest())
        self._header = _text(msgspec.json.encode({"alg": ALGORITHM, "kid": self.identifier}))

    def sign(self, claims: dict[str, object]) -> str:
        """The token that says these claims."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        signed = f"{self._header}.{_text(msgspec.json.encode(claims))}"
        numbers = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)
        return f"{signed}.{_text(signature)}"

    def check(self, token: str) -> dict[str, object]:
        """The claims of a token of ours. Raises `NotSigned` for every other text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        signed, _, last = token.rpartition(".")
        header, claims = (_decoded(part) for part in _parts(signed))
        signature = _bytes(last)
        # The algorithm is ours to choose, never the token's.
        if header.get("alg") != ALGORITHM or len(signature) != 2 * _NUMBER_BYTES:
            raise NotSigned(NO_TOKEN)
        if header.get("kid") not in (None, self.identifier):
            raise NotSigned("invalid signature, no keys found")
        half = [signature[:_NUMBER_BYTES], signature[_NUMBER_BYTES:]]
        numbers = [int.from_bytes(part, "big") for part in half]
        try:
            encoded = encode_dss_signature(*numbers)
            self._public.verify(encoded, signed.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise NotSigned("invalid signature") from error
        return claims

    def public(self) -> dict[str, str]:
        """The public half as a JSON Web Key."""
        numbers = self._public.public_numbers()
        x, y = (_text(number.to_bytes(_NUMBER_BYTES, "big")) for number in (numbers.x, numbers.y))
        return {
            "use": "sig",
            "kty": "EC",
            "kid": self.identifier,
            "crv": "P-256",
            "alg": ALGORITHM,
            "x": x,
            "y": y,
        }


def kept_key(data_dir: Path) -> SigningKey:
    """The key kept in the data directory; a new one where there is none, or it cannot be read."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    path = tls_folder(data_dir) / KEY_FILE
    try:
        kept = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError):
        kept = None
    if isinstance(kept, ec.EllipticCurvePrivateKey) and isinstance(kept.curve, ec.SECP256R1):
        return SigningKey(kept)
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(path, private)
    return SigningKey(key)


def _parts(signed: str) -> tuple[str, str]:
    header, dot, claims = signed.partition(".")
    if not dot or "." in claims:
        raise NotSigned(NO_TOKEN)
    return header, claims


def _decoded(part: str) -> dict[str, object]:
    try:
        return _decoder.decode(_bytes(part))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotSigned(NO_TOKEN) from error


def _bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    except ValueError as error:
        raise NotSigned(NO_TOKEN) from error


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
