"""What keeps others out: TLS on loopback, a bearer token, a kubeconfig only its owner can read.

An open API port is remote code execution, since Pods are processes. Clients of the Go family send
no token over plain http, hence TLS even on loopback. Everything stands in the data directory
(0700): `tls/ca.crt`, `tls/ca.key`, `tls/server.crt`, `tls/server.key`, `token`, `kubeconfig`.
The authority outlives the server certificate, so kubeconfigs stay valid when the latter is renewed.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import os
import secrets
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_VALIDITY = timedelta(days=3650)
SERVER_VALIDITY = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the keys stand, and the token. `authority_pem` is what clients trust."""

    certificate_path: Path
    key_path: Path
    authority_pem: bytes
    token: str


def ensure_private_dir(data_dir: Path) -> None:
    """Creates the directory; it and its secrets are for its owner alone (0700)."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    data_dir.chmod(0o700)


def ensure_credentials(data_dir: Path, names: Iterable[str], now: datetime) -> Credentials:
    """The credentials kept in `data_dir`; made, or renewed before they expire, where needed.

    `names` are host names and addresses the certificate is valid for, beside the loopback ones.
    """
    ensure_private_dir(data_dir)
    folder = data_dir / "tls"
    folder.mkdir(exist_ok=True, mode=0o700)
    wanted = tuple(dict.fromkeys((*LOOPBACK_NAMES, *names)))
    certificate_path, key_path = folder / "server.crt", folder / "server.key"
    authority = _kept_authority(folder, now) or _new_authority(folder, now)
    if not _is_good(certificate_path, key_path, authority[0], wanted, now):
        _new_server_certificate(folder, authority, wanted, now)
    return Credentials(
        certificate_path=certificate_path,
        key_path=key_path,
        authority_pem=(folder / "ca.crt").read_bytes(),
        token=_ensure_token(data_dir / "token"),
    )


def server_context(credentials: Credentials) -> ssl.SSLContext:
    """A TLS context for serving; `load_cert_chain` on it renews the certificate of later connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(credentials.certificate_path, credentials.key_path)
    return context


def write_kubeconfig(path: Path, url: str, credentials: Credentials) -> None:
    """A kubeconfig (0600) with one context, `tidegate`; replaced atomically."""
    import yaml

    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "tidegate",
                "cluster": {
                    "server": url,
                    "certificate-authority-data": base64.b64encode(credentials.authority_pem).decode(),
                },
            }
        ],
        "users": [{"name": "tidegate", "user": {"token": credentials.token}}],
        "contexts": [
            {
                "name": "tidegate",
                "context": {"cluster": "tidegate", "user": "tidegate", "namespace": "default"},
            }
        ],
        "current-context": "tidegate",
    }
    write_private(path, yaml.safe_dump(body, sort_keys=False).encode())


def write_private(path: Path, content: bytes) -> None:
    """Replaces the file in one step; it is never readable by others, nor ever half written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_authorized(header: str, token: str) -> bool:
    """Whether an Authorization header carries the token; the time taken does not depend on it."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "bearer":
        return False
    # Bytes that are no text arrive as surrogates; they are no token of ours either.
    return hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())


def is_own_host(header: str, names: Iterable[str]) -> bool:
    """Whether a Host header names this machine: loopback, or one of `names` (against DNS rebinding)."""
    host = host_of(header)
    if host in LOOPBACK_NAMES or host in {name.lower() for name in names}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_origin(origin: str, host_header: str) -> bool:
    """Whether an Origin header names this very server, as Python's websocket clients send it.

    A page of another site sends its own origin; we serve no pages, so no browser sends ours.
    """
    return origin == f"https://{host_header}"


def host_of(header: str) -> str:
    """The host part of a Host header, lower case, without port and brackets."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _ensure_token(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = ""
    if len(token) < 32:
        token = secrets.token_urlsafe(32)
        write_private(path, token.encode())
    return token


Authority = tuple["x509.Certificate", "EllipticCurvePrivateKey"]


def _kept_authority(folder: Path, now: datetime) -> Authority | None:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    if certificate.not_valid_after_utc - now < SERVER_VALIDITY + RENEW_BEFORE:
        return None
    return certificate, key


def _new_authority(folder: Path, now: datetime) -> Authority:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("tidegate local authority")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + AUTHORITY_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, "ca", certificate, key)
    return certificate, key


def _new_server_certificate(
    folder: Path, authority: Authority, names: tuple[str, ...], now: datetime
) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("tidegate"))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + SERVER_VALIDITY)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer_identifier, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    _write_pair(folder, "server", certificate, key)


def _is_good(
    certificate_path: Path,
    key_path: Path,
    issuer: x509.Certificate,
    names: tuple[str, ...],
    now: datetime,
) -> bool:
    """Whether the pair on disk belongs together, is ours, names all `names` and lasts a while."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization

    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        certificate.verify_directly_issued_by(issuer)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (OSError, ValueError, InvalidSignature, x509.ExtensionNotFound):
        return False
    if key.public_key() != certificate.public_key():
        return False
    named = set(extension.value)
    is_lasting = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW_BEFORE
    return is_lasting and all(_general_name(name) in named for name in names)


def _write_pair(folder: Path, stem: str, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization

    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(folder / f"{stem}.key", private)
    write_private(folder / f"{stem}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
