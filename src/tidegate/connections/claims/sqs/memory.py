"""What the writer of SQS remembers, so that a command that comes again is not done twice.

Nothing rests on it: a process that knows none of it keeps every promise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidegate.connections.claims.sqs.answers import Extras, Receipt, Redrive, read_receipt

_MOST = 10_000
# Of what dead letters would take along; what is forgotten is received again.
_EXTRAS_BYTES = 8 << 20
# A redrive policy is read again after this.
_REDRIVE_S = 3600.0
# A FIFO queue repeats an answer that was lost for five minutes.
_REPEATED_S = 240.0

Key = tuple[str, str, str]
"""Holder, queue and identity."""


class Memory:
    """`sent` are dead letters that were sent, and whether they are off their queue, too."""

    def __init__(self) -> None:
        self.sent: dict[Key, bool] = {}
        self._extras: dict[Key, Extras] = {}
        self._extras_bytes = 0
        self._shown: dict[str, float] = {}
        self._redrives: dict[str, tuple[float, Redrive]] = {}
        self._unheard: dict[tuple[str, str], tuple[float, str]] = {}

    def receipt(self, text: str, now_s: float) -> Receipt | None:
        """As it stands on a Job, but for messages that were shown to others since it was written there."""
        receipt = read_receipt(text, now_s)
        if receipt is not None and receipt.handle in self._shown:
            return replace(receipt, until_s=min(receipt.until_s, self._shown[receipt.handle]))
        return receipt

    def shown(self, handle: str, at_s: float) -> None:
        """Others may have received the message from then on."""
        _put(self._shown, handle, at_s)

    def is_sent(self, key: Key, *, is_off: bool) -> None:
        """The message is among the dead letters, and off its queue or not yet."""
        _put(self.sent, key, is_off)
        if is_off:
            self._drop(key)

    def extras(self, key: Key) -> Extras | None:
        return self._extras.get(key)

    def keep(self, key: Key, extras: Extras) -> None:
        """What a dead letter would take along."""
        self._drop(key)
        self._extras[key] = extras
        self._extras_bytes += extras.size
        while len(self._extras) > 1 and (self._extras_bytes > _EXTRAS_BYTES or len(self._extras) > _MOST):
            self._drop(next(iter(self._extras)))

    def _drop(self, key: Key) -> None:
        gone = self._extras.pop(key, None)
        self._extras_bytes -= gone.size if gone is not None else 0

    def redrive(self, queue: str, now_s: float) -> Redrive | None:
        """The policy of a queue, where it was read not long ago."""
        at_s, found = self._redrives.get(queue, (0.0, None))
        return found if 0 <= now_s - at_s < _REDRIVE_S else None

    def read(self, queue: str, redrive: Redrive, now_s: float) -> None:
        _put(self._redrives, queue, (now_s, redrive))

    def unheard(self, holder: str, queue: str, now_s: float) -> str:
        """The name of an attempt whose answer was lost, once; "" without one."""
        at_s, name = self._unheard.pop((holder, queue), (0.0, ""))
        return name if 0 <= now_s - at_s < _REPEATED_S else ""

    def lost(self, holder: str, queue: str, attempt: str, now_s: float) -> None:
        """The answer to an attempt was lost."""
        _put(self._unheard, (holder, queue), (now_s, attempt))


def _put(remembered: dict[Any, Any], key: Any, value: Any) -> None:
    remembered.pop(key, None)
    remembered[key] = value
    if len(remembered) > _MOST:
        del remembered[next(iter(remembered))]
