"""The words of validation: small checks that each yield a problem with its path. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from typing import Any

from tidegate.base.problems import Problem
from tidegate.base.quantity import parse_quantity
from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.fields import show

Problems = Iterator[Problem]

REQUIRED, DUPLICATE = "FieldValueRequired", "FieldValueDuplicate"
NOT_SUPPORTED, FORBIDDEN, MISSING = "FieldValueNotSupported", "FieldValueForbidden", "FieldValueNotFound"
TOO_LONG = "FieldValueTooLong"
PORT_MAX = 65_535
INT_MAX = 2**31 - 1
# In the order in which the API server tells them.
PROTOCOLS = ("SCTP", "TCP", "UDP")
CONTENT_MAX = 1024 * 1024
_PERCENT = re.compile(r"[0-9]+%")


def required(path: str, why: str = "") -> Problem:
    return Problem(path, f"Required value: {why}" if why else "Required value", REQUIRED)


def wrongs(path: str, value: Any, told: Iterable[str]) -> Problems:
    """One problem for each sentence."""
    for why in told:
        yield wrong(path, value, why)


def wrong(path: str, value: Any, why: str) -> Problem:
    return Problem(path, f"Invalid value: {show(value)}: {why}")


def duplicate(path: str, value: Any) -> Problem:
    return Problem(path, f"Duplicate value: {show(value)}", DUPLICATE)


def forbidden(path: str, why: str) -> Problem:
    return Problem(path, f"Forbidden: {why}", FORBIDDEN)


def not_found(path: str, value: Any) -> Problem:
    return Problem(path, f"Not found: {show(value)}", MISSING)


def one_of(path: str, value: Any, choices: Collection[str]) -> Problems:
    """A problem if a given value is not among `choices`, which are told in their order.

    Silence is left to `required`.
    """
    if value is not None and value not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        yield Problem(path, f"Unsupported value: {show(value)}: supported values: {listed}", NOT_SUPPORTED)


def at_least(path: str, value: Any, minimum: int) -> Problems:
    if isinstance(value, int) and value < minimum:
        yield wrong(path, value, f"must be greater than or equal to {minimum}")


def content_size(sizes: Iterable[int]) -> Problems:
    """The limit of a ConfigMap's or Secret's content, which is nobody's field."""
    if sum(sizes) > CONTENT_MAX:
        yield Problem("[]", f"Too long: may not be more than {CONTENT_MAX} bytes", TOO_LONG)


def port(path: str, value: Any) -> Problems:
    if not isinstance(value, int) or not 1 <= value <= PORT_MAX:
        yield wrong(path, value, f"must be between 1 and {PORT_MAX}, inclusive")


def port_or_name(path: str, value: Any) -> Problems:
    """A port number, or the name of one."""
    if isinstance(value, str) and value:
        yield from wrongs(path, value, names.port_name(value))
    else:
        yield from port(path, value)


def label_name(path: str, value: Any) -> Problems:
    """A required DNS label."""
    if not value:
        yield required(path)
    else:
        yield from wrongs(path, value, names.label(value))


def api_name(path: str, value: Any) -> Problems:
    """A required name in the API's paths: a DNS label that begins with a letter."""
    yield from label_name(path, value)
    if value and not any(names.label(value)) and not value[0].isalpha():
        yield wrong(path, value, "must begin with a letter")


def path_segment(path: str, value: str) -> Problems:
    """A name that stands in a path of the API."""
    if value in (".", ".."):
        yield wrong(path, value, f"may not be '{value}'")
    for mark in ("/", "%"):
        if mark in value:
            yield wrong(path, value, f"may not contain '{mark}'")


def between(path: str, value: Any, minimum: int, maximum: int = INT_MAX) -> Problems:
    if isinstance(value, int) and not minimum <= value <= maximum:
        yield wrong(path, value, f"must be between {minimum} and {maximum}, inclusive")


def quantity(path: str, value: Any, minimum: int = 0) -> Problems:
    try:
        amount = parse_quantity(str(value))
    except ValueError:
        yield wrong(path, value, "must be a quantity such as 500m, 2 or 128Mi")
        return
    if amount < minimum:
        yield wrong(path, value, f"must be greater than or equal to {minimum}")


def amount(value: Any) -> Decimal | None:
    """A quantity, or None if it is none (another rule names it then)."""
    try:
        return parse_quantity(str(value))
    except ValueError:
        return None


def count_or_percent(path: str, value: Any) -> Problems:
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return
    if isinstance(value, int) and not isinstance(value, bool):
        yield from at_least(path, value, 0)
    else:
        yield wrong(path, value, "must be a whole number >= 0 or a percentage such as 25%")


def count_or_share(path: str, value: Any) -> Problems:
    """A number of Pods, or a part of them."""
    yield from count_or_percent(path, value)
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) > 100:
        yield wrong(path, value, "must not be greater than 100%")


def content_keys(path: str, values: dict[str, Any]) -> Problems:
    """Keys of a ConfigMap or Secret, which may become file names."""
    for key in values:
        yield from wrongs(f"{path}[{key}]", key, names.content_key(key))


def labels(path: str, values: dict[str, Any] | None) -> Problems:
    for key, value in (values or {}).items():
        yield from wrongs(path, key, names.qualified(key))
        yield from wrongs(path, value, names.value(value))


def label_selector(path: str, selector: dict[str, Any] | None) -> Problems:
    selector = selector or {}
    yield from labels(f"{path}.matchLabels", selector.get("matchLabels"))
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        operator, values = term.get("operator"), term.get("values") or []
        yield from wrongs(f"{where}.key", term.get("key") or "", names.qualified(term.get("key") or ""))
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            yield wrong(f"{where}.operator", operator or "", "not a valid selector operator")
        if operator in ("In", "NotIn") and not values:
            yield required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        if operator in ("Exists", "DoesNotExist") and values:
            yield forbidden(
                f"{where}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
