"""The machine that the figures are of, in a few words."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def description() -> dict[str, Any]:
    """What a reader must know to compare: processors, memory, system, Python, and what else was running."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processors": f"{len(os.sched_getaffinity(0))} × {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load before": load(),
    }


def load() -> str:
    """Programs that wanted a processor in the last one and fifteen minutes: what else was running."""
    last, _, longer = os.getloadavg()
    return f"{last:.1f} (1 min), {longer:.1f} (15 min)"


def slug() -> str:
    """The machine as part of a file name."""
    words = (
        f"{len(os.sched_getaffinity(0))}x {_processor()} py{'.'.join(platform.python_version_tuple()[:2])}"
    )
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")


def rss_mb(pid: int | str = "self", field: str = "VmRSS") -> float:
    """Resident memory of a process in megabytes (10⁶ bytes); `VmHWM` is its highest so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"/proc/{pid}/status has no {field}")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return re.sub(r"\(R\)|\(TM\)|CPU|Processor|@.*", "", line.partition(":")[2]).strip()
    except OSError:
        pass
    return platform.machine()
