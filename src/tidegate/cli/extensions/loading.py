"""From names that are allowed to trigger types: an entry point, its import, and whether it fits.

A package offers a type by an entry point of the group `tidegate.scalers` that is called after the type, and
its systems' connections by entry points of the group `tidegate.connections`. Whoever loads a package runs
its code in this process, with its secrets in reach: nothing is imported that was not allowed by name.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from tidegate import kit, scalers
from tidegate.base.errors import Misconfigured
from tidegate.connections import pool
from tidegate.kit.scaler import Native, Polled, Scaler

SCALERS = "tidegate.scalers"
CONNECTIONS = "tidegate.connections"
IMPORT_S = 10.0
"""An import that takes longer is given up; its thread may go on, and nobody waits for it."""

_API = re.compile(r"(\d+)\.(\d+)")


class Broken(Exception):
    """Why a type cannot be used; told with each of its triggers."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A trigger type that an installed package would bring; `package`: its distribution and version."""

    trigger_type: str
    package: str


def offered() -> tuple[Offered, ...]:
    """What the installed packages would bring; nothing of them is imported."""
    return tuple(Offered(one.name, _package(one)) for one in sorted(entry_points(group=SCALERS), key=_order))


def load(allowed: Sequence[str], *, within_s: float = IMPORT_S) -> tuple[str, ...]:
    """Bring the allowed types into this process; what could not be, and why, a sentence each.

    Misconfigured, with all problems at once, where a name is one of Tidegate's own, is offered by two
    packages or by none: nothing is imported then.
    """
    points = {name: [one for one in entry_points(group=SCALERS) if one.name == name] for name in allowed}
    if wrong := list(_problems(points)):
        raise Misconfigured("allow triggers", answer="; ".join(wrong), next_step="correct --allow-triggers")
    told: list[str] = []
    for name, (point, *_) in points.items():
        try:
            kind = _kind(point, _imported(point, within_s))
            _bring_connections(point, within_s)
            scalers.bring(name, kind)
        except (Broken, ValueError) as error:
            why = f"{_package(point)}: {error}"
            scalers.miss(name, why)
            told.append(f"trigger type {name} is not there: {why}")
    return tuple(told)


def _problems(points: dict[str, list[EntryPoint]]) -> Iterator[str]:
    for name, found in points.items():
        packages = sorted({_package(one) for one in found})
        if scalers.is_built_in(name):
            yield f'"{name}" is a type of Tidegate\'s own'
        elif not found:
            others = ", ".join(one.trigger_type for one in offered()) or "none"
            yield f'no installed package brings a type "{name}" (installed: {others})'
        elif len(packages) > 1:
            yield f'"{name}" is brought by {" and by ".join(packages)}: uninstall one'


def _kind(point: EntryPoint, loaded: Any) -> type[Scaler]:
    """The class among what was loaded that reads the entry point's type."""
    module = loaded if isinstance(loaded, ModuleType) else importlib.import_module(loaded.__module__)
    _check_api(getattr(module, "TIDEGATE_API", None))
    found = list(_classes(loaded))
    kinds = [one for one in found if point.name in one.types]
    if not kinds:
        types = ", ".join(text for one in found for text in one.types) or "none"
        raise Broken(f'{point.value} holds no scaler whose `types` name "{point.name}" (found: {types})')
    (kind, *others) = kinds
    if others:
        raise Broken(f'two classes of {point.value} read "{point.name}"')
    if not issubclass(kind, (Polled, Native)):
        raise Broken(f"{kind.__qualname__} is neither Polled nor Native")
    if "__dataclass_fields__" not in vars(kind):
        raise Broken(f"{kind.__qualname__} is not decorated with @declared")
    return kind


def _classes(loaded: Any) -> Iterable[type[Scaler]]:
    if isinstance(loaded, ModuleType):
        return (
            one
            for one in vars(loaded).values()
            if isinstance(one, type) and issubclass(one, Scaler) and one.__module__ == loaded.__name__
        )
    return (loaded,) if isinstance(loaded, type) and issubclass(loaded, Scaler) else ()


def _check_api(written_for: Any) -> None:
    mine = _API.fullmatch(kit.API)
    theirs = _API.fullmatch(written_for) if isinstance(written_for, str) else None
    assert mine is not None
    if written_for is None:
        raise Broken(f'its module does not say for which API it was written (TIDEGATE_API = "{kit.API}")')
    if theirs is None:
        raise Broken(f'its TIDEGATE_API is {written_for!r}, and not a text such as "{kit.API}"')
    if theirs[1] != mine[1] or int(theirs[2]) > int(mine[2]):
        is_newer = tuple(map(int, theirs.groups())) > tuple(map(int, mine.groups()))
        step = "it needs a newer Tidegate" if is_newer else "look for a newer version of the package"
        raise Broken(f"it was written for API {written_for}, and this is {kit.API}: {step}")


def _bring_connections(point: EntryPoint, within_s: float) -> None:
    """The connections of the same package, whatever their systems' names."""
    for other in entry_points(group=CONNECTIONS):
        if _package(other) != _package(point):
            continue
        connect = getattr(_imported(other, within_s), "connect", None)
        if not callable(connect):
            raise Broken(f"{other.value} has no `connect(server, surroundings)`")
        pool.bring(other.name, connect)


def _imported(point: EntryPoint, within_s: float) -> Any:
    """What the entry point names. A defect of the package is its own, whatever it raises."""
    outcome: list[Callable[[], Any]] = []

    def run() -> None:
        try:
            loaded = point.load()
        except BaseException as error:
            why = Broken(f"importing {point.value} failed: {type(error).__name__}: {error}")
            outcome.append(lambda: _raise(why))
        else:
            outcome.append(lambda: loaded)

    # A thread of its own, which does not hold up the end of the process.
    thread = threading.Thread(target=run, name=f"import {point.value}", daemon=True)
    thread.start()
    thread.join(within_s)
    if not outcome:
        raise Broken(f"importing {point.value} took longer than {within_s:g} s")
    return outcome[0]()


def _raise(error: Exception) -> None:
    raise error


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _order(point: EntryPoint) -> tuple[str, str]:
    return point.name, _package(point)
