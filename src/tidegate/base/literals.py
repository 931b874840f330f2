"""Numbers and truth values as trigger parameters write them: JSON numbers, Go booleans.

The ValueErrors give a cause that reads on after the value ("is not a number"); they never repeat
the value, which may be a secret.
"""

from __future__ import annotations

import math
import re

_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_GO_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_GO_HEX = re.compile(r"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def parse_int(text: str) -> int:
    """A JSON integer that fits 64 bits: no `+`, no leading zeros, no `5.0`, no `1e3`."""
    if _INT.fullmatch(text) is None:
        raise ValueError(_not_an_int(text))
    # 2^63 has 19 digits; more need not be converted (Python refuses very long ones by itself).
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError("is out of range for a 64-bit integer")
    return int(text)


def parse_float(text: str) -> float:
    """A JSON number: no `+`, no leading zeros, no `.5`, no hex, no `NaN`, no `Inf`."""
    if _FLOAT.fullmatch(text) is None:
        raise ValueError("is not a number" + _hint(text))
    value = float(text)
    if math.isinf(value):
        raise ValueError("is out of range for a number")
    return value


def parse_go_float(text: str) -> float:
    """A number as Go's `strconv.ParseFloat` takes it, but finite: `5`, `+.5`, `1e3`, `0x1p4`; no blanks."""
    if _GO_FLOAT.fullmatch(text) is not None:
        value = float(text)
    elif _GO_HEX.fullmatch(text) is not None:
        try:
            value = float.fromhex(text)
        except OverflowError:
            value = math.inf
    else:
        raise ValueError("is not a number")
    if math.isinf(value):
        raise ValueError("is out of range for a number")
    return value


def parse_bool(text: str) -> bool:
    """True for `1 t T TRUE true True`, False for `0 f F FALSE false False`."""
    try:
        return _BOOLS[text]
    except KeyError:
        raise ValueError("is not true or false") from None


def _not_an_int(text: str) -> str:
    if _FLOAT.fullmatch(text) is not None:
        return "is not a whole number (neither a fraction nor an exponent may be used)"
    return "is not a number" + _hint(text)


def _hint(text: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        return " (write it without + and without leading zeros)"
    return ""
