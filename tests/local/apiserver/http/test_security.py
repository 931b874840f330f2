"""Credentials: made once, kept, renewed in time, and readable by their owner alone."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tidegate.local.apiserver.http import security

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_credentials_are_kept_between_starts(tmp_path: Path) -> None:
    first = security.ensure_credentials(tmp_path, (), NOW)
    pem = first.certificate_path.read_bytes()
    again = security.ensure_credentials(tmp_path, (), NOW + timedelta(days=1))
    assert again == first
    assert again.certificate_path.read_bytes() == pem


def test_the_certificate_is_renewed_before_it_expires_and_clients_still_trust_it(tmp_path: Path) -> None:
    first = security.ensure_credentials(tmp_path, (), NOW)
    pem = first.certificate_path.read_bytes()
    again = security.ensure_credentials(tmp_path, (), NOW + timedelta(days=340))
    assert again.certificate_path.read_bytes() != pem
    assert (again.authority_pem, again.token) == (first.authority_pem, first.token)


def test_an_authority_near_its_end_is_replaced_together_with_the_certificate(tmp_path: Path) -> None:
    first = security.ensure_credentials(tmp_path, (), NOW)
    later = security.ensure_credentials(tmp_path, (), NOW + timedelta(days=3500))
    assert later.authority_pem != first.authority_pem
    assert later.token == first.token


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "server.crt", "server.key"])
def test_a_damaged_file_is_replaced(tmp_path: Path, name: str) -> None:
    security.ensure_credentials(tmp_path, (), NOW)
    (tmp_path / "tls" / name).write_bytes(b"damaged")
    credentials = security.ensure_credentials(tmp_path, (), NOW)
    security.server_context(credentials)
    context = ssl.create_default_context(cadata=credentials.authority_pem.decode())
    assert len(context.get_ca_certs()) == 1


def test_a_new_name_gets_a_new_certificate(tmp_path: Path) -> None:
    from cryptography import x509

    security.ensure_credentials(tmp_path, (), NOW)
    credentials = security.ensure_credentials(tmp_path, ("tide.example", "127.9.9.9"), NOW)
    certificate = x509.load_pem_x509_certificate(credentials.certificate_path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "tide.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "127.9.9.9"]


def test_nothing_secret_is_readable_by_others(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    old = os.umask(0)
    try:
        credentials = security.ensure_credentials(directory, (), NOW)
        security.write_kubeconfig(directory / "kubeconfig", "https://127.0.0.1:1", credentials)
    finally:
        os.umask(old)
    assert mode(directory) == mode(directory / "tls") == 0o700
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"kubeconfig", "token", "ca.key", "server.key"}
    assert {mode(path) for path in files} == {0o600}


def test_the_kubeconfig_names_the_server_its_authority_and_the_token(tmp_path: Path) -> None:
    credentials = security.ensure_credentials(tmp_path, (), NOW)
    security.write_kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1", credentials)
    body = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    assert body["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert body["users"][0]["user"] == {"token": credentials.token}
    assert body["current-context"] == body["contexts"][0]["name"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer secret", "secret"),
        ("bearer secret", "secret"),
        ("  Bearer   secret ", "secret"),
        ("Bearer ", ""),
        ("Basic secret", ""),
        ("secret", ""),
        ("", ""),
    ],
)
def test_a_token_is_what_stands_behind_bearer(header: str, token: str) -> None:
    assert security.bearer_token(header) == token


@pytest.mark.parametrize(
    ("given", "is_same"),
    [
        ("secret", True),
        ("secret2", False),
        ("secre", False),
        ("sécret", False),
        ("", False),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), False),
    ],
)
def test_a_token_is_compared_whole(given: str, is_same: bool) -> None:
    assert security.is_same(given, "secret") is is_same


@pytest.mark.parametrize(
    ("header", "is_own"),
    [
        ("127.0.0.1:6443", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:6443", True),
        ("127.64.0.1:6443", True),
        ("tide.example:6443", True),
        ("evil.example:6443", False),
        ("127.0.0.1.evil.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_foreign_host_names_are_refused(header: str, is_own: bool) -> None:
    assert security.is_own_host(header, ("tide.example",)) is is_own
