"""`--budget SYSTEM=CALLS`: how many calls a minute each server of a system may have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import get_args

from tidegate.base.errors import Misconfigured
from tidegate.base.spelling import hint
from tidegate.cli.extensions.loading import CONNECTIONS
from tidegate.connections import pool
from tidegate.kit.systems import aws, azure_storage, gcp

FLAG = "--budget"
VARIABLE = "TIDEGATE_BUDGETS"
MOST = 1_000_000

_SERVICES = {
    "aws": get_args(aws.Service),
    "gcp": get_args(gcp.Service),
    "azure_storage": get_args(azure_storage.Service),
}
# What they have is fetched when it is needed, or watched: nobody polls them.
_UNPOLLED = frozenset(
    {
        *("kubernetes", "service_accounts", "vault", "azure_keyvault"),
        *("aws.secretsmanager", "gcp.secretmanager"),
    }
)
_NUMBER = re.compile(r"[0-9]{1,9}")


def budgets_of(texts: Iterable[str]) -> Mapping[str, float]:
    """Calls a minute by system, or by system and service (`aws.monitoring`); of texts without problems."""
    pairs = (text.partition("=") for text in texts)
    return {system.strip(): float(number) for system, _, number in pairs}


def budget_problems(texts: Iterable[str]) -> Iterator[Misconfigured]:
    """All that is wrong with them."""
    known, seen = _known(), set[str]()
    for text in texts:
        system, sign, number = (part.strip() for part in text.partition("="))
        for why in _wrong(system, number if sign else None, known):
            yield _refused(text, why)
        if system in seen:
            yield _refused(text, f"{system} has a budget already")
        seen.add(system)


def _wrong(system: str, number: str | None, known: frozenset[str]) -> Iterator[str]:
    if number is None:
        yield "no number of calls is given"
    elif not _NUMBER.fullmatch(number) or not 1 <= int(number) <= MOST:
        yield f'"{number}" is no whole number of calls from 1 to {MOST:,}'
    if system in _UNPOLLED:
        yield f"{system} is not polled: its values are watched, or fetched when they are needed"
    elif system not in known:
        near = hint(system, sorted(known)) or f"; there are {', '.join(sorted(known))}"
        yield f'there is no system "{system}"{near}'


def _known() -> frozenset[str]:
    systems = pool.systems() | {one.name for one in entry_points(group=CONNECTIONS)}
    services = {f"{system}.{service}" for system, all in _SERVICES.items() for service in all}
    return frozenset(systems | services) - _UNPOLLED


def _refused(text: str, why: str) -> Misconfigured:
    step = "give SYSTEM=CALLS with calls a minute, such as aws.monitoring=60; docs/metered-sources.md"
    return Misconfigured(f"use {FLAG} {text}", answer=why, next_step=step)
