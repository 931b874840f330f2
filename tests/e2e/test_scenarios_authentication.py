"""Authentications in local mode, whole, on a clock that jumps: their sources, and changes of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, Town, living
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    EVENTS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)

pytestmark = pytest.mark.e2e

PASSWORD = "s3cr3t"
SECRET: Object = {"data": {"password": base64.b64encode(PASSWORD.encode()).decode()}}
BY_SECRET: Object = {"secretTargetRef": [{"parameter": "password", "name": "broker", "key": "password"}]}
BY_CONFIG_MAP: Object = {
    "configMapTargetRef": [{"parameter": "password", "name": "broker", "key": "password"}]
}
BY_ENV: Object = {"env": [{"parameter": "password", "name": "PASSWORD", "containerName": "c"}]}
BY_FILE: Object = {"filePath": "creds.json"}
HOUR_S = 3600


def trigger(kind: str = "TriggerAuthentication") -> Object:
    return {**redis("jobs"), "authenticationRef": {"name": "auth", "kind": kind}}


async def make(town: Town, resource: Resource, namespace: str, name: str, **fields: Any) -> None:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    await town.objects.create(resource, {"metadata": metadata, **fields})


@pytest.mark.parametrize(
    ("resource", "spec"),
    [
        (TRIGGER_AUTHENTICATIONS, BY_SECRET),
        (TRIGGER_AUTHENTICATIONS, BY_CONFIG_MAP),
        (TRIGGER_AUTHENTICATIONS, BY_ENV),
        (CLUSTER_TRIGGER_AUTHENTICATIONS, BY_SECRET),
        (CLUSTER_TRIGGER_AUTHENTICATIONS, BY_CONFIG_MAP),
        (CLUSTER_TRIGGER_AUTHENTICATIONS, BY_FILE),
    ],
    ids=lambda one: one.kind if isinstance(one, Resource) else next(iter(one)),
)
def test_a_password_from_every_source_lets_a_queue_wake_its_target(resource: Resource, spec: Object) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=10) as town:
            town.redis.password = PASSWORD
            (town.files / "creds.json").write_text(json.dumps({"password": PASSWORD}))
            # What a cluster-wide authentication names lies in the cluster's own namespace.
            place, source = ("shop", "shop") if resource == TRIGGER_AUTHENTICATIONS else ("", "default")
            await make(town, SECRETS, source, "broker", **SECRET)
            await make(town, CONFIG_MAPS, source, "broker", data={"password": PASSWORD})
            await make(town, resource, place, "auth", spec=spec)
            await town.deployment(env=[{"name": "PASSWORD", "value": PASSWORD}])
            await town.scaled_object("web", trigger(resource.kind), pollingInterval=5, maxReplicaCount=3)
            await town.reaches(3, 120)
            town.redis.lists["jobs"] = 0
            await town.reaches(0, 400)

    virtualtime.run(story)


def test_a_changed_secret_counts_at_once_and_not_after_the_polling_interval() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            town.redis.password = PASSWORD
            await make(town, SECRETS, "shop", "broker", stringData={"password": "old"})
            await make(town, TRIGGER_AUTHENTICATIONS, "shop", "auth", spec=BY_SECRET)
            await town.deployment()
            await town.scaled_object("web", trigger(), pollingInterval=HOUR_S)
            await town.keeps(0, 30)
            ready = town.condition(SCALED_OBJECTS, "web", "Ready")
            assert ready[:2] == ("False", "TriggerError")
            assert "old" not in ready[2].split()
            await town.patch(SECRETS, "broker", SECRET)
            await town.becomes("it is awake", lambda: town.count() > 0, 5)
            assert town.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"

    virtualtime.run(story)


@pytest.mark.parametrize("kind", [SCALED_OBJECTS, SCALED_JOBS], ids=lambda one: one.kind)
def test_a_parameter_file_that_comes_late_or_changes_is_read_at_the_pace_of_the_polls(kind: Resource) -> None:
    """Also where it changes before it is asked for, and with no more looks than polls."""

    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:

            async def says(status: str, within_s: float) -> None:
                await town.becomes(
                    f"Ready is {status}", lambda: town.condition(kind, "web", "Ready")[0] == status, within_s
                )

            town.redis.password = PASSWORD
            await make(town, CLUSTER_TRIGGER_AUTHENTICATIONS, "", "auth", spec=BY_FILE)
            await town.deployment()
            create = town.scaled_object if kind == SCALED_OBJECTS else town.scaled_job
            await create("web", trigger("ClusterTriggerAuthentication"), pollingInterval=20)
            await says("False", 5)
            assert "No such file" in town.condition(kind, "web", "Ready")[2]
            file = town.files / "creds.json"
            file.write_text(json.dumps({"password": PASSWORD}))
            await says("True", 22)
            # The server's password changes first, then the file; and the other way round.
            town.redis.password = "new"
            await says("False", 22)
            file.write_text(json.dumps({"password": "new"}))
            await says("True", 22)
            file.write_text(json.dumps({"password": "newer"}))
            await says("False", 22)
            town.redis.password = "newer"
            await says("True", 62)
            before = town.operator.queue.reconciles
            await clock.sleep(400)
            assert town.operator.queue.reconciles - before <= 2 * 400 / 20 + 1

    virtualtime.run(story)


def test_an_authentication_that_comes_after_its_object_counts_at_once() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            town.redis.password = PASSWORD
            await town.deployment()
            await town.scaled_object("web", trigger(), pollingInterval=HOUR_S)
            await town.keeps(0, 30)
            assert town.condition(SCALED_OBJECTS, "web", "Ready")[0] == "False"
            await make(town, SECRETS, "shop", "broker", **SECRET)
            await make(town, TRIGGER_AUTHENTICATIONS, "shop", "auth", spec=BY_SECRET)
            await town.becomes("it is awake", lambda: town.count() > 0, 5)

    virtualtime.run(story)


def test_an_authentication_that_goes_lowers_nothing() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            town.redis.password = PASSWORD
            await make(town, SECRETS, "shop", "broker", **SECRET)
            await make(town, TRIGGER_AUTHENTICATIONS, "shop", "auth", spec=BY_SECRET)
            await town.deployment()
            await town.scaled_object("web", trigger(), pollingInterval=5, cooldownPeriod=5)
            await town.reaches(3, 120)
            await town.objects.delete(SECRETS, "shop", "broker")
            await town.keeps(3, 600)
            assert town.condition(SCALED_OBJECTS, "web", "Ready")[0] == "False"

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("resource", "namespace"), [(TRIGGER_AUTHENTICATIONS, "shop"), (CLUSTER_TRIGGER_AUTHENTICATIONS, "")]
)
def test_new_and_changed_authentications_are_told_where_their_users_look(
    resource: Resource, namespace: str
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await clock.sleep(5)
            await make(town, resource, namespace, "auth", spec=BY_ENV)
            await clock.sleep(5)
            await town.objects.patch(resource, namespace, "auth", {"spec": BY_SECRET})
            await clock.sleep(5)
            told = [
                (one["metadata"]["namespace"], one["type"], one["reason"])
                for one in town.objects.list(EVENTS)
                if one["involvedObject"]["name"] == "auth"
            ]
            place = namespace or "default"
            reasons = [f"{resource.kind}Added", f"{resource.kind}Updated"]
            assert told == [(place, "Normal", reason) for reason in reasons]

    virtualtime.run(story)
