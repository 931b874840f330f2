"""The annotation that names channels on which a trigger's server tells of changes.

tidegate.dev/listen: orders                             of the only trigger that can listen
tidegate.dev/listen: waiting=orders, mail=mail_changed  of triggers by their names
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.base.problems import Problem
from tidegate.base.spelling import hint

LISTEN = "tidegate.dev/listen"
_PATH = f"metadata.annotations.{LISTEN}"

_CHANNEL = re.compile(r"[^\s,=\"\0]+")


@dataclass(frozen=True, slots=True)
class Listener:
    """A trigger as the annotation may mean it; `can_listen`: its type's server has channels, whose names have
    `longest` bytes at most.
    """

    name: str
    type: str
    can_listen: bool
    longest: int = 63


def channel_of(annotations: Mapping[str, str] | None, listeners: Sequence[Listener], index: int) -> str:
    """The channel that was named for this trigger, "" where there is none that can be read."""
    return _read(annotations, listeners)[0].get(index, "")


def listen_problems(
    annotations: Mapping[str, str] | None, listeners: Sequence[Listener]
) -> Iterator[Problem]:
    """What of the annotation cannot be read, or is for nobody."""
    yield from (Problem(_PATH, text) for text in _read(annotations, listeners)[1])


def _read(
    annotations: Mapping[str, str] | None, listeners: Sequence[Listener]
) -> tuple[dict[int, str], list[str]]:
    """Channels by the index of their triggers, and what is wrong."""
    found: dict[int, str] = {}
    wrong: list[str] = []
    text = (annotations or {}).get(LISTEN)
    for entry in text.split(",") if text is not None else ():
        name, is_named, channel = (part.strip() for part in entry.rpartition("="))
        place = _place(name if is_named else None, listeners)
        if not _CHANNEL.fullmatch(channel):
            wrong.append(
                f'"{entry.strip()}" names no channel; write one, or trigger=channel with commas between'
            )
        elif isinstance(place, str):
            wrong.append(place)
        elif len(channel.encode()) > (longest := listeners[place].longest):
            wrong.append(f'"{channel}" is longer than a channel may be, {longest} bytes')
        elif place in found:
            wrong.append(
                f'"{entry.strip()}" is a second channel of trigger {place}; a trigger listens to one'
            )
        else:
            found[place] = channel
    return found, wrong


def _place(name: str | None, listeners: Sequence[Listener]) -> int | str:
    """Which trigger is meant; a text where it is none, or nobody knows which."""
    able = [place for place, one in enumerate(listeners) if one.can_listen]
    if name is None:
        if len(able) == 1:
            return able[0]
        if not able:
            return "has no effect: no trigger's server has channels to listen to, as postgresql has"
        return f"{len(able)} triggers could listen: write which, as in trigger=channel, by their names"
    named = [place for place, one in enumerate(listeners) if one.name == name and name]
    if not named:
        known = [listeners[place].name for place in able if listeners[place].name]
        return f'no trigger has the name "{name}"{hint(name, known)}'
    if named[0] not in able:
        return f'has no effect on "{name}": servers of {listeners[named[0]].type} have no channels'
    return named[0]
