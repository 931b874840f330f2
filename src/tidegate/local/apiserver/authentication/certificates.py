"""Our own certificate authority and the server's certificate, made once and renewed in time.

`tls/ca.crt`, `tls/ca.key`, `tls/server.crt` and `tls/server.key` in the data directory. The authority
outlives the server certificate, so what trusts it (kubeconfigs, pods) stays valid when the latter is
renewed.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.local.apiserver.authentication.private_files import ensure_private_dir, write_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_VALIDITY = timedelta(days=3650)
SERVER_VALIDITY = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


def authority_pem(data_dir: Path, now: datetime) -> bytes:
    """The certificate that clients and pods trust; made where there is none."""
    folder = tls_folder(data_dir)
    if _kept_authority(folder, now) is None:
        _new_authority(folder, now)
    return (folder / "ca.crt").read_bytes()


def ensure_server_certificate(data_dir: Path, names: tuple[str, ...], now: datetime) -> tuple[Path, Path]:
    """Certificate and key of the server for `names`; made, or renewed before they expire, where needed."""
    folder = tls_folder(data_dir)
    certificate_path, key_path = folder / "server.crt", folder / "server.key"
    authority = _kept_authority(folder, now) or _new_authority(folder, now)
    if not _is_good(certificate_path, key_path, authority[0], names, now):
        _new_server_certificate(folder, authority, names, now)
    return certificate_path, key_path


def tls_folder(data_dir: Path) -> Path:
    """Where all keys stand; for its owner alone."""
    ensure_private_dir(data_dir)
    folder = data_dir / "tls"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


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
