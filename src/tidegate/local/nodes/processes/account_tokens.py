"""Tokens of a Pod's ServiceAccount as files: asked for once, and again when most of their life is over.

The file is all that is remembered: a restarted server finds in it when it is to be renewed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.kube.resource import ApiError
from tidegate.local.api_access import ApiAccess
from tidegate.local.nodes.processes.environment import Incomplete

LIFE_S = 3600
RENEWED_AT, OLDEST_S = 0.8, 86_400.0


@dataclass(frozen=True, slots=True)
class AccountTokens:
    """`access` gives out tokens (None: nothing does), `now` is the moment in seconds."""

    access: ApiAccess | None
    now: float

    def files(
        self, projected: Mapping[str, Any], pod: Mapping[str, Any], place: Path
    ) -> dict[str, tuple[bytes, int]]:
        """The tokens of a projected volume that lies at `place`, with their modes. Raises `Incomplete`."""
        mode = projected.get("defaultMode")
        mode = 0o644 if mode is None else int(mode)
        return {
            source["path"]: (self._content(source, pod, place / source["path"]), mode)
            for source in _sources(projected)
        }

    def _content(self, source: Mapping[str, Any], pod: Mapping[str, Any], file: Path) -> bytes:
        kept = _read(file)
        if kept and self.now < renewed_at(kept):
            return kept
        if self.access is None:
            raise Incomplete("this node gives out no tokens")
        life_s = int(source.get("expirationSeconds") or LIFE_S)
        try:
            return self.access.token(dict(pod), source.get("audience") or "", life_s).encode()
        except ApiError as error:
            raise Incomplete(f"failed to fetch token: {error}") from error


NO_TOKENS = AccountTokens(None, 0.0)


def first_renewal(pod: Mapping[str, Any], volumes: Path) -> float | None:
    """The moment at which the first of a Pod's tokens is to be renewed; None when it has none."""
    moments = [
        renewed_at(_read(volumes / str(volume["name"]) / source["path"]))
        for volume in pod["spec"].get("volumes") or ()
        for source in _sources(volume.get("projected") or {})
    ]
    return min(moments, default=None)


def renewed_at(token: bytes) -> float:
    """When four fifths of a token's life are over, or a day; at once for what is no token."""
    try:
        part = token.split(b".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
        # One that lives on for the sake of programs that read it only once says when it was to end.
        ends = (claims.get("kubernetes.io") or {}).get("warnafter") or claims["exp"]
        began = float(claims["iat"])
        return began + min(RENEWED_AT * (float(ends) - began), OLDEST_S)
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0


def _sources(projected: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for part in projected.get("sources") or ():
        if part.get("serviceAccountToken"):
            yield part["serviceAccountToken"]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
