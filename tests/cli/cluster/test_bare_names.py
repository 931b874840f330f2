"""A name without a type finds the one thing that it can mean."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.cli.cluster.bare_names import logged, scaler_called, scaler_of
from tidegate.cli.cluster.session import Server, opened
from tidegate.kube.resource import (
    DEPLOYMENTS,
    JOBS,
    PODS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    Resource,
)

TRIGGERS = [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *"}}]
POD = {"containers": [{"name": "main", "image": "x"}]}
LABEL = "scaledjob.keda.sh/name"


def body(resource: Resource, name: str) -> dict[str, Any]:
    labelled = {"metadata": {"labels": {"app": name}}, "spec": POD}
    specs: dict[Resource, dict[str, Any]] = {
        SCALED_OBJECTS: {"scaleTargetRef": {"name": name.removesuffix("-scaler")}, "triggers": TRIGGERS},
        SCALED_JOBS: {"jobTargetRef": {"template": {"spec": POD}}, "triggers": TRIGGERS},
        DEPLOYMENTS: {"selector": {"matchLabels": {"app": name}}, "template": labelled},
        JOBS: {"template": {"spec": {**POD, "restartPolicy": "Never"}}},
    }
    made = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**made, "metadata": {"name": name}, "spec": specs[resource]}


def put(cli, *there: tuple[Resource, str]) -> None:
    async def create(client: Any) -> None:
        for resource, name in there:
            await client.create(resource, "default", body(resource, name))

    cli.client(create)


def asked(cli, question: Any, *words: Any) -> Any:
    async def main() -> Any:
        async with opened(Server(str(cli.kubeconfig), "default")) as session:
            return await question(session, *words)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ([(SCALED_OBJECTS, "web"), (SCALED_JOBS, "crunch")], (SCALED_OBJECTS, "web")),
        ([(SCALED_JOBS, "web"), (SCALED_OBJECTS, "api")], (SCALED_JOBS, "web")),
        ([(SCALED_OBJECTS, "web-scaler")], (SCALED_OBJECTS, "web-scaler")),
        ([(SCALED_OBJECTS, "web-scaler"), (SCALED_JOBS, "web")], (SCALED_JOBS, "web")),
        ([(SCALED_OBJECTS, "web"), (SCALED_JOBS, "web")], "web may be so/web and sj/web"),
        ([(SCALED_OBJECTS, "wbe")], "did you mean wbe?"),
        ([], "default has no ScaledObject and no ScaledJob web, and none that scales it"),
    ],
)
def test_what_is_explained(cli, there: Any, found: Any) -> None:
    put(cli, *there)
    if isinstance(found, str):
        with pytest.raises(Misconfigured, match=found.replace("?", r"\?")):
            asked(cli, scaler_called, "web")
        assert found in cli("explain", "web", code=1).stderr
    else:
        assert asked(cli, scaler_called, "web") == found
        # This server explains nothing, which it says once the object is understood.
        assert "this API server has no group" in cli("explain", "web", code=1).stderr


def test_a_workload_is_explained_by_what_scales_it(cli) -> None:
    put(cli, (SCALED_OBJECTS, "web-scaler"), (DEPLOYMENTS, "web"), (DEPLOYMENTS, "idle"))
    assert asked(cli, scaler_of, DEPLOYMENTS, "web") == (SCALED_OBJECTS, "web-scaler")
    assert "this API server has no group" in cli("explain", "deploy/web", code=1).stderr
    assert (
        "no ScaledObject of default scales Deployment idle" in cli("explain", "deploy", "idle", code=1).stderr
    )


def test_a_job_and_a_pod_are_explained_by_what_they_come_from(cli) -> None:
    put(cli, (SCALED_OBJECTS, "web-scaler"), (DEPLOYMENTS, "web"), (SCALED_JOBS, "crunch"))

    async def create(client: Any) -> None:
        owner = await client.get(SCALED_JOBS, "default", "crunch")
        for resource, name, spec in (
            (JOBS, "crunch-1", body(JOBS, "crunch-1")["spec"]),
            (PODS, "crunch-1-x", POD),
        ):
            made = await client.create(resource, "default", {"metadata": owned(name, owner), "spec": spec})
            owner = made
        deployment = await client.get(DEPLOYMENTS, "default", "web")
        await client.create(PODS, "default", {"metadata": owned("web-x", deployment), "spec": POD})

    cli.client(create)
    assert asked(cli, scaler_of, JOBS, "crunch-1") == (SCALED_JOBS, "crunch")
    assert asked(cli, scaler_of, PODS, "crunch-1-x") == (SCALED_JOBS, "crunch")
    assert asked(cli, scaler_called, "crunch-1-x") == (SCALED_JOBS, "crunch")
    assert asked(cli, scaler_called, "web-x") == (SCALED_OBJECTS, "web-scaler")


def owned(name: str, owner: dict[str, Any]) -> dict[str, Any]:
    metadata = owner["metadata"]
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {
        key: metadata[key] for key in ("name", "uid")
    }
    return {"name": name, "ownerReferences": [{**reference, "controller": True}]}


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ([(DEPLOYMENTS, "web"), (SCALED_OBJECTS, "web")], DEPLOYMENTS),
        ([(JOBS, "web")], JOBS),
        ([(SCALED_JOBS, "web")], SCALED_JOBS),
        ([(SCALED_OBJECTS, "web")], SCALED_OBJECTS),
        ([(DEPLOYMENTS, "web"), (SCALED_JOBS, "web")], "web may be deployment/web and sj/web"),
        ([], 'pods "web" not found'),
    ],
)
def test_whose_log_is_printed_where_no_pod_has_the_name(cli, there: Any, found: Any) -> None:
    put(cli, *there)
    if isinstance(found, str):
        assert found in cli("logs", "web", code=1).stderr
    else:
        assert asked(cli, logged, "web").resource == found


@pytest.mark.parametrize("word", ["crunch", "sj/crunch"])
def test_the_log_of_a_scaled_job_is_that_of_a_pod_of_its_jobs(cli, word: str) -> None:
    put(cli, (SCALED_JOBS, "crunch"))
    pod = {"metadata": {"name": "crunch-1-x", "labels": {LABEL: "crunch"}}, "spec": POD}
    cli.client(lambda client: client.create(PODS, "default", pod))
    assert cli("logs", word).stdout.startswith("default/crunch-1-x/main ")


@pytest.mark.parametrize("word", ["web-scaler", "so/web-scaler", "web"])
def test_the_log_of_a_scaled_object_is_that_of_a_pod_of_its_target(cli, word: str) -> None:
    put(cli, (SCALED_OBJECTS, "web-scaler"), (DEPLOYMENTS, "web"))
    pod = {"metadata": {"name": "web-1", "labels": {"app": "web"}}, "spec": POD}
    cli.client(lambda client: client.create(PODS, "default", pod))
    assert cli("logs", word).stdout.startswith("default/web-1/main ")
