"""What pods need to talk to the API as themselves, as the node is given it.

`apiserver/` implements it; `nodes/` knows only this protocol.
"""

from __future__ import annotations

from typing import Protocol

from tidegate.local.objects import Object

ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where programs in containers look for the token of their ServiceAccount."""


class ApiAccess(Protocol):
    @property
    def address(self) -> tuple[str, int]:
        """Host and port at which pods of the machine's network find the API."""

    def token(self, pod: Object, audience: str, life_s: int) -> str:
        """A token of the pod's ServiceAccount, bound to the pod. "" as audience: for the API itself.

        ApiError when there is no such account any more.
        """
