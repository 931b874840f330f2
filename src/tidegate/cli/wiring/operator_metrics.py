"""How an operator on a cluster tells its figures: it serves `/metrics`, and sends by OpenTelemetry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from tidegate.cli.wiring.metrics_page import METRICS, as_page, metrics_page
from tidegate.cli.wiring.operator_settings import OperatorSettings
from tidegate.cli.wiring.probe_site import plain_site
from tidegate.kube.lease import Lease
from tidegate.operator.figures.figures import More
from tidegate.operator.operator import Operator
from tidegate.telemetry.metrics.catalogue import LEADER
from tidegate.telemetry.metrics.families import Metric
from tidegate.telemetry.otel.export import Export, exporting, settings_from


@asynccontextmanager
async def telling(
    operator: Operator, settings: OperatorSettings, lease: Lease | None, environment: Mapping[str, str]
) -> AsyncIterator[None]:
    """Serves and sends until the block is left."""
    more: list[More] = [] if lease is None else [partial(leading, lease)]
    if operator.shadow is not None:
        more.append(operator.shadow.metrics)
    figures = operator.figures(
        more,
        has_old_names=settings.has_old_metric_names,
        has_detailed_labels=settings.has_detailed_metric_labels,
    )
    async with AsyncExitStack() as stack:
        if settings.is_metrics_served:
            page = partial(as_page, metrics_page(figures))
            await stack.enter_async_context(plain_site(settings.metrics_address, {METRICS: page}))
        if settings.is_otel_enabled:
            otel = settings_from(environment)
            export = None if otel.is_disabled else Export(figures.gather, otel, operator.clock)
            await stack.enter_async_context(exporting(export))
        yield


def leading(lease: Lease) -> list[Metric]:
    """Whether we lead."""
    return [Metric(LEADER, {(lease.name,): float(lease.is_held)})]
