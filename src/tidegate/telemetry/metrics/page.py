"""The page `docs/reference/metrics.md`, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.telemetry.metrics import catalogue
from tidegate.telemetry.metrics.families import Family

_HEAD = """<!-- Generated from telemetry/metrics/catalogue.py; edit there and run `make generate`. -->
# Metrics

Every metric that the operator tells, by `tidegate operator` and by `tidegate up`. How they are collected,
what to alert on and what differs from KEDA stands in [Metrics](../metrics.md).
"""
_PARTS = (
    ("KEDA's", "Names, labels and meaning are KEDA's.", catalogue.KEDA),
    ("Ours", "What KEDA does not have.", catalogue.OURS),
    (
        "Of the frameworks",
        "Names that KEDA has from the libraries it is built on. `process_*` and `python_*` are there as "
        "well, those of Go (`go_*`) are not.",
        catalogue.FRAMEWORK,
    ),
    (
        "Of the metrics API server",
        "Told by `tidegate metrics-apiserver`, with `process_*` and `python_*`. There is no gRPC between it "
        "and the operator, so KEDA's `keda_internal_metricsservice_grpc_*` are not there.",
        catalogue.METRICS_API,
    ),
    ("Old names", "Names that KEDA has given up; told with `--metrics-old-names`.", catalogue.OLD),
)


def render() -> str:
    """The page's text."""
    parts = [_HEAD]
    for title, about, families in _PARTS:
        parts.append(f"\n## {title}\n\n{about}\n\n{_table(families)}")
    return "".join(parts)


def _table(families: Iterable[Family]) -> str:
    rows = ["| Name | Type | Labels | Meaning |", "| --- | --- | --- | --- |"]
    for one in families:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in one.buckets)}." if one.buckets else ""
        rows.append(f"| `{one.name}` | {one.type} | {labels} | {one.help}{buckets} |")
    return "\n".join(rows) + "\n"
