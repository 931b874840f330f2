"""A tree to something that runs: names are looked up, types are checked, closures are built.

Every part becomes a closure over the frame: slot 0 holds the remaining steps, then come the triggers
that the formula uses, then its variables. All mistakes are collected, each with its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidegate.core.formula import budget, nodes
from tidegate.core.formula.access import Nothing, call, cut, listed, member, wanted_arguments
from tidegate.core.formula.budget import Frame, Trouble
from tidegate.core.formula.builtins import ANYTHING, BUILTINS, NOT_OFFERED
from tidegate.core.formula.loops import ACCUMULATING, DECIDING, INDEXED, LOOPS, Loop
from tidegate.core.formula.operators import Mismatch, Ready, binary, unary, within
from tidegate.core.formula.types import (
    ANY,
    FLOAT,
    INT,
    MAP,
    Type,
    array_of,
    constant_type,
    item_of,
    joined,
    may_be,
)
from tidegate.core.formula.values import described, truth

ENVIRONMENT = "$env"
_MISTAKES = 10


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and at which offset of the source."""

    message: str
    at: int


@dataclass(frozen=True, slots=True)
class _Walk:
    """The predicate that is being lowered: of which function, over what, where its values lie."""

    name: str
    item: Type
    slots: tuple[int, int, int]


