"""The dashboard's token on this machine and on a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.cli.wiring.dashboard.local import token_in
from tidegate.cli.wiring.dashboard.of_operator import token_of
from tidegate.cli.wiring.operator_program import unseen
from tidegate.cli.wiring.operator_settings import IGNORED, OperatorSettings
from tidegate.runtime.settings import Given, Listen, read


def test_on_this_machine_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "dashboard-token"
    token = token_in(path)
    assert len(token) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert token_in(path) == token
    path.unlink()
    assert token_in(path) != token
    path.write_text("\n")
    assert len(token_in(path)) >= 32


@pytest.mark.parametrize("text", [b"0123456789abcdef", b"0123456789abcdef\n"])
def test_on_a_cluster_the_token_is_a_file(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "token").write_bytes(text)
    assert token_of(tmp_path / "token") == "0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        (b"", "it has 0 characters, and 16 are the least"),
        (b"short-secret", "it has 12 characters"),
        (b"\xff" * 40, "it is no text"),
    ],
)
def test_a_token_that_is_none_is_refused_and_not_repeated(
    tmp_path: Path, text: bytes | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "token").write_bytes(text)
    with pytest.raises(Misconfigured) as error:
        token_of(tmp_path / "token")
    assert said in str(error.value)
    assert "short-secret" not in str(error.value)


def test_it_is_off_unless_asked_for_and_then_wants_a_token() -> None:
    plain, _ = read(OperatorSettings, IGNORED, Given({}, {}))
    assert (plain.is_dashboard_served, plain.dashboard_address) == (False, Listen("127.0.0.1", 8083))
    with pytest.raises(ExceptionGroup) as errors:
        read(OperatorSettings, IGNORED, Given({"--dashboard": ["true"]}, {}))
    assert "name a file that holds one with --dashboard-token-file" in str(errors.value.exceptions[0])
    flags = {"--dashboard": ["true"], "--dashboard-token-file": ["/dashboard/token"]}
    asked, _ = read(OperatorSettings, IGNORED, Given(flags, {}))
    assert asked.is_dashboard_served


class Held:
    is_held = True
    holder = "keda-operator-a_1234"


class Waiting(Held):
    is_held = False


def test_a_replica_that_waits_names_the_pod_that_leads() -> None:
    assert (unseen(None), unseen(Held())) == ("", "")  # type: ignore[arg-type]
    assert unseen(Waiting()) == (  # type: ignore[arg-type]
        "this replica stands by, and keda-operator-a leads: forward the port of that pod"
    )
