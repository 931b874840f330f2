"""A cluster as KEDA has left it: a recording (`tests/migration/keda-<version>.yaml`) put back, without KEDA.

Uids are the server's, so what refers to an owner is told its new one. Pods are made anew by the controllers.

    async with taken_over(client, redis.address) as cluster: …
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from parts.keda_workloads import BY_KIND, NAMESPACE, PASSWORD, Object, created, listed
from tidegate.kube.client import Client
from tidegate.kube.resource import (
    CRDS,
    DEPLOYMENTS,
    HPAS,
    JOBS,
    NAMESPACES,
    PODS,
    SCALED_JOBS,
    SECRETS,
    STATEFUL_SETS,
    ApiError,
)

FOLDER = Path(__file__).parents[1] / "migration"
RECORDINGS = sorted(FOLDER.glob("keda-*.yaml"))
# In this order: who is referred to comes before who refers.
ORDER = (
    "Node",
    "Namespace",
    "Secret",
    "TriggerAuthentication",
    "ClusterTriggerAuthentication",
    "Deployment",
    "StatefulSet",
    "ScaledObject",
    "ScaledJob",
    "HorizontalPodAutoscaler",
    "Job",
)
SERVERS = ("uid", "resourceVersion", "creationTimestamp", "generation", "selfLink")
WITH_STATUS = {"TriggerAuthentication", "ClusterTriggerAuthentication", "ScaledObject", "ScaledJob"}
PATIENCE_S = 30.0


def recorded(file: Path, redis: str) -> list[Object]:
    """The objects of a recording; `redis` is the address of the Redis that is there now."""
    text = file.read_text().replace("REDIS", redis)
    read = [one for one in yaml.safe_load_all(text) if one["kind"] in ORDER]
    return sorted(read, key=lambda one: ORDER.index(one["kind"]))


def definitions(file: Path) -> list[Object]:
    """KEDA's CustomResourceDefinitions of the same version."""
    found: list[Object] = json.loads(file.with_name(f"{file.stem}-crds.json").read_text())
    return found


async def define(client: Client, file: Path) -> None:
    """Creates the definitions, and waits until they are served."""
    for body in definitions(file):
        await client.create(CRDS, "", body)
    await until(lambda: _are_served(client), "KEDA's kinds are served")


async def _are_served(client: Client) -> bool:
    found = (await client.list(CRDS)).items
    return all(
        any(
            one["type"] == "Established" and one["status"] == "True"
            for one in crd["status"]["conditions"] or ()
        )
        for crd in found
    )


async def restore(client: Client, file: Path, redis: str) -> None:
    """Puts everything back; returns when the Jobs are as far as they were."""
    uids: dict[str, str] = {}
    await client.create(NAMESPACES, "", {"metadata": {"name": "keda"}})
    login = {"metadata": {"name": "redis"}, "stringData": {"password": PASSWORD}}
    await client.create(SECRETS, "keda", login)
    for one in recorded(file, redis):
        made = await _made(client, _fresh(one, uids))
        uids[one["metadata"]["uid"]] = made["metadata"]["uid"]
        if one["kind"] == "ScaledJob" and one["metadata"]["generation"] > 1:
            # KEDA has written it once with empty fields more: its Jobs carry the generation of then.
            await client.patch(SCALED_JOBS, NAMESPACE, one["metadata"]["name"], {"spec": one["spec"]})
        if one["kind"] in WITH_STATUS and one.get("status"):
            metadata = one["metadata"]
            patch = {"status": one["status"]}
            place = BY_KIND[one["kind"]], metadata.get("namespace", ""), metadata["name"]
            await client.patch(*place, patch, subresource="status")
    await _finish(client, recorded(file, redis))


async def _made(client: Client, body: Object) -> Object:
    """Created as soon as the namespace has what it needs."""
    for _ in range(50):
        try:
            return await created(client, body)
        except ApiError as error:
            if error.code not in (403, 404):
                raise
            await asyncio.sleep(0.2)
    return await created(client, body)


def _fresh(one: Object, uids: dict[str, str]) -> Object:
    """The object as somebody may create it: without what is the server's to say."""
    body = copy.deepcopy(one)
    metadata = body["metadata"]
    for key in SERVERS:
        metadata.pop(key, None)
    body.pop("status", None)
    for owner in metadata.get("ownerReferences") or ():
        owner["uid"] = uids[owner["uid"]]
    if body["kind"] == "ScaledJob":
        body["spec"].pop("rollout", None)
    if body["kind"] == "Job":
        body["spec"].pop("selector", None)
        for labels in (metadata["labels"], body["spec"]["template"]["metadata"]["labels"]):
            for key in [one for one in labels if "controller-uid" in one or "job-name" in one]:
                del labels[key]
    return body


async def _finish(client: Client, bodies: list[Object]) -> None:
    """Pods of Jobs that were done are done again."""
    done = {
        one["metadata"]["name"] for one in bodies if one["kind"] == "Job" and one["status"].get("succeeded")
    }

    async def are_done() -> bool:
        for pod in (await listed(client, PODS)).values():
            if pod["metadata"]["labels"].get("job-name") in done and pod["status"]["phase"] == "Pending":
                patch = {"status": {"phase": "Succeeded"}}
                await client.patch(PODS, NAMESPACE, pod["metadata"]["name"], patch, subresource="status")
        jobs = await listed(client, JOBS)
        return all(jobs[name].get("status", {}).get("completionTime") for name in done)

    await until(are_done, "the Jobs are as far as they were")


async def until(is_so: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> None:
    """Waits for it; fails with `what`."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not await is_so():
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a take-over must leave as it is. By name: uid and spec of each HPA, generation and count of each
    workload, uid of each Job."""

    hpas: dict[str, tuple[str, Any]]
    workloads: dict[str, tuple[int, int]]
    jobs: dict[str, str]


async def shown(client: Client) -> Shown:
    hpas = await listed(client, HPAS)
    workloads = {**await listed(client, DEPLOYMENTS), **await listed(client, STATEFUL_SETS)}
    jobs = await listed(client, JOBS)
    return Shown(
        {name: (one["metadata"]["uid"], one["spec"]) for name, one in hpas.items()},
        {name: (one["metadata"]["generation"], one["spec"]["replicas"]) for name, one in workloads.items()},
        {name: one["metadata"]["uid"] for name, one in jobs.items()},
    )
