"""The functions of a formula that run a predicate once per item.

Each iteration is paid for with the size of the predicate, so that loops in loops end by budget.
Source of names and results: the language definition of expr-lang 1.17.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tidegate.core.formula.budget import Frame, Trouble, charge, grow
from tidegate.core.formula.builtins import ordered
from tidegate.core.formula.operators import Ready, Run, binary
from tidegate.core.formula.types import ANY, BOOL, FLOAT, INT, Type, array_of, item_of
from tidegate.core.formula.values import described, truth


class Loop(NamedTuple):
    """A call, checked: what it walks over, the predicate (None: the item itself), where the item,
    its index and the accumulator lie in the frame, what an iteration costs, the argument after it."""

    name: str
    array: Ready
    predicate: Ready | None
    slots: tuple[int, int, int]
    cost: int
    extra: Ready | None
    at: int

    @property
    def item(self) -> Type:
        return item_of(self.array.type)

    def items(self, frame: Frame) -> list[Any]:
        value = self.array.run(frame)
        if type(value) is not list:
            raise Trouble(f"{self.name} needs an array, not {described(value)}", self.at)
        return value

    def results(
        self, frame: Frame, items: list[Any], *, is_backwards: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """Index by index, what the predicate says."""
        item_slot, index_slot, _ = self.slots
        run = self.predicate.run if self.predicate else None
        positions = range(len(items) - 1, -1, -1) if is_backwards else range(len(items))
        for index in positions:
            charge(frame, self.cost)
            frame[item_slot] = items[index]
            frame[index_slot] = index
            yield index, run(frame) if run else items[index]

    def hits(self, frame: Frame, items: list[Any], *, is_backwards: bool = False) -> Iterator[int]:
        """The indexes for which the predicate holds."""
        for index, result in self.results(frame, items, is_backwards=is_backwards):
            if truth(result, self.at):
                yield index


def _all(loop: Loop) -> Ready:
    return Ready(
        BOOL, lambda frame: all(truth(one, loop.at) for _, one in loop.results(frame, loop.items(frame)))
    )


def _any(loop: Loop) -> Ready:
    return Ready(BOOL, lambda frame: next(loop.hits(frame, loop.items(frame)), None) is not None)


def _none(loop: Loop) -> Ready:
    return Ready(BOOL, lambda frame: next(loop.hits(frame, loop.items(frame)), None) is None)


def _one(loop: Loop) -> Ready:
    return Ready(BOOL, lambda frame: sum(1 for _ in loop.hits(frame, loop.items(frame))) == 1)


def _count(loop: Loop) -> Ready:
    def run(frame: Frame) -> int:
        found = 0
        for _, result in loop.results(frame, loop.items(frame)):
            if truth(result, loop.at):
                found += 1
        return found

    return Ready(INT, run)


def _filter(loop: Loop) -> Ready:
    def run(frame: Frame) -> list[Any]:
        items = loop.items(frame)
        return [items[index] for index in loop.hits(frame, items)]

    return Ready(array_of(loop.item), run)


def _map(loop: Loop) -> Ready:
    assert loop.predicate is not None

    def run(frame: Frame) -> list[Any]:
        items = loop.items(frame)
        grow(frame, len(items))
        return [result for _, result in loop.results(frame, items)]

    return Ready(array_of(loop.predicate.type), run)


def _find(is_backwards: bool, wants_index: bool) -> Callable[[Loop], Ready]:
    def build(loop: Loop) -> Ready:
        def run(frame: Frame) -> Any:
            items = loop.items(frame)
            index = next(loop.hits(frame, items, is_backwards=is_backwards), None)
            return index if wants_index or index is None else items[index]

        return Ready(INT if wants_index else loop.item, run)

    return build


def _sum(loop: Loop) -> Ready:
    """Adds as `+` adds: integers stay integers, and nothing summed is 0."""
    kind = loop.predicate.type if loop.predicate else loop.item
    slot = loop.slots[2]
    zero: float | int = 0.0 if kind == FLOAT else 0
    value: Run = lambda frame: frame[slot + 1]  # noqa: E731
    total = binary(
        "+", Ready(kind, value), Ready(kind if kind.is_number else ANY, lambda frame: frame[slot]), loop.at
    )

    def run(frame: Frame) -> Any:
        frame[slot] = zero
        for _, result in loop.results(frame, loop.items(frame)):
            frame[slot + 1] = result
            frame[slot] = total.run(frame)
        return frame[slot]

    return Ready(kind if kind.is_number else ANY, run)


def _reduce(loop: Loop) -> Ready:
    assert loop.predicate is not None
    slot, predicate, extra = loop.slots[2], loop.predicate, loop.extra
    item_slot, index_slot, _ = loop.slots

    def run(frame: Frame) -> Any:
        items = loop.items(frame)
        start = 0
        if extra:
            frame[slot] = extra.run(frame)
        elif items:
            frame[slot], start = items[0], 1
        else:
            raise Trouble("reduce has nothing to begin with: the array is empty", loop.at)
        for index in range(start, len(items)):
            charge(frame, loop.cost)
            frame[item_slot] = items[index]
            frame[index_slot] = index
            frame[slot] = predicate.run(frame)
        return frame[slot]

    return Ready(ANY, run)


def _sort_by(loop: Loop) -> Ready:
    def run(frame: Frame) -> list[Any]:
        items = loop.items(frame)
        order = loop.extra.run(frame) if loop.extra else "asc"
        keys = [result for _, result in loop.results(frame, items)]
        return [items[position] for position in ordered(frame, keys, order)]

    return Ready(array_of(loop.item), run)


LOOPS: dict[str, Callable[[Loop], Ready]] = {
    "all": _all,
    "any": _any,
    "none": _none,
    "one": _one,
    "count": _count,
    "filter": _filter,
    "map": _map,
    "find": _find(is_backwards=False, wants_index=False),
    "findIndex": _find(is_backwards=False, wants_index=True),
    "findLast": _find(is_backwards=True, wants_index=False),
    "findLastIndex": _find(is_backwards=True, wants_index=True),
    "sum": _sum,
    "reduce": _reduce,
    "sortBy": _sort_by,
}
# Where the predicate (or, without one, the item) has to be true or false.
DECIDING = frozenset(LOOPS) - {"map", "sum", "reduce", "sortBy"}
# Where `#index` is known, and where `#acc` is.
INDEXED = frozenset(["map", "reduce"])
ACCUMULATING = frozenset(["reduce"])
