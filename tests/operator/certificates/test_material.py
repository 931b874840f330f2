"""What the Secret of the certificates should hold next, from what it holds and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidegate.operator.certificates.material import AHEAD, AUTHORITY, SETTLE, Kept, Seen, next_step
from tidegate.runtime.certificates import (
    certificate_fault,
    new_authority,
    new_certificate,
    read_certificates,
    service_names,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = (
    *service_names("keda-operator", "keda", "cluster.local"),
    *service_names("keda-metrics-apiserver", "keda", "cluster.local"),
)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def made(at: datetime, names: tuple[str, ...] = NAMES) -> Kept:
    """As the leader leaves it at that time."""
    authority = new_authority(AUTHORITY, at, "ec")
    pair = new_certificate(authority, names, at, form="ec")
    return Kept(authority.certificate, authority.key, pair.certificate, pair.key)


@pytest.fixture(scope="module")
def good() -> Kept:
    return made(START)


def serves(kept: Kept, trusted: bytes, at: datetime) -> bool:
    """Whether a process with these files is believed by one that trusts `trusted`."""
    return not certificate_fault(kept.pair, read_certificates(trusted), NAMES, at, timedelta(0))


def test_an_empty_secret_is_filled_with_ten_years_and_one() -> None:
    step = next_step(Kept(), None, NAMES, START)
    assert step.reasons == ("a new authority: there was none", "a new certificate: there was none")
    (authority,) = step.kept.authorities
    assert authority.not_valid_after_utc == START + 3650 * DAY
    assert serves(step.kept, step.kept.ca_crt, START)
    assert next_step(step.kept, None, NAMES, START) == replace(step, reasons=())


def test_a_good_one_stays(good: Kept) -> None:
    step = next_step(good, None, NAMES, START + 200 * DAY)
    assert (step.kept, step.reasons, step.look_again) == (good, (), None)


def test_a_certificate_is_renewed_ninety_days_ahead_by_the_same_authority(good: Kept) -> None:
    assert next_step(good, None, NAMES, START + 275 * DAY - MINUTE).reasons == ()
    step = next_step(good, None, NAMES, START + 275 * DAY)
    assert step.reasons == ("a new certificate: it is valid for less than 90 days",)
    assert (step.kept.ca_crt, step.kept.ca_key) == (good.ca_crt, good.ca_key)
    assert serves(step.kept, good.ca_crt, START + 275 * DAY)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda one: replace(one, tls_key=b""), "its key is not readable PEM"),
        (lambda one: replace(one, tls_crt=one.tls_crt[:200]), "it is not PEM"),
        (lambda one: replace(one, tls_crt=b"rubbish"), "it is not PEM"),
        (lambda one: replace(one, tls_key=made(START).tls_key), "the key belongs to another certificate"),
        (
            lambda one: replace(one, tls_crt=made(START).tls_crt, tls_key=b""),
            "its key is not readable PEM",
        ),
        (lambda one: replace(one), ""),
    ],
)
def test_a_spoilt_certificate_is_signed_anew_by_the_same_authority(
    good: Kept, spoil: Callable[[Kept], Kept], reason: str
) -> None:
    step = next_step(spoil(good), None, NAMES, START + DAY)
    assert step.reasons == ((f"a new certificate: {reason}",) if reason else ())
    assert step.kept.ca_crt == good.ca_crt
    assert serves(step.kept, good.ca_crt, START + DAY)


def test_a_certificate_for_other_names_is_signed_anew() -> None:
    few = made(START, NAMES[:4])
    step = next_step(few, None, NAMES, START)
    assert step.reasons == ("a new certificate: it does not name keda-metrics-apiserver",)
    assert step.kept.ca_crt == few.ca_crt


def test_an_expired_certificate_is_signed_anew_at_once(good: Kept) -> None:
    step = next_step(good, None, NAMES, START + 400 * DAY)
    assert step.reasons == ("a new certificate: it is no longer valid",)


def test_a_new_authority_comes_in_three_steps_and_every_neighbour_pair_of_steps_is_believed(
    good: Kept,
) -> None:
    """Who has taken one step talks to who has taken the next, or is one behind; both ways."""
    now = START + 3600 * DAY
    old = next_step(good, None, NAMES, START + 3500 * DAY).kept
    steps, moments, seen = [old], [now], None
    for _ in range(3):
        step = next_step(steps[-1], seen, NAMES, now)
        assert step.reasons
        steps.append(step.kept)
        moments.append(now)
        seen = Seen(step.kept, now)
        if step.look_again is None:
            break
        early = next_step(step.kept, seen, NAMES, step.look_again - timedelta(seconds=1))
        assert (early.reasons, early.look_again) == ((), step.look_again)
        assert step.look_again - now == SETTLE
        now = step.look_again
    assert [len(one.authorities) for one in steps] == [1, 2, 2, 1]
    assert [one.tls_crt == old.tls_crt for one in steps] == [True, True, False, False]
    assert steps[2].tls_crt == steps[3].tls_crt
    for before, after, at in zip(steps, steps[1:], moments[1:], strict=False):
        assert serves(before, after.ca_crt, at)
        assert serves(after, before.ca_crt, at)
    final = next_step(steps[-1], Seen(steps[-1], now), NAMES, now + SETTLE)
    assert (final.reasons, final.look_again) == ((), None)


def test_a_leader_that_restarts_in_the_middle_goes_on_where_it_was(good: Kept) -> None:
    now = START + 200 * DAY
    first = next_step(replace(good, ca_key=b""), None, NAMES, now)
    assert first.reasons == ("a new authority: its key is not readable PEM",)
    assert first.kept.tls_crt == good.tls_crt
    second = next_step(first.kept, None, NAMES, now + SETTLE)
    assert second.reasons == ("a new certificate: its authority is being replaced",)
    third = next_step(second.kept, None, NAMES, now + 2 * SETTLE)
    assert third.reasons == ("a former authority is trusted no more",)
    assert len(third.kept.authorities) == 1
    assert third.kept.authorities != good.authorities


def test_a_deleted_secret_is_a_rotation_and_not_an_outage(good: Kept) -> None:
    """The leader knows what was there: processes go on serving it."""
    now = START + 30 * DAY
    step = next_step(Kept(), Seen(good, START), NAMES, now)
    assert step.reasons == ("a new authority: there was none",)
    assert step.kept.tls_crt == good.tls_crt
    assert serves(good, step.kept.ca_crt, now)
    assert step.look_again == now + SETTLE


def test_without_memory_a_deleted_secret_begins_anew(good: Kept) -> None:
    step = next_step(Kept(), None, NAMES, START)
    assert not serves(good, step.kept.ca_crt, START)


def test_an_authority_lost_by_hand_is_trusted_until_all_have_changed(good: Kept) -> None:
    other = made(START + DAY)
    now = START + 2 * DAY
    step = next_step(other, Seen(good, START), NAMES, now)
    assert step.kept.ca_crt == other.ca_crt + good.ca_crt
    assert step.kept.tls_crt == other.tls_crt
    assert step.look_again == now + SETTLE
    later = next_step(step.kept, Seen(step.kept, now), NAMES, now + SETTLE)
    assert later.kept.ca_crt == other.ca_crt


def test_an_expired_authority_is_not_kept_beside_the_new_one(good: Kept) -> None:
    step = next_step(good, None, NAMES, START + 3700 * DAY)
    assert len(step.kept.authorities) == 1
    assert serves(step.kept, step.kept.ca_crt, START + 3700 * DAY)


def test_a_certificate_does_not_outlive_its_authority(good: Kept) -> None:
    now = START + 3650 * DAY - AHEAD - DAY
    step = next_step(good, None, NAMES, now)
    (leaf,) = read_certificates(step.kept.tls_crt)
    assert leaf.not_valid_after_utc == START + 3650 * DAY


def test_what_kedas_operator_has_left_is_used(good: Kept) -> None:
    """RSA in PKCS#1, an authority that named itself KEDA."""
    authority = new_authority(AUTHORITY, START)
    pair = new_certificate(authority, NAMES, START)
    kept = Kept(authority.certificate, authority.key, pair.certificate, pair.key)
    assert authority.key.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert next_step(kept, None, NAMES, START + DAY).reasons == ()


def test_the_data_of_a_secret_and_back(good: Kept) -> None:
    assert Kept.of_secret(good.encoded()) == good
    assert Kept.of_secret(None) == Kept()
    assert Kept.of_secret({"ca.crt": "%%%", "other": "x"}) == Kept()


def test_no_key_is_shown(good: Kept) -> None:
    assert "PRIVATE" not in repr(next_step(good, None, NAMES, START))
