"""Kubernetes quantities: `5`, `1500m`, `2Gi`, `1e3`.

Source: Kubernetes `apimachinery/pkg/api/resource`: nothing finer than nano (rounded away from
zero), nothing larger than 2^63-1 (capped).
"""

from __future__ import annotations

import math
import re
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?[0-9]{1,9}))?"
)
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIXES = {0: "", **{power: suffix for suffix, power in _DECIMAL.items()}}
_MAX = 2**63 - 1
_NANO = Decimal(1).scaleb(-9)
_MILLI = Decimal(1).scaleb(-3)
_EXACT = Context(prec=60, rounding=ROUND_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)


def parse_quantity(text: str) -> Decimal:
    """The number a quantity stands for. ValueError when `text` is no quantity."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a quantity such as 5, 1500m or 2Gi')
    digits, binary, decimal, exponent = found.groups()
    number = Decimal(digits)
    if binary:
        number = _EXACT.multiply(number, Decimal(1024 ** _BINARY[binary]))
    elif decimal or exponent:
        number = _EXACT.scaleb(number, _DECIMAL[decimal] if decimal else int(exponent))
    if number and number.adjusted() >= 19:  # beyond the cap, and perhaps too long to be quantized
        return Decimal(_MAX).copy_sign(number)
    return _capped(number.quantize(_NANO, rounding=ROUND_UP, context=_EXACT))


def format_quantity(value: float | Decimal, rounding: str = ROUND_HALF_EVEN) -> str:
    """`value` in canonical form with milli precision: `5`, `1500m`, `2k`.

    Rounds half to even where nothing else is said, a float on its binary value (as C's `%.3f`). NaN and
    infinities: ValueError.
    """
    number = value if isinstance(value, Decimal) else Decimal(value)
    if not number.is_finite():
        raise ValueError(f"{value} cannot be written as a quantity")
    if number and number.adjusted() >= 19:
        number = Decimal(_MAX).copy_sign(number)
    number = _capped(number.quantize(_MILLI, rounding=rounding, context=_EXACT))
    return _with_suffix(number, -3)


def canonical(text: str) -> str:
    """A quantity as Kubernetes stores it: `0.5` is `500m`, `1024Mi` is `1Gi`, `1000m` is `1`, in the
    notation (binary, decimal, exponent) that it was written in. ValueError when it is no quantity.
    """
    number = parse_quantity(text)
    found = _QUANTITY.fullmatch(text)
    assert found is not None
    _, binary, _, exponent = found.groups()
    if binary and abs(number) >= 1024 and number == int(number):
        whole, power = int(number), 0
        while whole % 1024 == 0 and power < len(_BINARY):
            whole, power = whole // 1024, power + 1
        return f"{whole}{('', *_BINARY)[power]}"
    return _with_suffix(number, -9, has_exponent=bool(exponent))


def _with_suffix(number: Decimal, least: int, *, has_exponent: bool = False) -> str:
    """The whole number with the largest suffix; `number` has no digits below 10 to the `least`."""
    whole, power = int(number.scaleb(-least, context=_EXACT)), least
    if not whole:
        return "0"
    while whole % 1000 == 0 and power < 18:
        whole, power = whole // 1000, power + 3
    if has_exponent:
        return f"{whole}e{power}" if power else str(whole)
    return f"{whole}{_SUFFIXES[power]}"


def metric_quantity(value: float) -> str:
    """A metric value or float target as KEDA reports it: three decimals; NaN, ±Inf, negative: `0`."""
    if not math.isfinite(value) or value < 0:
        return "0"
    return format_quantity(value)


def _capped(number: Decimal) -> Decimal:
    return Decimal(_MAX).copy_sign(number) if abs(number) > _MAX else number
