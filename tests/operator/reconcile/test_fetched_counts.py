"""What a thousand triggers cost the sources of their parameters in an hour."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parts import virtualtime
from parts.fetching import Safes, holds
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options
from tidegate.measure.fetching import Fetching
from tidegate.operator.reconcile.trigger_plan import Plan, plan

HOUR_S = 3_600.0
TRIGGERS = 1_000
PATH = "secret/data/redis"
ACCOUNT = "boundServiceAccountToken of ServiceAccount shop/robot"
VAULT = {
    "hashiCorpVault": {
        "address": "http://vault:8200",
        "authentication": "kubernetes",
        "mount": "kubernetes",
        "role": "shop",
        "credential": {"serviceAccountName": "robot"},
        "secrets": [
            {"parameter": "username", "path": PATH, "key": "username"},
            {"parameter": "password", "path": PATH, "key": "password"},
        ],
    }
}
TOKEN = {"boundServiceAccountToken": [{"parameter": "password", "serviceAccountName": "robot"}]}


class World:
    """Every authentication has this specification."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def get(self, resource: Any, namespace: str, name: str) -> Any:
        return {"metadata": {"name": name, "namespace": namespace}, "spec": self.spec}


def scaled(number: int, authentications: int) -> ScaledObject:
    metadata = {"address": "redis:6379", "listName": f"jobs-{number}"}
    ref = {"name": f"auth-{number % authentications}"}
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": f"web-{number}", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [{"type": "redis", "metadata": metadata, "authenticationRef": ref}],
        },
    }
    object = decode(body)
    assert isinstance(object, ScaledObject)
    return object


def asked_in_an_hour(spec: Any, authentications: int, **drawers: Any) -> Safes:
    """What a thousand objects, planned as the operator plans them, have asked for after an hour."""

    async def whole(clock: Any) -> Safes:
        safes, world, objects = Safes(clock, drawers), World(spec), []
        fetching = Fetching(clock, safes.connect, lambda question: None)
        options = Options(fetches=fetching)
        running = asyncio.create_task(fetching.run())

        def planned(number: int) -> Plan:
            made = plan(objects[number], None, None, world, options)
            fetching.want(number, made.questions)
            return made

        for number in range(TRIGGERS):
            objects.append(scaled(number, authentications))
            assert planned(number).waiting
        await clock.sleep(1)
        assert not any(planned(number).waiting for number in range(TRIGGERS))
        await clock.sleep(HOUR_S - 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return safes

    return virtualtime.run(whole)


@pytest.mark.parametrize("authentications", [1, TRIGGERS])
def test_a_path_of_a_vault_is_asked_for_twelve_times_an_hour(authentications: int) -> None:
    found = asked_in_an_hour(VAULT, authentications, **{PATH: holds(username="u", password="p")})
    assert len(found.adapters) == 1
    assert len(found.paths) == 12


@pytest.mark.parametrize("authentications", [1, TRIGGERS])
def test_a_token_of_an_account_is_asked_for_once_an_hour(authentications: int) -> None:
    found = asked_in_an_hour(TOKEN, authentications, **{ACCOUNT: holds(3_600, token="t")})
    assert len(found.adapters) == 1
    # The second one comes before the first one ends.
    assert len(found.paths) == 2
