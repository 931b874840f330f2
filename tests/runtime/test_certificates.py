"""Authorities and certificates as values: what stands in them, and what is wrong with one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tidegate.base.errors import Malformed
from tidegate.runtime.certificates import (
    KeyPair,
    Subject,
    as_pem,
    authority_fault,
    certificate_fault,
    made_at,
    new_authority,
    new_certificate,
    pair_fault,
    read_certificates,
    service_names,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = (*service_names("keda-operator", "keda", "cluster.local"), "127.0.0.1")
AHEAD = timedelta(days=90)


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return new_authority(Subject("KEDA", "KEDAORG"), NOW)


@pytest.fixture(scope="module")
def pair(authority: KeyPair) -> KeyPair:
    return new_certificate(authority, NAMES, NOW)


def only(pem: bytes) -> x509.Certificate:
    (found,) = read_certificates(pem)
    return found


def test_an_authority_is_as_kedas(authority: KeyPair) -> None:
    made = only(authority.certificate)
    assert made.subject.rfc4514_string() == "CN=KEDA,O=KEDAORG"
    assert made.not_valid_before_utc == NOW - timedelta(hours=1)
    assert made.not_valid_after_utc == NOW + timedelta(days=3650)
    assert authority.key.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert made.public_key().key_size == 2048
    assert made_at(made) == NOW


def test_a_certificate_serves_and_asks_under_every_name_of_its_service(pair: KeyPair) -> None:
    made = only(pair.certificate)
    assert made.subject.rfc4514_string() == "CN=keda-operator"
    assert made.not_valid_after_utc == NOW + timedelta(days=365)
    uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    named = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert named.get_values_for_type(x509.DNSName) == [
        "keda-operator",
        "keda-operator.keda",
        "keda-operator.keda.svc",
        "keda-operator.keda.svc.cluster.local",
    ]
    assert [str(one) for one in named.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("names", "at", "said"),
    [
        (NAMES, NOW, ""),
        (NAMES, NOW - timedelta(hours=2), "it is not valid yet"),
        (NAMES, NOW + timedelta(days=274), ""),
        (NAMES, NOW + timedelta(days=275), "it is valid for less than 90 days"),
        (NAMES, NOW + timedelta(days=365), "it is no longer valid"),
        ((*NAMES, "keda-admission-webhooks"), NOW, "it does not name keda-admission-webhooks"),
    ],
)
def test_what_is_wrong_with_a_certificate(
    authority: KeyPair, pair: KeyPair, names: tuple[str, ...], at: datetime, said: str
) -> None:
    issuers = read_certificates(authority.certificate)
    assert certificate_fault(pair, issuers, names, at, AHEAD) == said


def test_a_certificate_of_an_authority_that_is_not_trusted_is_none(pair: KeyPair) -> None:
    other = read_certificates(new_authority(Subject("KEDA", "KEDAORG"), NOW).certificate)
    said = "no authority that is trusted has signed it"
    assert certificate_fault(pair, other, NAMES, NOW, AHEAD) == said


def test_the_key_of_another_certificate_does_not_fit(authority: KeyPair, pair: KeyPair) -> None:
    mixed = KeyPair(pair.certificate, authority.key)
    assert pair_fault(mixed) == "the key belongs to another certificate"
    assert pair_fault(pair) == ""


def test_a_server_certificate_is_no_authority(pair: KeyPair) -> None:
    assert authority_fault(pair, NOW, AHEAD) == "its certificate is no authority's"


def test_an_authority_is_good_until_so_long_before_its_end(authority: KeyPair) -> None:
    assert authority_fault(authority, NOW + timedelta(days=3559), AHEAD) == ""
    assert (
        authority_fault(authority, NOW + timedelta(days=3560), AHEAD) == "it is valid for less than 90 days"
    )


@pytest.mark.parametrize("cut", [0, 1, 40, 600])
def test_a_bundle_that_is_cut_off_is_not_read(authority: KeyPair, pair: KeyPair, cut: int) -> None:
    whole = authority.certificate + pair.certificate
    assert len(read_certificates(whole)) == 2
    with pytest.raises(Malformed):
        read_certificates((authority.certificate + pair.certificate[: cut + 26]) if cut else b"")


@pytest.mark.parametrize(
    "key", [b"", b"damaged", b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
)
def test_a_damaged_key_is_told_without_it(pair: KeyPair, key: bytes) -> None:
    said = pair_fault(KeyPair(pair.certificate, key))
    assert said == "its key is not readable PEM"


@pytest.mark.parametrize("form", ["ec", "rsa"])
def test_an_authority_of_either_form_signs(form: str) -> None:
    made = new_authority(Subject("local"), NOW, form)  # type: ignore[arg-type]
    signed = new_certificate(made, ("a.example",), NOW, form="ec")
    issuers = read_certificates(as_pem(read_certificates(made.certificate)))
    assert certificate_fault(signed, issuers, ("a.example",), NOW, AHEAD) == ""


def test_a_long_name_of_a_service_fits() -> None:
    names = service_names("keda-operator", "n" * 63, "cluster.local")
    made = new_certificate(new_authority(Subject("KEDA"), NOW), tuple(reversed(names)), NOW)
    assert certificate_fault(made, [], names, NOW, AHEAD).startswith("no authority")


def test_neither_pair_nor_fault_shows_a_key(pair: KeyPair) -> None:
    assert "PRIVATE" not in repr(pair)
