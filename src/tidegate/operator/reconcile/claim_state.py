"""What the operator knows of a ScaledJob's claims. Lost with the process; broker and Jobs tell it again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tidegate.core.claims.values import ClaimDecision, ClaimMemory
from tidegate.kit.systems.claims import Delivery, Source


@dataclass(slots=True)
class ClaimState:
    """`bodies` are those of messages whose Job is still to be made, `told` problems that were told.

    `receipts` are those of messages that are held, where their source gives any; `unwritten` are messages
    whose Job does not carry the one of now yet. `is_marked`: the object carries our mark that it may have
    claims. `counts` are what was done, for metrics. `advice` is what somebody should know
    of the source, and `advised` what was told of that.
    """

    source: Source
    memory: ClaimMemory = field(default_factory=ClaimMemory)
    bodies: dict[str, Delivery] = field(default_factory=dict)
    decision: ClaimDecision | None = None
    receipts: dict[str, str] = field(default_factory=dict)
    unwritten: set[str] = field(default_factory=set)
    told: frozenset[str] = frozenset()
    is_marked: bool = False
    advice: str = ""
    advised: str = ""
    counts: Counter[str] = field(default_factory=Counter)
