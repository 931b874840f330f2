"""Identities of Google: application default credentials, and accounts whose key a trigger brings.

Where the default credentials come from, in Google's order: the file that GOOGLE_APPLICATION_CREDENTIALS
names, that of `gcloud auth application-default login`, the metadata server. The file is read anew for each
token, so a changed one counts from the next on. What an administrator has set up may be asked anywhere; the
token server that a trigger's key names, where triggers may ask.

Source: Google, "How Application Default Credentials works".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidegate.base.errors import Misconfigured
from tidegate.connections.addresses import ANYWHERE
from tidegate.connections.grants import Granted
from tidegate.connections.identities import BILLED, PROJECT, Ground
from tidegate.connections.identities.gcp import impersonated, person
from tidegate.connections.identities.gcp.metadata import MetadataServer
from tidegate.kit.identity import AnyIdentity, ServiceAccount
from tidegate.kit.systems.gcp import PROJECT as A_PROJECT
from tidegate.kit.systems.gcp import read_account

_FILE = "application_default_credentials.json"
_LOOKED_UP_S = 3600.0


class Google:
    """Grants tokens; `PROJECT` and `BILLED` are answered as if they were audiences."""

    def __init__(self, ground: Ground) -> None:
        self._triggers = ground.surroundings
        self._own = replace(ground.surroundings, policy=ANYWHERE)
        self._environment = ground.environment
        self._machine = MetadataServer(self._own, ground.environment)

    async def grant(self, who: AnyIdentity, audience: str) -> Granted[str]:
        if isinstance(who, ServiceAccount):
            from tidegate.connections.identities.gcp.keys import key_grant

            return await key_grant(who, audience, self._triggers)
        file = await asyncio.to_thread(default_file, self._environment)
        if audience == PROJECT:
            return Granted(await self._project(file), _LOOKED_UP_S)
        if audience == BILLED:
            return Granted(_billed(file, self._environment), _LOOKED_UP_S)
        if file is None:
            return await self._machine.token(audience)
        return await self._by_file(file, audience)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _by_file(self, file: Mapping[str, Any], scope: str) -> Granted[str]:
        if file["type"] == "service_account":
            from tidegate.connections.identities.gcp.keys import key_grant

            return await key_grant(_account(file), scope, self._own)
        if file["type"] == impersonated.TYPE:
            by = await self._by_file(impersonated.source_of(file), impersonated.SCOPE)
            return await impersonated.impersonated_grant(file, by.value, scope, self._own)
        if file["type"] == person.TYPE:
            return await person.person_grant(file, self._own)
        from tidegate.connections.identities.gcp.federation import STEPS, federation_grant

        if file["type"] not in STEPS:
            known = ", ".join(sorted(("service_account", person.TYPE, impersonated.TYPE, *STEPS)))
            answer = "the application default credentials are of a type that is not known"
            raise Misconfigured(
                "log in with the gcp identity", answer=answer, next_step=f"use one of {known}"
            )
        return await federation_grant(file, scope, self._own)

    async def _project(self, file: Mapping[str, Any] | None) -> str:
        environment = self._environment
        named = environment.get("CLOUDSDK_CORE_PROJECT") or environment.get("GOOGLE_CLOUD_PROJECT")
        if not named and file is not None:
            named = file.get("project_id") or file.get("quota_project_id")
        if not named and file is None:
            named = await self._machine.project()
        if not isinstance(named, str) or not A_PROJECT.fullmatch(named):
            raise Misconfigured(
                "find the project of the gcp identity",
                answer="neither the environment nor the credentials name one",
                next_step="name the project in the trigger, or set CLOUDSDK_CORE_PROJECT for the autoscaler",
            )
        return named


def default_file(environment: Mapping[str, str]) -> Mapping[str, Any] | None:
    """What the file of the default credentials holds; None where there is none, and none is named."""
    attempted, named = "read the application default credentials", True
    path = environment.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    if not path:
        named = False
        folder = environment.get("CLOUDSDK_CONFIG", "")
        if not folder and not environment.get("HOME"):
            return None
        path = str(Path(folder or f"{environment['HOME']}/.config/gcloud") / _FILE)
    try:
        found: Any = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        if not named:
            return None
        step = "correct GOOGLE_APPLICATION_CREDENTIALS, or unset it"
        raise Misconfigured(attempted, on=path, answer="there is no such file", next_step=step) from None
    except OSError as error:
        answer = f"it cannot be read ({(error.strerror or type(error).__name__).lower()})"
        raise Misconfigured(attempted, on=path, answer=answer) from None
    except (ValueError, RecursionError):
        raise Misconfigured(attempted, on=path, answer="it is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise Misconfigured(attempted, on=path, answer='it is no JSON object with a "type"')
    return found


def _billed(file: Mapping[str, Any] | None, environment: Mapping[str, str]) -> str:
    """A person's requests are billed to a project that must be named; an account's, to its own."""
    named = environment.get("GOOGLE_CLOUD_QUOTA_PROJECT") or (file or {}).get("quota_project_id")
    return named if isinstance(named, str) and A_PROJECT.fullmatch(named) else ""


def _account(file: Mapping[str, Any]) -> ServiceAccount:
    try:
        return read_account(json.dumps(file))
    except ValueError as error:
        attempted = "read the application default credentials"
        raise Misconfigured(attempted, answer=f"the file {error}") from None
