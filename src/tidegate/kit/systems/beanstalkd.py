"""beanstalkd: whom to ask, and how many jobs are in a tube."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.systems.calls import ROUND, Calls

PORT = 11300


@dataclass(frozen=True, slots=True)
class BeanstalkdServer:
    """`address` is `host:port`. There is no login and no TLS. `dial_s` may lengthen the time to connect."""

    calls: ClassVar[Calls] = ROUND

    system: ClassVar[str] = "beanstalkd"

    address: str
    dial_s: float = 0.0

    def label(self) -> str:
        return f"beanstalkd {self.address}"


@dataclass(frozen=True, slots=True)
class TubeJobs:
    """How many jobs `tube` holds: the answer is a `JobCounts`, all zero for a tube that is not there.

    The tube's name must be a legal one (`is_tube`): it goes into a command as it is.
    """

    server: BeanstalkdServer
    tube: str


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Jobs by their state. A tube is there only while it holds jobs or somebody uses or watches it."""

    ready: int = 0
    reserved: int = 0
    delayed: int = 0


_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+/;.$_()")
_TUBE_LENGTH = 200


def is_tube(name: str) -> bool:
    """Whether beanstalkd takes this as a tube's name."""
    return 0 < len(name) <= _TUBE_LENGTH and not name.startswith("-") and _SIGNS.issuperset(name)
