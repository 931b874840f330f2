"""Channels that an annotation names: which trigger listens to which, and what of it does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate import scalers
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem
from tidegate.core.listening import Listener, channel_of, listen_problems
from tidegate.kit.scaler import Pushed


def channel_for(object: ScaledObject | ScaledJob, index: int) -> str:
    """The channel on which the server of this trigger tells of changes; "" where none is named."""
    annotations = object.metadata.annotations
    return channel_of(annotations, _listeners(object), index) if annotations else ""


def listen_notices(object: ScaledObject | ScaledJob) -> Iterator[Problem]:
    """What of the annotation cannot be read, or is for nobody."""
    yield from listen_problems(object.metadata.annotations, _listeners(object))


def _listeners(object: ScaledObject | ScaledJob) -> tuple[Listener, ...]:
    found = []
    for one in object.spec.triggers:
        kind = scalers.find(one.type)
        if kind is not None and issubclass(kind, Pushed) and kind.has_channels:
            found.append(Listener(one.name or "", one.type, True, kind.longest_channel))
        else:
            found.append(Listener(one.name or "", one.type, False))
    return tuple(found)
