"""What clients do not see that install releases: parts of this program that nobody has installed.

Helm refuses to install what is there and not its own, and waits after an uninstallation until all is gone.
So it finds a part only from the moment on that somebody installs it, until somebody uninstalls it.
"""

from __future__ import annotations

from aiohttp import web

from tidegate.local.apiserver.writing.parts import SHOWN
from tidegate.local.objects import BUILT_IN

_INSTALLERS = ("Helm/",)


def hidden_from(request: web.Request) -> str:
    """The label selector that leaves out what this client does not see; "" for most."""
    is_installer = request.headers.get("User-Agent", "").startswith(_INSTALLERS)
    return f"{BUILT_IN}!={SHOWN}" if is_installer else ""


def narrowed(labels: str, hidden: str) -> str:
    """A label selector of a client, without what is hidden from it."""
    return ",".join(filter(None, (labels, hidden)))
