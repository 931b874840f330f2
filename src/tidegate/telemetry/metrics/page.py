"""The page `docs/reference/metrics.md`, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.telemetry.metrics import catalogue
from tidegate.telemetry.metrics.families import Family
from tidegate.telemetry.otel.instruments import INSTRUMENTS

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
    (
        "Of the admission webhooks",
        "Told by `tidegate admission-webhooks`, with `process_*` and `python_*`.",
        catalogue.WEBHOOKS,
    ),
    ("Beside KEDA", "Told by `tidegate operator --shadow`.", catalogue.SHADOW),
    ("Old names", "Names that KEDA has given up; told with `--metrics-old-names`.", catalogue.OLD),
)


_OTEL = (
    "What is sent with `--enable-opentelemetry-metrics`. Attributes are the labels; of triggers they are "
    "`namespace`, `scaledObject` and `scalerIndex` (of a ScaledJob `scaledJob` and `triggerIndex`), `scaler` "
    "and `metric`."
)


def render() -> str:
    """The page's text."""
    parts = [_HEAD]
    for title, about, families in _PARTS:
        parts.append(f"\n## {title}\n\n{about}\n\n{_table(families)}")
    parts.append(f"\n## OpenTelemetry\n\n{_OTEL}\n\n{_instruments()}")
    return "".join(parts)


def _instruments() -> str:
    rows = ["| Instrument | Kind | Unit | The same as |", "| --- | --- | --- | --- |"]
    for one in INSTRUMENTS:
        kind = {"updown": "up-down counter"}.get(one.kind, one.kind)
        factor = f", times {one.factor:g}" if one.factor != 1 else ""
        rows.append(f"| `{one.name}` | {kind} | {one.unit} | `{one.family.name}`{factor} |")
    return "\n".join(rows) + "\n"


def _table(families: Iterable[Family]) -> str:
    rows = ["| Name | Type | Labels | Meaning |", "| --- | --- | --- | --- |"]
    for one in families:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in one.buckets)}." if one.buckets else ""
        rows.append(f"| `{one.name}` | {one.type} | {labels} | {one.help}{buckets} |")
    return "\n".join(rows) + "\n"
