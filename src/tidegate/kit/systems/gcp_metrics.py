"""Names of Cloud Monitoring's metrics, aligners and reducers, made of what triggers call them."""

from __future__ import annotations

import re

_FIRST, _LATER = re.compile(r"(.)([A-Z][a-z]+)"), re.compile(r"([a-z0-9])([A-Z])")
_PERCENTILE = re.compile(r"percentile(0|[1-9][0-9]?|100)")
_PLAIN = ("mean", "median", "variance", "stddev", "sum", "count")


def snake_case(name: str) -> str:
    """`OldestUnackedMessageAge` as `oldest_unacked_message_age`."""
    return _LATER.sub(r"\1_\2", _FIRST.sub(r"\1_\2", name)).lower()


def reducer(aggregation: str) -> str:
    """An aggregation in Monitoring's query language, `percentile99` as `percentile(value, 99)`.

    "" for what is none.
    """
    if aggregation in _PLAIN:
        return f"{aggregation}(value)"
    found = _PERCENTILE.fullmatch(aggregation)
    return f"percentile(value, {found[1]})" if found else ""


_SHARES = ("percentile_99", "percentile_95", "percentile_50", "percentile_05")

ALIGNERS = (
    *("none", "delta", "rate", "interpolate", "next_older", "min", "max", "mean", "count", "sum", "stddev"),
    *("count_true", "count_false", "fraction_true", *_SHARES, "percent_change"),
)
REDUCERS = (
    *("none", "mean", "min", "max", "sum", "stddev", "count"),
    *("count_true", "count_false", "fraction_true", *_SHARES),
)
"""As triggers call them, in any case."""


def enum_name(prefix: str, known: tuple[str, ...], name: str) -> str:
    """`rate` as `ALIGN_RATE`, "" for what is none."""
    return f"{prefix}_{name.upper()}" if name.lower() in known else ""
