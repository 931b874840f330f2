"""Which packages with triggers of their own a program of the cluster may import."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tidegate.cli.extensions.allowing import VARIABLE
from tidegate.runtime.settings import NAMES, own

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtensionSettings:
    """What a program that reads triggers says of types that other packages bring."""

    allowed_triggers: tuple[str, ...] = own(
        NAMES,
        flag="--allow-triggers",
        variable=VARIABLE,
        fate="ours",
        about="trigger types of installed packages to import; their code runs in this process, with its "
        "secrets in reach",
    )


def bring_extensions(settings: ExtensionSettings) -> None:
    """Import what is allowed. What could not be costs only its type, and is told; see `load` for the rest."""
    if not settings.allowed_triggers:
        return
    from tidegate.cli.extensions.loading import load

    for line in load(settings.allowed_triggers):
        log.error("an extension is missing", extra={"failure": line})
