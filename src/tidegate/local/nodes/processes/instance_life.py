"""What a server did to a running instance, written down beside it before it does more.

`<instance>/life` is there so that the next server neither begins a hook a second time nor grants a
grace period anew. One server writes it at a time: the one that holds the directory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import msgspec

FILE = "life"


@dataclass(slots=True)
class Life:
    """Moments are epoch seconds, 0 for not yet.

    `until` is when a stop that has begun turns to force; `pre_stop_at` when its hook began.
    """

    post_start: Literal["", "begun", "done", "failed"] = ""
    until: float = 0.0
    pre_stop_at: float = 0.0
    is_pre_stop_done: bool = False
    signalled_at: float = 0.0

    @classmethod
    def read(cls, instance: Path) -> Life:
        try:
            return msgspec.json.decode((instance / FILE).read_bytes(), type=cls)
        except (FileNotFoundError, msgspec.DecodeError):  # the latter: shortly before power was lost
            return cls()

    def write(self, instance: Path) -> None:
        """A disk that is full costs the next server its knowledge, not this one its work."""
        fresh = instance / f"{FILE}.new"
        with suppress(OSError):
            fresh.write_bytes(msgspec.json.encode(asdict(self)))
            os.replace(fresh, instance / FILE)
