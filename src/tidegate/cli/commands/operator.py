"""`tidegate operator`: what KEDA's operator does, on a cluster."""

from __future__ import annotations

from tidegate.cli.wiring.operator_settings import IGNORED, OperatorSettings
from tidegate.cli.wiring.program_command import program_command


async def _serve(settings: OperatorSettings) -> None:
    from tidegate.cli.wiring.operator_program import serve

    await serve(settings)


command = program_command(
    "operator",
    """Scale what ScaledObjects and ScaledJobs say, on a cluster, in place of KEDA's operator.

    Takes the flags and environment variables of KEDA's operator; docs/reference/settings.md lists them.
    Runs until it is stopped (SIGTERM).
    """,
    OperatorSettings,
    IGNORED,
    _serve,
)
