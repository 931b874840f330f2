"""A signature holds for some minutes: a machine whose clock is wrong is refused in words that name no clock.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

_LATE = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_OF_SIGNATURES = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignature"})
_TOLERATED_S = 240.0
"""AWS takes signatures of five minutes before and after."""


def clock_fault(code: str, headers: Mapping[str, str]) -> str:
    """ "this machine's clock is 10 min behind", where the code can mean that and the answer's date shows it;
    else ""."""
    if code not in _LATE and code not in _OF_SIGNATURES:
        return ""
    try:
        behind_s = email.utils.parsedate_to_datetime(headers.get("Date", "")).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        behind_s = 0.0
    if abs(behind_s) >= _TOLERATED_S:
        side = "behind" if behind_s > 0 else "ahead of"
        return f"this machine's clock is {abs(behind_s) / 60:.0f} min {side} the service's"
    return "this machine's clock differs from the service's" if code in _LATE else ""
