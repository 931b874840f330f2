"""Tokens as files: kept for most of their life, then another."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tidegate.kube.resource import ApiError
from tidegate.local.nodes.processes.account_tokens import AccountTokens, first_renewal, renewed_at
from tidegate.local.nodes.processes.environment import Refers
from tidegate.local.nodes.processes.volumes import Unmountable, Volumes

BEGAN = 1_000_000
PROJECTED = {
    "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}},
        {"serviceAccountToken": {"path": "deep/vault", "audience": "vault"}},
    ],
    "defaultMode": 0o640,
}
POD = {
    "metadata": {"name": "p", "namespace": "default", "uid": "u"},
    "spec": {"volumes": [{"name": "v", "projected": PROJECTED}], "containers": [{"name": "c"}]},
}


def token(began: int, life_s: int, **own: Any) -> str:
    claims = {"iat": began, "exp": began + life_s, "kubernetes.io": own}
    return "head." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode() + ".sig"


class Issuer:
    """Gives out tokens that begin at `now`, and remembers for what."""

    def __init__(self) -> None:
        self.now, self.asked, self.is_closed = BEGAN, list[tuple[str, int]](), False

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    def token(self, pod: dict[str, Any], audience: str, life_s: int) -> str:
        if self.is_closed:
            raise ApiError(404, "NotFound", 'serviceaccounts "default" not found')
        self.asked.append((audience, life_s))
        return token(self.now, life_s)


def filled(folder: Path, issuer: Issuer | None, now: float) -> Path:
    volumes = Volumes(folder, folder, {}.get, AccountTokens(issuer, now))
    return volumes.prepare(POD, Refers({}.get, {}.get))["v"]


def test_each_source_is_a_file_with_a_token_of_its_own(tmp_path: Path) -> None:
    issuer = Issuer()
    place = filled(tmp_path, issuer, BEGAN)
    assert issuer.asked == [("", 1000), ("vault", 3600)]
    assert (place / "token").read_text() == token(BEGAN, 1000)
    assert (place / "deep" / "vault").read_text() == token(BEGAN, 3600)
    assert (place / "token").stat().st_mode & 0o777 == 0o640


def test_a_token_is_kept_for_four_fifths_of_its_life(tmp_path: Path) -> None:
    issuer = Issuer()
    filled(tmp_path, issuer, BEGAN)
    assert first_renewal(POD, tmp_path) == BEGAN + 800
    place = filled(tmp_path, issuer, BEGAN + 799)
    assert len(issuer.asked) == 2
    issuer.now = BEGAN + 800
    filled(tmp_path, issuer, BEGAN + 800)
    assert issuer.asked[2:] == [("", 1000)]
    assert (place / "token").read_text() == token(BEGAN + 800, 1000)
    assert first_renewal(POD, tmp_path) == BEGAN + 1600


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (token(BEGAN, 1000), BEGAN + 800),
        (token(BEGAN, 365 * 86_400, warnafter=BEGAN + 3607), BEGAN + 0.8 * 3607),
        (token(BEGAN, 365 * 86_400), BEGAN + 86_400),
        ("", 0),
        ("a.b.c", 0),
        ("a.e30.c", 0),
        ("a.W10.c", 0),
    ],
)
def test_a_token_says_when_it_is_to_be_renewed(text: str, moment: float) -> None:
    assert renewed_at(text.encode()) == pytest.approx(moment)


def test_what_cannot_be_had_is_told_and_what_is_there_stays(tmp_path: Path) -> None:
    issuer = Issuer()
    with pytest.raises(Unmountable, match="gives out no tokens"):
        filled(tmp_path, None, BEGAN)
    place = filled(tmp_path, issuer, BEGAN)
    issuer.is_closed = True
    with pytest.raises(Unmountable, match='failed to fetch token: serviceaccounts "default" not found'):
        filled(tmp_path, issuer, BEGAN + 900)
    assert (place / "token").read_text() == token(BEGAN, 1000)


def test_a_pod_without_tokens_has_nothing_to_renew(tmp_path: Path) -> None:
    assert first_renewal({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}, tmp_path) is None
    assert first_renewal({"spec": {}}, tmp_path) is None
