"""What a round of questions costs its server, as values: how many calls, and the price that is published.

A question declares its rule, or its server does for all of its questions:

    calls: ClassVar[Calls] = Calls(together=500, alike=("length_s",))

Equal questions are asked once a round, so a rule counts different ones. It tells the usual case: whoever
counts what really went out (an adapter's `round_trips`) corrects it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.kit.question import Question

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Price:
    """What a vendor publishes: dollars for so many calls (`of` "call") or for so many questions of them, such
    as the metrics that a call reads, as of a day; `where` is the vendor's page, which has the last word."""

    dollars: float
    units: int
    of: str
    where: str
    as_of: str

    @property
    def is_by_call(self) -> bool:
        return self.of == "call"


@dataclass(frozen=True, slots=True)
class Calls:
    """`together` different questions travel in one call where they have the attributes `alike` in common;
    each such part is `each` calls, 0 where nobody is called. `more` says in words what may come on top.
    """

    together: int = 1
    alike: tuple[str, ...] = ()
    each: int = 1
    more: str = ""
    price: Price | None = None

    def of(self, questions: int) -> int:
        """Calls of a round of so many different questions that are all alike."""
        return -(-questions // self.together) * self.each

    def per_day(self, questions: int, interval_s: float) -> float:
        return self.of(questions) * DAY_S / interval_s

    def dollars_per_day(self, questions: int, interval_s: float) -> float | None:
        """By the published price, without what is free of charge; None where none is known."""
        if self.price is None:
            return None
        units = self.of(questions) if self.price.is_by_call else questions
        return units * DAY_S / interval_s * self.price.dollars / self.price.units


EACH = Calls()
"""One call for each different question: what is taken for the rule where nobody declares another."""

NO_CALL = Calls(each=0)
"""Nobody is called: something that is watched anyway answers."""

ROUND = Calls(together=1_000)
"""One call, or one flight of them, for a whole round."""


def rule_of(question: Question) -> Calls:
    """The question's rule, else its server's."""
    rule = getattr(question, "calls", None) or getattr(question.server, "calls", None)
    return rule if isinstance(rule, Calls) else EACH


class Tally:
    """Counts the calls of a round as questions are added; an equal one costs nothing more."""

    __slots__ = ("_parts", "_questions", "calls")

    def __init__(self, questions: Iterable[Question] = ()) -> None:
        self._questions: set[Question] = set()
        self._parts: dict[tuple[Calls, tuple[object, ...]], int] = {}
        self.calls = 0
        self.fits(questions, None)

    def fits(self, questions: Iterable[Question], most: int | None) -> bool:
        """Adds them, unless that makes more than `most` calls in all; whether it did."""
        fresh = [one for one in dict.fromkeys(questions) if one not in self._questions]
        parts: dict[tuple[Calls, tuple[object, ...]], int] = {}
        more = 0
        for one in fresh:
            rule = rule_of(one)
            part = rule, tuple(getattr(one, name) for name in rule.alike)
            count = parts.get(part, self._parts.get(part, 0))
            parts[part] = count + 1
            more += rule.each if count % rule.together == 0 else 0
        if more and most is not None and self.calls + more > most:
            return False
        self._questions.update(fresh)
        self._parts.update(parts)
        self.calls += more
        return True

    @property
    def has_room(self) -> bool:
        """Whether some further question would cost nothing."""
        return any(count % rule.together for (rule, _), count in self._parts.items())


def calls_of(questions: Iterable[Question]) -> int:
    """The calls of one round of these questions."""
    return Tally(questions).calls
