"""What the Secret of the certificates should hold next. Values only; all state is in the certificates.

A new authority comes in three steps, each at least `SETTLE` after the one before, so that every process and
everybody who calls one has taken the files of one step before the next:

    1. it is trusted beside the former one, whose certificate is still served
    2. the certificate is signed by it
    3. the former one is trusted no more

The moments stand in the certificates: when the first authority of `ca.crt` was made, and when `tls.crt` was.
Where nothing of what is there can be used, all is made anew at once: no call could be spared.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.base.errors import Malformed
from tidegate.runtime.certificates import (
    KeyPair,
    Subject,
    as_pem,
    authority_fault,
    certificate_fault,
    is_issued_by,
    made_at,
    new_authority,
    new_certificate,
    read_certificates,
)

if TYPE_CHECKING:
    from cryptography import x509

AHEAD = timedelta(days=90)
SETTLE = timedelta(minutes=10)
"""A kubelet brings a change of a Secret within two minutes; the rest is for busy ones."""
NOW = timedelta(0)
MOST_AUTHORITIES = 4

AUTHORITY = Subject("KEDA", "KEDAORG")
KEYS = ("ca.crt", "ca.key", "tls.crt", "tls.key")


@dataclass(frozen=True, slots=True)
class Kept:
    """The four files as they are. The first certificate of `ca_crt` is the one that signs."""

    ca_crt: bytes = b""
    ca_key: bytes = field(default=b"", repr=False)
    tls_crt: bytes = b""
    tls_key: bytes = field(default=b"", repr=False)

    @classmethod
    def of_secret(cls, data: Mapping[str, str] | None) -> Kept:
        """What is missing or no base64 is empty."""
        return cls(*(_decoded((data or {}).get(key)) for key in KEYS))

    def encoded(self) -> dict[str, str]:
        """As a Secret has them."""
        texts = (self.ca_crt, self.ca_key, self.tls_crt, self.tls_key)
        return {key: base64.b64encode(text).decode() for key, text in zip(KEYS, texts, strict=True)}

    @property
    def pair(self) -> KeyPair:
        return KeyPair(self.tls_crt, self.tls_key)

    @property
    def authorities(self) -> list[x509.Certificate]:
        """Those of `ca.crt`; none where it cannot be read."""
        try:
            return read_certificates(self.ca_crt)
        except Malformed:
            return []


@dataclass(frozen=True, slots=True)
class Step:
    """`reasons` says what is new and why; none where all can stay. `look_again` is when time alone asks for
    more.
    """

    kept: Kept
    reasons: tuple[str, ...]
    look_again: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the Secret held when it was last good, as far as this process knows, and since when it saw that
    certificate: processes still use it, so what is made anew is announced beside it.
    """

    kept: Kept
    since: datetime


def next_step(
    found: Kept, seen: Seen | None, names: Sequence[str], now: datetime, settle: timedelta = SETTLE
) -> Step:
    """What the Secret should hold; `settle` is how long each step of a rotation is waited for."""
    before = seen.kept if seen is not None else None
    known = _known(found, before, now)
    pair, reasons = found.pair, []
    if certificate_fault(pair, known, names, now, NOW) and before is not None:
        # What was lost or spoilt is still what everybody serves.
        pair = before.pair
    signing = KeyPair(as_pem(found.authorities[:1]), found.ca_key)
    fault = authority_fault(signing, now, AHEAD)
    if fault:
        reasons.append(f"a new authority: {_what(found.ca_crt, fault)}")
        signing = new_authority(AUTHORITY, now)
    signer = read_certificates(signing.certificate)[0]
    former = [one for one in known if one != signer][: MOST_AUTHORITIES - 1]
    look_again = None

    is_usable = not certificate_fault(pair, [signer, *former], names, now, NOW)
    is_ours = is_usable and is_issued_by(read_certificates(pair.certificate)[0], signer)
    if is_ours:
        renewal = certificate_fault(pair, [signer], names, now, AHEAD)
    elif not is_usable:
        renewal = certificate_fault(pair, [signer, *former], names, now, NOW)
    elif now >= made_at(signer) + settle:
        renewal = "its authority is being replaced"
    else:
        renewal, look_again = "", made_at(signer) + settle
    if renewal:
        reasons.append(f"a new certificate: {_what(found.tls_crt, renewal)}")
        pair = new_certificate(signing, names, now)
        is_ours = True
    if former and is_ours:
        served_since = made_at(read_certificates(pair.certificate)[0])
        if before is not None and before.pair.certificate != pair.certificate:
            served_since = now
        elif seen is not None:
            served_since = max(served_since, seen.since)
        settled = served_since + settle
        if now >= settled:
            former = []
        else:
            look_again = settled
    kept = Kept(as_pem([signer, *former]), signing.key, pair.certificate, pair.key)
    if not reasons and kept != found:
        reasons.append(_trust(found, kept))
    return Step(kept, tuple(reasons), look_again)


def _known(found: Kept, before: Kept | None, now: datetime) -> list[x509.Certificate]:
    """The authorities that somebody may rely on now, each once."""
    every = [*found.authorities, *(before.authorities if before is not None else ())]
    return [
        one
        for index, one in enumerate(every)
        if one not in every[:index] and one.not_valid_before_utc <= now < one.not_valid_after_utc
    ]


def _what(text: bytes, fault: str) -> str:
    return fault if text else "there was none"


def _trust(found: Kept, kept: Kept) -> str:
    fewer = len(kept.authorities) < len(found.authorities)
    return "a former authority is trusted no more" if fewer else "what was lost is there again"


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return b""
