"""What can be seen of a program from outside: /proc, its broker's counters, the API server's audit log."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from bench.machine import rss_mb

TICKS_S = os.sysconf("SC_CLK_TCK")
# A read of the counters is a command, too.
OWN_COMMANDS = 1
READING = frozenset({"get", "list", "watch"})
EVENTS, LEASES = "events", "leases"


@dataclass(frozen=True, slots=True)
class Seen:
    """A process."""

    pid: int

    @property
    def cpu_s(self) -> float:
        """Processor time since its start, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_S

    @property
    def rss_mb(self) -> float:
        return rss_mb(self.pid)


@dataclass(frozen=True, slots=True)
class Deed:
    """A request as the audit log has it: when it came (seconds since the epoch), and what it was for."""

    at_s: float
    verb: str
    resource: str
    name: str

    @property
    def is_write(self) -> bool:
        return self.verb not in READING

    @property
    def is_of_objects(self) -> bool:
        """No event and no Lease: those are told beside the work."""
        return self.resource not in (EVENTS, LEASES)


@dataclass(slots=True)
class Audit:
    """The audit log, read on from where it was read last. Without a file nothing is known."""

    file: Path | None
    _read: int = 0
    _known: set[str] = field(default_factory=set)

    @property
    def is_kept(self) -> bool:
        return self.file is not None

    def news(self) -> list[Deed]:
        """Each request once, although a watch is written down at its begin and its end."""
        if self.file is None or not self.file.exists():
            return []
        with self.file.open("rb") as log:
            log.seek(self._read)
            lines = log.readlines()
        found = []
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._read += len(line)
            one = json.loads(line)
            if one["auditID"] not in self._known:
                self._known.add(one["auditID"])
                found.append(_deed(one))
        return found


def _deed(one: dict[str, Any]) -> Deed:
    about = one.get("objectRef") or {}
    kind = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
    at_s = datetime.fromisoformat(one["requestReceivedTimestamp"]).timestamp()
    return Deed(at_s, one["verb"], kind, about.get("name", ""))


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted between two moments."""

    minutes: float
    cpu_s: dict[str, float]
    rss_mb: dict[str, float]
    commands: int
    connections: int
    deeds: list[Deed]

    def requests(self) -> Counter[str]:
        return Counter(f"{one.verb} {one.resource}" for one in self.deeds)


class Watched:
    """Counts from its making on."""

    def __init__(self, processes: dict[str, Seen], queue: redis.Redis, audit: Audit) -> None:
        self._processes = processes
        self._queue = queue
        self._audit = audit
        audit.news()
        self._began_s = time.monotonic()
        self._cpu_s = {name: one.cpu_s for name, one in processes.items()}
        self._commands = self._processed()

    def window(self) -> Window:
        """Until now."""
        commands = self._processed() - self._commands - OWN_COMMANDS
        # Our own is one of them.
        connections = int(self._queue.info("clients")["connected_clients"]) - 1
        return Window(
            (time.monotonic() - self._began_s) / 60,
            {name: one.cpu_s - self._cpu_s[name] for name, one in self._processes.items()},
            {name: one.rss_mb for name, one in self._processes.items()},
            commands,
            connections,
            self._audit.news(),
        )

    def _processed(self) -> int:
        return int(self._queue.info("stats")["total_commands_processed"])
