"""An object that does not fit its kind, read as far as it can be.

KEDA's CRDs, older ones above all, let things be stored that no type of ours holds. What was read wrongly
must not count: where the rest could mean another number, the spec is held.

    lost                                 what becomes of it
    the HPA's name or behavior           the HPA stays as it is, or is not made; zero and one go on
    a trigger                            it is broken, the others go on
    pollingInterval, status              the rest goes on
    anything else in the spec            the spec as it was last understood; without one, nothing is done
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from tidegate.api.decode import decode_as
from tidegate.api.kinds import API_VERSION
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.schema.structural import prune, validate
from tidegate.api.validation.problems import schema_of
from tidegate.api.validation.readable_part import ReadablePart, readable_part
from tidegate.api.wire import without_nulls
from tidegate.base.errors import Misconfigured
from tidegate.base.problems import Problem, join

_HPA = "spec.advanced.horizontalPodAutoscalerConfig"
_SPARED = re.compile(
    rf"(status|{re.escape(_HPA)}|spec\.pollingInterval|spec\.triggers\[[0-9]+\])(\..*|\[.*)?"
)

_HELD = "nothing is done for the object until this is mended"
_BEFORE = "until this is mended the spec from before counts"

Watched = TypeVar("Watched", ScaledObject, ScaledJob)


@dataclass(frozen=True, slots=True)
class Misread:
    """What of an object could not be read: its problems, and where it says something else than was written.

    `is_held`: too much is lost, and there is no earlier spec to go by. `state` is what counts until it is
    mended.
    """

    problems: tuple[Problem, ...]
    lost: tuple[str, ...] = ()
    is_held: bool = False
    state: str = ""

    @property
    def text(self) -> str:
        return "; ".join(part for part in (join(self.problems), self.state) if part)

    @property
    def is_hpa_lost(self) -> bool:
        """Whether nobody knows what the HPA should be."""
        return any(path.startswith(_HPA) for path in self.lost)

    def of_trigger(self, index: int) -> tuple[Problem, ...]:
        """What is wrong with a trigger that says something else than was written; none where it does not."""
        place = f"spec.triggers[{index}]"
        if not any(_is_at(path, place) for path in self.lost):
            return ()
        found = tuple(one for one in self.problems if _is_at(one.path, place))
        return found or (Problem(place, "it cannot be read as it was written"),)

    def speaks_of(self, problem: Problem) -> bool:
        """Whether the problem is one of a value that nobody wrote."""
        return ReadablePart({}, self.lost).is_lost(problem)


def read_partly(
    raw: bytes | dict[str, Any], kind: type[Watched], last: Watched | None, before: Misread | None = None
) -> tuple[Watched, Misread]:
    """The object as far as it can be read; `last` is how it was last seen, with what was misread of it
    `before`.

    Misconfigured where not even a name can be found.
    """
    body = _plain(raw, kind)
    schema = schema_of(kind.KIND.name)
    prune(schema, body)
    found = [one for one in validate(schema, body) if not one.path.startswith("status")]
    readable = readable_part(body)
    object = decode_as(kind, readable.body)
    problems = tuple(found) or _first(raw, kind)
    is_spared = all(_SPARED.fullmatch(path) for path in readable.lost)
    if is_spared or object.metadata.deletion_timestamp:
        return object, Misread(problems, readable.lost)
    is_known = last is not None and last.metadata.uid == object.metadata.uid
    if last is None or not is_known or (before is not None and before.is_held):
        return object, Misread(problems, readable.lost, is_held=True, state=_HELD)
    # The old spec with its generation: nothing is rolled out for an edit that nobody could read.
    metadata = msgspec.structs.replace(object.metadata, generation=last.metadata.generation)
    kept = msgspec.structs.replace(object, metadata=metadata, spec=last.spec)
    lost = before.lost if before is not None else ()
    return kept, Misread(problems, lost, state=_BEFORE)


def _plain(raw: bytes | dict[str, Any], kind: type[Watched]) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(raw) if isinstance(raw, bytes) else raw
    except msgspec.DecodeError as error:
        raise Misconfigured(f"read {kind.__name__}", answer=str(error)) from error
    if not isinstance(body, dict):
        raise Misconfigured(f"read {kind.__name__}", answer="it is no object")
    plain: dict[str, Any] = without_nulls({**body, "apiVersion": API_VERSION, "kind": kind.KIND.name})
    return plain


def _first(raw: bytes | dict[str, Any], kind: type[Watched]) -> tuple[Problem, ...]:
    """What the type alone refuses; none where only a status that is ours to write is wrong."""
    body = _plain(raw, kind)
    body.pop("status", None)
    try:
        decode_as(kind, body)
    except Misconfigured as error:
        return (Problem("", error.answer),)
    return ()


def _is_at(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}.")
