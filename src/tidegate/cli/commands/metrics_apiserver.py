"""`tidegate metrics-apiserver`: what KEDA's metrics server does, on a cluster."""

from __future__ import annotations

from tidegate.cli.wiring.metrics_apiserver_settings import IGNORED, MetricsApiserverSettings
from tidegate.cli.wiring.program_command import program_command


async def _serve(settings: MetricsApiserverSettings) -> None:
    from tidegate.cli.wiring.metrics_apiserver_program import serve

    await serve(settings)


command = program_command(
    "metrics-apiserver",
    """Answer HPAs with what the operator measures, in place of KEDA's metrics server.

    Takes the flags and environment variables of KEDA's metrics server; docs/reference/settings.md lists them.
    Runs until it is stopped (SIGTERM).
    """,
    MetricsApiserverSettings,
    IGNORED,
    _serve,
)
