"""TLS contexts from PEM texts: what cannot be read is named, and never shown."""

from __future__ import annotations

import ssl

import pytest
import trustme

from tidegate.base.errors import Misconfigured
from tidegate.connections.tls import client_context, shared_context, with_roots
from tidegate.connections.tls_policy import USUAL, TlsPolicy
from tidegate.kit.tls import Tls

AUTHORITY = trustme.CA()
LEAF = AUTHORITY.issue_cert("client.shop")
CA = AUTHORITY.cert_pem.bytes().decode()
CERT = LEAF.cert_chain_pems[0].bytes().decode()
KEY = LEAF.private_key_pem.bytes().decode()
OTHER_CA = trustme.CA().cert_pem.bytes().decode()
OTHER_KEY = AUTHORITY.issue_cert("other.shop").private_key_pem.bytes().decode()


def test_a_given_authority_is_trusted_beside_those_of_the_system() -> None:
    plain, with_ca = client_context(Tls(), USUAL), client_context(Tls(ca=CA), USUAL)
    assert with_ca.cert_store_stats()["x509_ca"] == plain.cert_store_stats()["x509_ca"] + 1
    assert (plain.verify_mode, plain.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert plain.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_unsafe_verifies_nothing() -> None:
    context = client_context(Tls(is_verified=False), USUAL)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_half_a_pair_is_not_used() -> None:
    client_context(Tls(cert=CERT), USUAL)
    client_context(Tls(key=KEY), USUAL)


@pytest.mark.parametrize(
    ("tls", "parameter"),
    [
        (Tls(ca="/etc/hunter2.pem"), "ca"),
        (Tls(ca="-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----"), "ca"),
        (Tls(cert="hunter2", key=KEY), "cert and key"),
        (Tls(cert=CERT, key="hunter2"), "cert and key"),
        (Tls(cert=CERT, key=OTHER_KEY), "cert and key"),
        (Tls(cert=CERT, key=KEY, key_password="hunter2"), "key"),
    ],
)
def test_what_cannot_be_read_is_named(tls: Tls, parameter: str) -> None:
    with pytest.raises(Misconfigured, match=f"the TLS parameter {parameter}:") as caught:
        client_context(tls, USUAL)
    assert "hunter2" not in str(caught.value)


def test_what_the_administrator_says_holds_for_every_context() -> None:
    plain = client_context(Tls(), USUAL)
    strict = client_context(Tls(ca=CA), TlsPolicy(ssl.TLSVersion.TLSv1_3, "", OTHER_CA))
    assert strict.minimum_version == ssl.TLSVersion.TLSv1_3
    assert strict.cert_store_stats()["x509_ca"] == plain.cert_store_stats()["x509_ca"] + 2
    narrow = client_context(Tls(), TlsPolicy(ciphers="ECDHE-RSA-AES128-GCM-SHA256"))
    assert [one["name"] for one in narrow.get_ciphers() if "TLSv1.2" in one["protocol"]] == [
        "ECDHE-RSA-AES128-GCM-SHA256"
    ]


async def test_contexts_are_shared_by_those_who_are_told_the_same() -> None:
    policy = TlsPolicy(authorities=OTHER_CA)
    one = await shared_context(Tls(ca=CA), policy)
    assert await shared_context(Tls(ca=CA), policy) is one
    assert await shared_context(Tls(ca=CA), USUAL) is not one


def test_a_library_that_trusts_what_it_is_given_is_given_all() -> None:
    trusted = with_roots(CA, TlsPolicy(authorities=OTHER_CA))
    assert CA.strip() in trusted
    assert OTHER_CA.strip() in trusted
