"""A folder of certificates as contexts: what is taken, when, and who is trusted."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

import pytest

from parts.tls_parts import Maker, held, mount, shake, trusting, write
from parts.virtualtime import VirtualClock, run
from tidegate.base.errors import Malformed, Misconfigured
from tidegate.runtime.certificate_files import LOOK_S, Certificates, TlsRules, follow_folder, read_folder
from tidegate.runtime.certificates import KeyPair

NAME = "keda-operator.keda.svc"


@pytest.fixture(scope="module")
def ours() -> Maker:
    return Maker()


@pytest.fixture(scope="module")
def others() -> Maker:
    return Maker()


def test_both_sides_of_one_folder_trust_each_other(ours: Maker) -> None:
    certificates = held(ours.trust, ours.pair(NAME))
    asking, serving = shake(
        certificates.listening_context(asks_client=True), certificates.client_context(), NAME
    )
    assert asking.version() == "TLSv1.3"
    shown = serving.getpeercert()
    assert shown is not None
    assert shown["subjectAltName"] == (("DNS", NAME),)


def test_a_client_without_a_certificate_is_let_in_and_known_as_such(ours: Maker) -> None:
    server = held(ours.trust, ours.pair(NAME)).listening_context(asks_client=True)
    _, serving = shake(server, trusting(ours.trust), NAME)
    assert serving.getpeercert() is None


def test_a_certificate_of_another_authority_is_refused(ours: Maker, others: Maker) -> None:
    server = held(ours.trust, ours.pair(NAME)).listening_context(asks_client=True)
    stranger = held(ours.trust, others.pair(NAME)).client_context()
    with pytest.raises(ssl.SSLError, match=r"CERTIFICATE_VERIFY_FAILED"):
        shake(server, stranger, NAME)


def test_a_server_under_another_name_is_refused(ours: Maker) -> None:
    certificates = held(ours.trust, ours.pair("elsewhere.keda.svc"))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(certificates.listening_context(asks_client=False), certificates.client_context(), NAME)


def test_the_machines_authorities_are_not_trusted(ours: Maker) -> None:
    certificates = held(ours.trust, ours.pair(NAME))
    trusted = certificates.client_context().get_ca_certs()
    assert [dict(pair for part in one["subject"] for pair in part) for one in trusted] == [
        {"organizationName": "KEDAORG", "commonName": "KEDA"}
    ]


def test_one_listening_context_serves_what_counts_at_each_connection(ours: Maker, others: Maker) -> None:
    certificates = held(ours.trust, ours.pair(NAME))
    server = certificates.listening_context(asks_client=True)
    before = certificates.client_context()
    shake(server, before, NAME)
    other = held(others.trust, others.pair(NAME))
    assert other.material is not None
    assert certificates.take(other.material)
    shake(server, certificates.client_context(), NAME)
    # The former authority is trusted by neither side any more.
    with pytest.raises(ssl.SSLError):
        shake(server, before, NAME)
    with pytest.raises(ssl.SSLError):
        shake(server, held(others.trust, ours.pair(NAME)).client_context(), NAME)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_not_resumed_past_a_change_of_authorities(
    ours: Maker, others: Maker, version: ssl.TLSVersion
) -> None:
    certificates = held(ours.trust, ours.pair(NAME))
    server = certificates.listening_context(asks_client=True)
    client = certificates.client_context()
    client.maximum_version = version
    # A side that is dropped without a farewell takes its session along: all are held.
    first = shake(server, client, NAME)
    again = shake(server, client, NAME, first[0].session)
    assert again[0].session_reused == (version == ssl.TLSVersion.TLSv1_2)
    other = held(others.trust, others.pair(NAME))
    assert other.material is not None
    certificates.take(other.material)
    with pytest.raises(ssl.SSLError, match=r"CERTIFICATE_VERIFY_FAILED|CALLBACK_FAILED"):
        shake(server, client, NAME, first[0].session)


def test_before_there_is_material_nobody_is_served_and_nothing_trusted(ours: Maker) -> None:
    certificates = Certificates()
    with pytest.raises(Misconfigured, match=r"there is no ca\.crt"):
        certificates.client_context()
    server = certificates.listening_context(asks_client=False)
    with pytest.raises(ssl.SSLError):
        shake(server, trusting(ours.trust), NAME)
    certificates.take(held(ours.trust, ours.pair(NAME)).material)  # type: ignore[arg-type]
    shake(server, trusting(ours.trust), NAME)


def test_rules_bind_both_sides(ours: Maker) -> None:
    strict = Certificates(TlsRules(ssl.TLSVersion.TLSv1_3))
    strict.take(held(ours.trust, ours.pair(NAME)).material)  # type: ignore[arg-type]
    old = trusting(ours.trust)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(strict.listening_context(asks_client=False), old, NAME)
    assert strict.client_context().minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("put", [write, mount])
def test_new_files_are_taken(tmp_path: Path, ours: Maker, others: Maker, put: object) -> None:
    async def story(clock: VirtualClock) -> None:
        put(tmp_path, ours.trust, ours.pair(NAME))  # type: ignore[operator]
        certificates = Certificates()
        following = asyncio.create_task(follow_folder(tmp_path, certificates, clock))
        await certificates.taken()
        first = certificates.material
        new = others.pair(NAME)
        put(tmp_path, ours.trust + others.trust, new)  # type: ignore[operator]
        await clock.sleep(LOOK_S + 1)
        assert certificates.material == held(ours.trust + others.trust, new).material != first
        following.cancel()

    run(story)


def break_key(folder: Path) -> None:
    (folder / "tls.key").write_bytes(b"")


def break_certificate(folder: Path) -> None:
    (folder / "tls.crt").write_bytes((folder / "tls.crt").read_bytes()[:100])


def break_trust(folder: Path) -> None:
    (folder / "ca.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\n")


def lose_key(folder: Path) -> None:
    (folder / "tls.key").unlink()


def exchange_key(folder: Path) -> None:
    (folder / "tls.key").write_bytes(Maker().pair(NAME).key)


@pytest.mark.parametrize("spoil", [break_key, break_certificate, break_trust, lose_key, exchange_key])
def test_what_cannot_be_used_leaves_the_former_in_use_and_is_told_once(
    tmp_path: Path, ours: Maker, caplog: pytest.LogCaptureFixture, spoil: object
) -> None:
    async def story(clock: VirtualClock) -> None:
        write(tmp_path, ours.trust, pair := ours.pair(NAME))
        certificates = Certificates()
        following = asyncio.create_task(follow_folder(tmp_path, certificates, clock))
        await certificates.taken()
        spoil(tmp_path)  # type: ignore[operator]
        await clock.sleep(10 * LOOK_S)
        assert certificates.material == held(ours.trust, pair).material
        assert not following.done()
        write(tmp_path, ours.trust, new := ours.pair(NAME))
        await clock.sleep(LOOK_S + 1)
        assert certificates.material == held(ours.trust, new).material
        following.cancel()

    with caplog.at_level(logging.INFO):
        run(story)
    said = [(one.levelname, one.getMessage()) for one in caplog.records if "certificate_files" in one.name]
    assert said == [
        ("INFO", "certificates taken"),
        ("WARNING", "certificates not taken: those from before stay in use"),
        ("INFO", "certificates taken"),
    ]
    assert "PRIVATE" not in caplog.text + repr([vars(one) for one in caplog.records])


def test_a_folder_that_comes_late_is_waited_for(tmp_path: Path, ours: Maker) -> None:
    async def story(clock: VirtualClock) -> None:
        folder = tmp_path / "certs"
        certificates = Certificates()
        following = asyncio.create_task(follow_folder(folder, certificates, clock))
        await clock.sleep(60)
        assert certificates.material is None
        folder.mkdir()
        mount(folder, ours.trust, ours.pair(NAME))
        await certificates.taken()
        following.cancel()

    run(story)


def test_a_folder_without_authority_serves_and_trusts_nobody(tmp_path: Path, ours: Maker) -> None:
    write(tmp_path, b"", ours.pair(NAME))
    (tmp_path / "ca.crt").unlink()
    certificates = Certificates()
    certificates.take(read_folder(tmp_path))
    server = certificates.listening_context(asks_client=True)
    shake(server, trusting(ours.trust), NAME)
    with pytest.raises(Misconfigured):
        certificates.client_context()
    with pytest.raises(ssl.SSLError):
        shake(server, held(ours.trust, ours.pair(NAME)).client_context(), NAME)


def test_a_key_that_wants_a_password_is_refused_and_asks_nobody(tmp_path: Path, ours: Maker) -> None:
    from cryptography.hazmat.primitives import serialization

    pair = ours.pair(NAME)
    locked = serialization.load_pem_private_key(pair.key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    write(tmp_path, ours.trust, KeyPair(pair.certificate, locked))
    with pytest.raises(Malformed, match="its key is not readable PEM"):
        read_folder(tmp_path)