class Lowering:
    """Lowers one formula. `mistakes` is complete once `lower` has returned for the whole tree."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.mistakes: list[Mistake] = []
        # The slots of the triggers that are used, in order of their first use.
        self.used: dict[str, int] = {}
        self.slots = 1 + len(names)
        self.names = names
        self._variables: dict[str, tuple[Type, int]] = {}
        self._walks: list[_Walk] = []
        self._height = 0
        self._count = 0

    def lower(self, node: nodes.Node) -> Ready:
        self._count += 1
        self._height += 1
        try:
            if self._height > budget.HEIGHT:
                return self._wrong(
                    f"it has more than {budget.HEIGHT} operations in a row or in each other", node.at
                )
            if self._count > budget.NODES:
                return self._wrong(f"it has more than {budget.NODES} parts", node.at)
            return _LOWER[type(node)](self, node)
        except Mismatch as mismatch:
            return self._wrong(str(mismatch), node.at)
        finally:
            self._height -= 1

    def _wrong(self, message: str, at: int) -> Ready:
        # A name that is wrong everywhere, or a limit that is passed everywhere, is said once.
        if len(self.mistakes) < _MISTAKES and all(message != known.message for known in self.mistakes):
            self.mistakes.append(Mistake(message, at))
        return Ready(ANY, _never)

    def _slots(self, count: int) -> int:
        first = self.slots
        self.slots += count
        return first

    def constant(self, node: nodes.Constant) -> Ready:
        value = node.value
        return Ready(constant_type(value), lambda frame: value)

    def name(self, node: nodes.Name) -> Ready:
        if node.name in self._variables:
            kind, slot = self._variables[node.name]
            return Ready(kind, lambda frame: frame[slot])
        if node.name == ENVIRONMENT:
            return self._environment()
        return self._trigger(node.name, node.at)

    def _trigger(self, name: str, at: int) -> Ready:
        if name not in self.names:
            return self._wrong(self._unknown(name), at)
        slot = self.used.setdefault(name, 1 + self.names.index(name))
        return Ready(FLOAT, lambda frame: frame[slot])

    def _environment(self) -> Ready:
        for position, name in enumerate(self.names):
            self.used.setdefault(name, 1 + position)
        names = self.names

        def run(frame: Frame) -> dict[str, Any]:
            budget.grow(frame, len(names))
            return dict(zip(names, frame[1:], strict=False))

        return Ready(ANY, run)

    def _unknown(self, name: str) -> str:
        if name in BUILTINS or name in LOOPS:
            return f"`{name}` is a function: write {name}(…)"
        alike = [known for known in self.names if known.startswith(name) and not known.isidentifier()]
        if alike:
            return f'unknown name `{name}`: the trigger "{alike[0]}" is written {ENVIRONMENT}["{alike[0]}"]'
        if not self.names:
            return f"unknown name `{name}`: no trigger has a name"
        return f"unknown name `{name}`: the named triggers are {', '.join(self.names)}"

    def pointer(self, node: nodes.Pointer) -> Ready:
        walk = self._walks[-1]
        slots = dict(zip(("", "index", "acc"), walk.slots, strict=True))
        is_known = (
            node.name == ""
            or (node.name == "index" and walk.name in INDEXED)
            or (node.name == "acc" and walk.name in ACCUMULATING)
        )
        if not is_known:
            return self._wrong(f"`#{node.name}` has no meaning in {walk.name}", node.at)
        slot = slots[node.name]
        return Ready({"": walk.item, "index": INT}.get(node.name, ANY), lambda frame: frame[slot])

    def unary(self, node: nodes.Unary) -> Ready:
        return unary(node.operator, self.lower(node.operand), node.at)

    def binary(self, node: nodes.Binary) -> Ready:
        left = self.lower(node.left)
        if node.operator != "in" or not (
            isinstance(node.right, nodes.Binary) and node.right.operator == ".."
        ):
            return binary(node.operator, left, self.lower(node.right), node.at)
        first, last = self.lower(node.right.left), self.lower(node.right.right)
        array = binary("..", first, last, node.right.at)
        if may_be(left.type, ("int", "float")):
            return within(left, first, last)
        return binary("in", left, array, node.at)

    def conditional(self, node: nodes.Conditional) -> Ready:
        condition, then, otherwise = (
            self.lower(part) for part in (node.condition, node.then, node.otherwise)
        )
        if not may_be(condition.type, ("bool",)):
            return self._wrong(f"a condition is true or false, not {condition.type}", node.condition.at)
        test, one, other, at = condition.run, then.run, otherwise.run, node.condition.at
        return Ready(
            joined([then.type, otherwise.type]),
            lambda frame: one(frame) if truth(test(frame), at) else other(frame),
        )

    def let(self, node: nodes.Let) -> Ready:
        if node.name in self.names or node.name in self._variables or node.name == ENVIRONMENT:
            return self._wrong(f"`{node.name}` exists already: a variable needs a name of its own", node.at)
        if node.name in BUILTINS or node.name in LOOPS:
            return self._wrong(f"`{node.name}` is a function: a variable needs a name of its own", node.at)
        value = self.lower(node.value)
        slot = self._slots(1)
        self._variables[node.name] = (value.type, slot)
        body = self.lower(node.body)
        del self._variables[node.name]

        def run(frame: Frame) -> Any:
            frame[slot] = value.run(frame)
            return body.run(frame)

        return Ready(body.type, run)

    def sequence(self, node: nodes.Sequence) -> Ready:
        *first, last = (self.lower(part) for part in node.parts)

        def run(frame: Frame) -> Any:
            for part in first:
                part.run(frame)
            return last.run(frame)

        return Ready(last.type, run)

    def member(self, node: nodes.Member) -> Ready:
        key = node.key
        is_environment = isinstance(node.base, nodes.Name) and node.base.name == ENVIRONMENT
        if is_environment and isinstance(key, nodes.Constant) and isinstance(key.value, str):
            if node.is_optional and key.value not in self.names:
                return Ready(ANY, lambda frame: None)
            return self._trigger(key.value, key.at)
        base, index = self.lower(node.base), self.lower(key)
        kind = base.type.kind
        if kind == "map" and not may_be(index.type, ("string",)):
            return self._wrong(f"the keys of a map are strings, not {index.type}", key.at)
        if kind == "array" and not may_be(index.type, ("int",)):
            return self._wrong(f"an array is indexed by an integer, not by {index.type}", key.at)
        if kind not in ("map", "array", "any"):
            return self._wrong(f"{base.type} has no parts to choose from", node.at)
        return Ready(item_of(base.type), member(base.run, index.run, node.is_optional, node.at))

    def chain(self, node: nodes.Chain) -> Ready:
        body = self.lower(node.body)

        def run(frame: Frame) -> Any:
            try:
                return body.run(frame)
            except Nothing:
                return None

        return Ready(body.type, run)

    def slice(self, node: nodes.Slice) -> Ready:
        base = self.lower(node.base)
        if not may_be(base.type, ("array", "string")):
            return self._wrong(f"{base.type} has no parts to cut out", node.at)
        bounds = [self.lower(part) if part else None for part in (node.start, node.stop)]
        for bound, part in zip(bounds, (node.start, node.stop), strict=True):
            if bound and part and not may_be(bound.type, ("int",)):
                return self._wrong(f"the bounds of a slice are integers, not {bound.type}", part.at)
        first, last = (bound.run if bound else None for bound in bounds)
        return Ready(base.type, cut(base.run, first, last, node.at))

    def array(self, node: nodes.Array) -> Ready:
        items = [self.lower(item) for item in node.items]
        runs = [item.run for item in items]
        types = [item.type for item in items]
        is_one = bool(types) and all(one == types[0] and one.kind != "nil" for one in types)
        return Ready(array_of(types[0] if is_one else ANY), lambda frame: [run(frame) for run in runs])

    def map_of(self, node: nodes.MapOf) -> Ready:
        pairs = [(self.lower(key), self.lower(value)) for key, value in node.pairs]
        for (key, _), (key_node, _) in zip(pairs, node.pairs, strict=True):
            if not may_be(key.type, ("string",)):
                return self._wrong(f"the keys of a map are strings, not {key.type}", key_node.at)
        at = node.at

        def run(frame: Frame) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for key, value in pairs:
                name = key.run(frame)
                if type(name) is not str:
                    raise Trouble(f"the keys of a map are strings, not {described(name)}", at)
                found[name] = value.run(frame)
            return found

        return Ready(MAP, run)

    def call(self, node: nodes.Call) -> Ready:
        if node.name in LOOPS:
            return self._loop(node)
        arguments = [self.lower(argument) for argument in node.arguments]
        builtin = BUILTINS.get(node.name)
        if builtin is None:
            return self._wrong(self._no_function(node.name), node.at)
        most = None if builtin.is_open else len(builtin.takes)
        if len(arguments) < builtin.needed or (most is not None and len(arguments) > most):
            return self._wrong(wanted_arguments(node.name, builtin, len(arguments)), node.at)
        for position, argument in enumerate(arguments):
            takes = builtin.takes[min(position, len(builtin.takes) - 1)]
            if takes != ANYTHING and not may_be(argument.type, takes):
                return self._wrong(
                    f"{node.name} takes {listed(takes)}, not {argument.type}", node.arguments[position].at
                )
        result = builtin.gives([argument.type for argument in arguments])
        return Ready(result, call(node.name, builtin, [argument.run for argument in arguments], node.at))

    def _no_function(self, name: str) -> str:
        if name in NOT_OFFERED:
            return f"{name} is not offered: {NOT_OFFERED[name]}"
        if name in self.names or name in self._variables:
            return f"`{name}` is a number and cannot be called"
        return f"unknown function `{name}`"

    def _loop(self, node: nodes.Call) -> Ready:
        array = self.lower(node.arguments[0])
        if not may_be(array.type, ("array",)):
            return self._wrong(f"{node.name} takes an array, not {array.type}", node.arguments[0].at)
        # The item, its index, the accumulator, and a place for what is added to it.
        first = self._slots(4)
        slots = (first, first + 1, first + 2)
        predicate, before = None, self._count
        if node.predicate:
            self._walks.append(_Walk(node.name, item_of(array.type), slots))
            predicate = self.lower(node.predicate)
            self._walks.pop()
        cost = self._count - before + 1
        extra = self.lower(node.arguments[1]) if len(node.arguments) > 1 else None
        result = predicate.type if predicate else item_of(array.type)
        at = node.predicate.at if node.predicate else node.at
        if node.name in DECIDING and not may_be(result, ("bool",)):
            return self._wrong(f"the predicate of {node.name} must give true or false, not {result}", at)
        if node.name == "sum" and not may_be(result, ("int", "float")):
            return self._wrong(f"sum needs numbers, not {result}", at)
        if node.name == "sortBy" and extra and not may_be(extra.type, ("string",)):
            return self._wrong(f"the order of sortBy is a string, not {extra.type}", node.arguments[1].at)
        return LOOPS[node.name](Loop(node.name, array, predicate, slots, cost, extra, node.at))


_LOWER: dict[type, Callable[[Lowering, Any], Ready]] = {
    nodes.Constant: Lowering.constant,
    nodes.Name: Lowering.name,
    nodes.Pointer: Lowering.pointer,
    nodes.Unary: Lowering.unary,
    nodes.Binary: Lowering.binary,
    nodes.Conditional: Lowering.conditional,
    nodes.Let: Lowering.let,
    nodes.Sequence: Lowering.sequence,
    nodes.Member: Lowering.member,
    nodes.Chain: Lowering.chain,
    nodes.Slice: Lowering.slice,
    nodes.Array: Lowering.array,
    nodes.MapOf: Lowering.map_of,
    nodes.Call: Lowering.call,
}


def _never(frame: Frame) -> Any:
    raise Trouble("a formula with mistakes does not run")
