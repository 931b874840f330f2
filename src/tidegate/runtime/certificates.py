"""Authorities and the certificates they sign, as PEM texts. Nothing is kept here, no clock is read.

What a cluster's Secret holds is in the form that KEDA writes and reads: RSA keys of 2048 bits in PKCS#1,
so that either can take over what the other has left. Local mode's are on the curve P-256.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from tidegate.base.errors import Malformed

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    Key = CertificateIssuerPrivateKeyTypes

AUTHORITY_VALIDITY = timedelta(days=3650)
CERTIFICATE_VALIDITY = timedelta(days=365)
BACKDATED = timedelta(hours=1)
"""How much older a certificate says it is, for clocks that go slow."""

KeyForm = Literal["rsa", "ec"]
Use = Literal["server", "client"]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, in PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is about."""

    common_name: str
    organization: str = ""


def service_names(service: str, namespace: str, cluster_domain: str) -> tuple[str, ...]:
    """Every name by which a Service is called inside its cluster."""
    return (
        service,
        f"{service}.{namespace}",
        f"{service}.{namespace}.svc",
        f"{service}.{namespace}.svc.{cluster_domain}",
    )


def new_authority(subject: Subject, now: datetime, form: KeyForm = "rsa") -> KeyPair:
    """One that signs certificates and no further authority."""
    from cryptography import x509

    key, name = _new_key(form), _name(subject)
    builder = (
        _begun(name, now, AUTHORITY_VALIDITY)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(form, signs_certificates=True), critical=True)
    )
    return _signed(builder, key, key, form)


def new_certificate(
    authority: KeyPair,
    names: Sequence[str],
    now: datetime,
    *,
    subject: Subject | None = None,
    uses: Sequence[Use] = ("server", "client"),
    form: KeyForm = "rsa",
) -> KeyPair:
    """One for `names` (DNS names or addresses), called by the first of them; Malformed says what the
    authority lacks.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, issuer_key = _opened(authority)
    key = _new_key(form)
    meant = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    # One that outlived its authority would be believed by nobody.
    lifetime = min(CERTIFICATE_VALIDITY, issuer.not_valid_after_utc - now)
    builder = (
        _begun(_name(subject or Subject(names[0])), now, lifetime)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(form, signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([meant[use] for use in uses]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return _signed(builder, key, issuer_key, form)


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """All certificates of a bundle, in its order; Malformed where there is none or one cannot be read."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise Malformed("read a certificate", answer="it is not PEM") from error
    if pem.count(b"-----BEGIN") != len(found):
        raise Malformed("read certificates", answer="one of them is cut off")
    return found


def as_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """A bundle, in the order given."""
    from cryptography.hazmat.primitives import serialization

    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def made_at(certificate: x509.Certificate) -> datetime:
    """When one of ours was signed."""
    return certificate.not_valid_before_utc + BACKDATED


def pair_fault(pair: KeyPair) -> str:
    """Why certificate and key cannot be used together; "" where they can."""
    try:
        _opened(pair)
    except Malformed as error:
        return error.answer
    return ""


def authority_fault(pair: KeyPair, now: datetime, ahead: timedelta) -> str:
    """Why the pair cannot sign, or not for `ahead` from now; "" where it can."""
    from cryptography import x509

    try:
        certificate, _ = _opened(pair)
    except Malformed as error:
        return error.answer
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        is_authority = False
    if not is_authority:
        return "its certificate is no authority's"
    return _lifetime_fault(certificate, now, ahead)


def certificate_fault(
    pair: KeyPair,
    issuers: Iterable[x509.Certificate],
    names: Iterable[str],
    now: datetime,
    ahead: timedelta,
) -> str:
    """Why the pair cannot serve all `names` from now until `ahead`; "" where it can."""
    from cryptography import x509

    try:
        certificate, _ = _opened(pair)
    except Malformed as error:
        return error.answer
    if not any(is_issued_by(certificate, issuer) for issuer in issuers):
        return "no authority that is trusted has signed it"
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return "it names no host"
    named = set(extension.value)
    missing = [name for name in names if _general_name(name) not in named]
    if missing:
        return f"it does not name {missing[0]}"
    return _lifetime_fault(certificate, now, ahead)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key has signed the certificate."""
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _lifetime_fault(certificate: x509.Certificate, now: datetime, ahead: timedelta) -> str:
    if now < certificate.not_valid_before_utc:
        return "it is not valid yet"
    if now >= certificate.not_valid_after_utc:
        return "it is no longer valid"
    if now + ahead >= certificate.not_valid_after_utc:
        return f"it is valid for less than {ahead.days} days"
    return ""


def _opened(pair: KeyPair) -> tuple[x509.Certificate, Key]:
    """The pair's first certificate and its key. What could not be read is not repeated: it may be a key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    attempted = "use a certificate with its key"
    certificate = read_certificates(pair.certificate)[0]
    try:
        key = serialization.load_pem_private_key(pair.key, None)
        is_pair = key.public_key() == certificate.public_key()
    except (ValueError, TypeError) as error:
        raise Malformed(attempted, answer="its key is not readable PEM") from error
    except Exception as error:  # a kind of key that the library does not know
        raise Malformed(attempted, answer="its key is of an unknown kind") from error
    if not is_pair:
        raise Malformed(attempted, answer="the key belongs to another certificate")
    if not isinstance(
        key,
        rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey,
    ):
        raise Malformed(attempted, answer="its key is of an unknown kind")
    return certificate, key


def _begun(name: x509.Name, now: datetime, validity: timedelta) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + validity)
    )


def _signed(builder: x509.CertificateBuilder, key: Key, issuer_key: Key, form: KeyForm) -> KeyPair:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    is_edwards = isinstance(issuer_key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    certificate = builder.sign(issuer_key, None if is_edwards else hashes.SHA256())
    layout = (
        serialization.PrivateFormat.TraditionalOpenSSL if form == "rsa" else serialization.PrivateFormat.PKCS8
    )
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, layout, serialization.NoEncryption()),
    )


def _new_key(form: KeyForm) -> Key:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if form == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def _name(subject: Subject) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    # A common name has room for 64 characters; who verifies reads the alternative names.
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name[:64])]
    if subject.organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organization))
    return x509.Name(parts)


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(form: KeyForm, *, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=form == "rsa" and not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
