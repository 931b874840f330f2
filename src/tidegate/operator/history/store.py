"""The last changes of each object, with their reasons: kept across restarts where there is a folder.

A file per object, a line per change. Losing the last line with a crash loses nothing that decides. A line
with the number of an earlier one takes its place.

    at, since, count      the last moment, the first one, and how often it happened
    code, what            a word for programs, a sentence for people
    reasons               those of the decision that did it, or what was wrong
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tidegate.base.times import format_time
from tidegate.core.reasons import Code
from tidegate.core.values import Reason

Entry = dict[str, Any]
KEPT = 100
# What comes and goes by turns is counted on this far back; of what scales, each moment is of interest.
TURNS = 4
STEPS = frozenset({"Scaled", "ScaledByHpa", "ScaledByOthers", "Edited", "Paused", "Unpaused"})
# Rounds of Jobs never use up the lines that say what changed around them.
OF_JOBS = frozenset({"JobsCreated", "JobsDeleted"})
KEPT_OF_JOBS = KEPT // 2
_ROUND = re.compile(r" in round [0-9]+")
_NUMBER = re.compile(r"[0-9]+")


class HistoryStore:
    """`folder` None: kept in memory only (in a cluster, events tell the rest)."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._entries: dict[str, list[Entry]] = {}
        self._lines: dict[str, int] = {}
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, uid: str, entry: Entry) -> Entry:
        """Keeps a change, the repetition of one as its count; of more than a hundred the oldest go."""
        entries = self._known(uid)
        number = max((one["n"] for one in entries), default=0) + 1
        added = {"n": number, "since": entry.get("at"), "count": 1, **entry}
        reach = 1 if entry.get("code") in STEPS else TURNS
        same = _repeated(entries[-reach:], entry)
        if same is not None:
            entries.remove(same)
            added |= {"n": same["n"], "since": same["since"], "count": same["count"] + 1}
        entries.append(added)
        _trim(entries)
        self._write(uid, added)
        return added

    def correct(self, uid: str, entry: Entry, **fields: Any) -> None:
        """What was told of a change is known better now."""
        entry |= fields
        self._write(uid, entry)

    def of(self, uid: str) -> list[Entry]:
        """The changes kept, oldest first."""
        return [{key: value for key, value in one.items() if key != "n"} for one in self._known(uid)]

    def forget(self, uid: str) -> None:
        """The object is gone for good."""
        self._entries.pop(uid, None)
        self._lines.pop(uid, None)
        if self._folder is not None:
            with suppress(OSError):
                self._file(uid).unlink(missing_ok=True)

    def _known(self, uid: str) -> list[Entry]:
        if uid not in self._entries:
            self._entries[uid] = self._read(uid)
        return self._entries[uid]

    def _write(self, uid: str, entry: Entry) -> None:
        """A line more; the whole file anew when it has become long."""
        if self._folder is None:
            return
        self._lines[uid] = self._lines.get(uid, 0) + 1
        is_long = self._lines[uid] > 2 * KEPT
        lines = self._entries[uid] if is_long else [entry]
        if is_long:
            self._lines[uid] = len(lines)
        text = b"".join(msgspec.json.encode(one) + b"\n" for one in lines)
        # Explaining must not keep anybody from scaling: a full disk costs history, not decisions.
        with suppress(OSError), self._file(uid).open("wb" if is_long else "ab") as file:
            file.write(text)

    def _file(self, uid: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{uid}.jsonl"

    def _read(self, uid: str) -> list[Entry]:
        """A line that a crash cut short is left out; those of older versions lack a few fields."""
        entries: dict[int, Entry] = {}
        if self._folder is None:
            return []
        with suppress(OSError):
            for line in self._file(uid).read_bytes().splitlines():
                with suppress(msgspec.DecodeError):
                    read: Entry = msgspec.json.decode(line)
                    number = read.get("n", len(entries) + 1)
                    defaults = {"n": number, "since": read.get("at"), "count": 1, "code": "Changed"}
                    entries[number] = {**defaults, "reasons": [], **read}
                self._lines[uid] = self._lines.get(uid, 0) + 1
        found = sorted(entries.values(), key=lambda one: (one.get("at") or "", one["n"]))
        _trim(found)
        return found


def _trim(entries: list[Entry]) -> None:
    """Down to a hundred lines: first the oldest of Jobs where those are more than half, then the oldest."""
    while len(entries) > KEPT:
        of_jobs = [number for number, one in enumerate(entries) if one.get("code") in OF_JOBS]
        del entries[of_jobs[0] if len(of_jobs) > KEPT_OF_JOBS else 0]


def _repeated(last: list[Entry], entry: Entry) -> Entry | None:
    """The line that this one repeats. What ended in between begins anew, or nobody sees how long."""
    for one in reversed(last):
        if _is_same(one, entry):
            return one
        if _subject(one) is not None and _subject(one) == _subject(entry):
            return None
    return None


def _subject(entry: Entry) -> tuple[str, Any] | None:
    """What begins and ends with lines of its own: a trigger's outage, a metric's fallback, Ready."""
    code = str(entry.get("code"))
    if code in ("Ready", "NotReady"):
        return "ready", None
    if code.startswith("Outage"):
        return "outage", entry.get("trigger")
    return ("fallback", entry.get("name")) if code.startswith("Fallback") else None


def _is_same(one: Entry, other: Entry) -> bool:
    """Whether a person would read the same again; of Jobs, the number of their round apart."""
    texts = [_ROUND.sub("", str(each.get("what"))) for each in (one, other)]
    return one.get("code") == other.get("code") and texts[0] == texts[1] and _why(one) == _why(other)


def _why(entry: Entry) -> list[str]:
    """The texts of the reasons. While Jobs fail one by one each round counts on: then without numbers."""
    reasons = entry.get("reasons") or ()
    texts = [str(one["text"]) for one in reasons]
    is_failing = any(one.get("code") == Code.JOBS_FAILING for one in reasons)
    return [_NUMBER.sub("", one) for one in texts] if is_failing else texts


def entry(now: datetime, code: str, what: str, reasons: list[Entry] | None = None, **more: Any) -> Entry:
    """A change of now; `more` are fields that a restart reads."""
    return {"at": format_time(now), "code": code, "what": what, "reasons": reasons or [], **more}


def reason_values(reason: Reason) -> Entry:
    """A reason as plain values."""
    return {"code": reason.code, "text": reason.text, "numbers": dict(reason.numbers)}
