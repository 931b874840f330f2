"""What a trigger that follows the clock will say next: it can be computed, since it asks nobody."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from tidegate.base import cron
from tidegate.core.values import NextReading
from tidegate.kit.question import ASK, Question, drive
from tidegate.kit.scaler import Clocked, Measured


def next_reading(scaler: Clocked, now: datetime) -> NextReading:
    """Its next moment, and what it says from then on."""
    at = scaler.next_change(now)
    if at is None:
        return NextReading()
    said: Measured | float = drive(scaler.measure(ASK, at), _unasked)
    measured = said if isinstance(said, Measured) else Measured((said,))
    return NextReading(at, measured.values, measured.active, cron.wall(at, scaler.zone()))


def _unasked(question: Question) -> NoReturn:
    raise TypeError(f"a trigger that follows the clock asks {question}")
