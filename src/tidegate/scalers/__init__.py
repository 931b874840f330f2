"""The trigger types. A module here that declares a scaler is its registration: there is no list.

A type's module is imported when the type is first looked for, by name where the file is called
after the type (`kubernetes-workload` in `kubernetes_workload.py`), else by looking through all.
Scalers import no client library, so neither does finding one.

Types of other packages come by `bring`, at the start of a program that was told to allow them.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable

from tidegate.kit.scaler import Scaler

ALIASES = {"azureeventhub": "azure-eventhub", "azurestoragequeue": "azure-queue"}
"""Types as a published tutorial writes them, and their proper names."""


_brought: dict[str, type[Scaler]] = {}
_missing: dict[str, str] = {}
_elsewhere: list[Callable[[str], str]] = []


def find(trigger_type: str) -> type[Scaler] | None:
    """The class that reads triggers of this type, None when there is none."""
    trigger_type = ALIASES.get(trigger_type, trigger_type)
    if trigger_type in _brought:
        return _brought[trigger_type]
    name = trigger_type.replace("-", "_")
    if name in _module_names():
        kind = _declared_in(name).get(trigger_type)
        if kind is not None:
            return kind
    return _all().get(trigger_type)


def types() -> tuple[str, ...]:
    """Every trigger type, in alphabetical order."""
    return tuple(sorted({*_all(), *_brought}))


def bring(trigger_type: str, kind: type[Scaler]) -> None:
    """A type of another package, for this process. ValueError where the name is taken."""
    if is_built_in(trigger_type):
        raise ValueError(f'"{trigger_type}" is a type of Tidegate\'s own')
    if _brought.get(trigger_type, kind) is not kind:
        raise ValueError(f'"{trigger_type}" is read by {_brought[trigger_type].__module__} already')
    _brought[trigger_type] = kind
    _missing.pop(trigger_type, None)


def miss(trigger_type: str, why: str) -> None:
    """A type that another package was to bring, and did not: each trigger of it says why."""
    _missing[trigger_type] = why


def look_elsewhere(why: Callable[[str], str]) -> None:
    """`why` says of a type that is none here where there would be one, "" where there is none either."""
    _elsewhere[:] = [why]


def is_brought(trigger_type: str) -> bool:
    """Whether another package reads it: what its code does in our place is guarded."""
    return trigger_type in _brought


def why_missing(trigger_type: str) -> str:
    """Why a type that was to be brought, or might be, is not there; "" for any other."""
    return _missing.get(trigger_type) or next((why(trigger_type) for why in _elsewhere), "")


def is_built_in(trigger_type: str) -> bool:
    """Whether it is a type of Tidegate's own, or another spelling of one."""
    return trigger_type in _all() or trigger_type in ALIASES


def send_back() -> None:
    """Forget all types of other packages."""
    _brought.clear()
    _missing.clear()
    _elsewhere.clear()


def prose_of(kind: type[Scaler]) -> str:
    """What the module that declares `kind` tells its users: the text of the reference page."""
    return importlib.import_module(kind.__module__).__doc__ or ""


@functools.cache
def _module_names() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))


@functools.cache
def _declared_in(name: str) -> dict[str, type[Scaler]]:
    module = importlib.import_module(f"{__name__}.{name}")
    return {
        trigger_type: kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Scaler) and kind.__module__ == module.__name__
        for trigger_type in kind.types
    }


@functools.cache
def _all() -> dict[str, type[Scaler]]:
    found: dict[str, type[Scaler]] = {}
    for name in sorted(_module_names()):
        for trigger_type, kind in _declared_in(name).items():
            if trigger_type in found:
                raise TypeError(f"{kind} and {found[trigger_type]} both read triggers of type {trigger_type}")
            found[trigger_type] = kind
    return found
