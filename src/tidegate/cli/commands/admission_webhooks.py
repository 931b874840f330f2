"""`tidegate admission-webhooks`: what KEDA's admission webhooks do, on a cluster."""

from __future__ import annotations

from tidegate.cli.wiring.admission.settings import IGNORED, AdmissionSettings
from tidegate.cli.wiring.program_command import program_command


async def _serve(settings: AdmissionSettings) -> None:
    from tidegate.cli.wiring.admission.program import serve

    await serve(settings)


command = program_command(
    "admission-webhooks",
    """Judge ScaledObjects and their kin before a cluster stores them, in place of KEDA's webhooks.

    Takes the flags and environment variables of KEDA's webhooks; docs/reference/settings.md lists them.
    Runs until it is stopped (SIGTERM).
    """,
    AdmissionSettings,
    IGNORED,
    _serve,
)
