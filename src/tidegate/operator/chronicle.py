"""The last changes of each object's number, with their reasons: kept across restarts where there is a folder.

A file per object, a line per change. Losing the last line with a crash loses nothing that decides.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tidegate.base.sentences import counted
from tidegate.base.times import format_time
from tidegate.core.values import CreateJobs, Decision, DeleteJobs, Reason, SetReplicas

Entry = dict[str, Any]
KEPT = 100


class Chronicle:
    """`folder` None: kept in memory only (in a cluster, events tell the rest)."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._entries: dict[str, list[Entry]] = {}
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, uid: str, entry: Entry) -> None:
        """Keeps a change; the oldest beyond the last hundred go."""
        entries = self.of(uid)
        entries.append(entry)
        is_long = len(entries) > 2 * KEPT
        if is_long:
            del entries[:-KEPT]
        if self._folder is None:
            return
        lines = entries if is_long else [entry]
        text = b"".join(msgspec.json.encode(one) + b"\n" for one in lines)
        # Explaining must not keep anybody from scaling: a full disk costs history, not decisions.
        with suppress(OSError), self._file(uid).open("wb" if is_long else "ab") as file:
            file.write(text)

    def of(self, uid: str) -> list[Entry]:
        """The changes kept, oldest first."""
        if uid not in self._entries:
            self._entries[uid] = self._read(uid)
        return self._entries[uid]

    def forget(self, uid: str) -> None:
        """The object is gone for good."""
        self._entries.pop(uid, None)
        if self._folder is not None:
            with suppress(OSError):
                self._file(uid).unlink(missing_ok=True)

    def _file(self, uid: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{uid}.jsonl"

    def _read(self, uid: str) -> list[Entry]:
        """A line that a crash cut short is left out."""
        entries: list[Entry] = []
        if self._folder is None:
            return entries
        with suppress(OSError):
            for line in self._file(uid).read_bytes().splitlines():
                with suppress(msgspec.DecodeError):
                    entries.append(msgspec.json.decode(line))
        return entries


def change(decision: Decision, previous: int | None, current: int | None, now: datetime) -> Entry | None:
    """The line about a decision: what it did to the number, or found done to it; None for nothing."""
    acts: list[str] = []
    for action in decision.actions:
        if isinstance(action, SetReplicas):
            acts.append(f"{action.previous} → {counted(action.replicas, 'replica')}")
        if isinstance(action, CreateJobs):
            acts.append(f"{counted(action.count, 'Job')} created in round {action.round}")
        if isinstance(action, DeleteJobs):
            acts.append(f"{counted(len(action.names), 'Job')} deleted ({action.why})")
    reasons = [reason_values(one) for one in decision.reasons]
    if not acts and previous is not None and current is not None and previous != current:
        acts.append(f"{previous} → {counted(current, 'replica')}, by the HPA or by hand")
    return {"at": format_time(now), "what": "; ".join(acts), "reasons": reasons} if acts else None


def reason_values(reason: Reason) -> Entry:
    """A reason as plain values."""
    return {"code": reason.code, "text": reason.text, "numbers": dict(reason.numbers)}
