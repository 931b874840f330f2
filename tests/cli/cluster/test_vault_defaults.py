"""What the environment says of Vaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.cli.cluster.vault_defaults import vault_defaults
from tidegate.kit.systems.vault import VaultDefaults
from tidegate.kit.tls import Tls


def test_without_variables_nothing_is_said() -> None:
    assert vault_defaults({}) == VaultDefaults()


def test_the_variables_of_vaults_own_programs_count(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("PEM")
    given = {
        "VAULT_TOKEN": "t\n",
        "VAULT_ADDR": "https://vault.example:8200/ui",
        "VAULT_NAMESPACE": "team",
        "VAULT_CACERT": str(authority),
    }
    expected = VaultDefaults("t", "https://vault.example:8200", "team", Tls(ca="PEM"))
    assert vault_defaults(given) == expected


@pytest.mark.parametrize(
    ("text", "is_verified"), [("true", False), ("1", False), ("false", True), ("", True)]
)
def test_certificates_are_checked_unless_it_says_otherwise(text: str, is_verified: bool) -> None:
    tls = vault_defaults({"VAULT_SKIP_VERIFY": text}).tls
    assert (tls is None or tls.is_verified) == is_verified


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("VAULT_ADDR", "vault:8200", "cannot use VAULT_ADDR: it is not an absolute URL"),
        ("VAULT_TOKEN", "x-marks\nthe-spot", "cannot use VAULT_TOKEN: it cannot be sent in a header"),
        ("VAULT_CACERT", "/nowhere", "cannot use VAULT_CACERT: /nowhere: no such file or directory"),
    ],
)
def test_what_is_of_no_use_is_told_without_its_value(variable: str, text: str, told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        vault_defaults({variable: text})
    assert told in str(caught.value)
    assert "x-marks" not in str(caught.value)


def test_a_token_is_not_shown() -> None:
    assert "x-marks-the-spot" not in repr(vault_defaults({"VAULT_TOKEN": "x-marks-the-spot"}))
