"""What an error code in a broker's reply means to whoever asked."""

from __future__ import annotations

from aiokafka.errors import for_code

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported


class Stale(Unreachable):
    """Another broker is in charge by now, or nobody yet: worth asking anew who is, once."""


UNKNOWN_TOPIC, GROUP_NOT_FOUND = 3, 69

_STALE = {
    5: "the partition has no leader just now",
    6: "another broker leads the partition by now",
    9: "the broker has no copy of the partition yet",
    13: "the broker is in the middle of a change of leaders",
    14: "the group's coordinator is still loading",
    15: "the group has no coordinator just now",
    16: "another broker coordinates the group by now",
    56: "the broker's disk failed",
    74: "another broker leads the partition by now",
    76: "the leader is not known yet",
    78: "the partition's end is not known yet",
}
_DENIED = {
    29: "give the user the right to describe the topic",
    30: "give the user the right to describe the group",
    31: "give the user the right to describe the cluster",
}
_MISCONFIGURED = {
    17: "it is no topic's name",
    24: "it is no group's name",
    42: "the broker calls the request invalid",
}


def refusal(code: int, attempted: str, on: str) -> TidegateError:
    """The error that stands for `code`, which is not 0."""
    if code in _STALE:
        return Stale(attempted, on=on, answer=_STALE[code], next_step="it will be asked again")
    if code == UNKNOWN_TOPIC:
        step = "create the topic, or check `topic`"
        return Misconfigured(attempted, on=on, answer="there is no such topic", next_step=step)
    if code in _DENIED:
        return Denied(attempted, on=on, answer="the user may not", next_step=_DENIED[code])
    if code in _MISCONFIGURED:
        return Misconfigured(attempted, on=on, answer=_MISCONFIGURED[code])
    name = str(getattr(for_code(code), "message", "")) or "no known error"
    if code == 35:
        return Unsupported(attempted, on=on, answer="the broker does not speak the request's version")
    if code == 7:
        return Unreachable(attempted, on=on, answer="the broker says that it timed out")
    return Malformed(attempted, on=on, answer=f"error {code} ({name})")
