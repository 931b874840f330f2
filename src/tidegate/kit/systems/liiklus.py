"""Liiklus: how far a group is behind a topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tidegate.base.errors import Malformed


@dataclass(frozen=True, slots=True)
class LiiklusServer:
    """`host:port` of its gRPC, which is never encrypted."""

    system: ClassVar[str] = "liiklus"

    address: str

    def label(self) -> str:
        return f"Liiklus {self.address}"


@dataclass(frozen=True, slots=True)
class GroupOffsets:
    """Of each partition of a topic its end and what the group has acknowledged, None where it has nothing."""

    server: LiiklusServer
    topic: str
    group: str
    version: int


def group_lag(answer: Any, threshold: int, question: GroupOffsets) -> int:
    """What the group has still to read, no more than one replica for each partition could be given.

    Malformed where it has acknowledged more than there is: the topic was made anew.
    """
    is_offsets = isinstance(answer, tuple) and all(isinstance(one, tuple) and len(one) == 2 for one in answer)
    if not is_offsets:
        raise _malformed(question, f"a {type(answer).__name__} where offsets were expected", "")
    total = 0
    for end, done in answer:
        if done is not None and done > end:
            step = "check whether the topic was made anew, and reset the group"
            raise _malformed(question, "the group has acknowledged more than there is", step)
        total += end - (done or 0)
    if total // threshold > len(answer):
        return threshold * len(answer)
    return int(total)


def _malformed(question: GroupOffsets, answer: str, step: str) -> Malformed:
    return Malformed("read the lag", on=question.server.label(), answer=answer, next_step=step)
