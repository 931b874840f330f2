"""The one thing that a name without a type can mean; where it can mean several, or none, that is said."""

from __future__ import annotations

from typing import Any

from tidegate.base.errors import Misconfigured
from tidegate.base.spelling import nearest
from tidegate.cli.cluster.resource_arguments import Target
from tidegate.cli.cluster.session import Session
from tidegate.kube.resource import (
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    STATEFUL_SETS,
    ApiError,
    Resource,
)

Object = dict[str, Any]
_OWNERS = {one.kind: one for one in (JOBS, REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS, SCALED_JOBS)}

SHORT = {
    SCALED_OBJECTS: "so",
    SCALED_JOBS: "sj",
    DEPLOYMENTS: "deployment",
    STATEFUL_SETS: "statefulset",
    JOBS: "job",
    REPLICA_SETS: "replicaset",
}


async def scaler_called(session: Session, name: str) -> tuple[Resource, str]:
    """The ScaledObject or ScaledJob of that name; else the ScaledObject that scales what has it."""
    objects = await _listed(session, SCALED_OBJECTS)
    jobs = await _listed(session, SCALED_JOBS)
    called = [(SCALED_OBJECTS, name) for one in objects if _name(one) == name]
    called += [(SCALED_JOBS, name) for one in jobs if _name(one) == name]
    if not called:
        called = [(SCALED_OBJECTS, _name(one)) for one in objects if _target(one)["name"] == name]
    if not called:
        for kind in (JOBS, PODS, REPLICA_SETS):
            called += _scalers(objects, await _with_owners(session, kind, name))
    names = [_name(one) for one in (*objects, *jobs)]
    return _only(called, "explain", session, name, names)


async def scaler_of(session: Session, resource: Resource, name: str) -> tuple[Resource, str]:
    """The ScaledObject that scales this workload, or whose pod or replica set this is; the ScaledJob whose
    Job or pod it is."""
    objects = await _listed(session, SCALED_OBJECTS)
    found = _scalers(objects, [(resource.kind, name), *await _with_owners(session, resource, name)])
    if not found:
        raise Misconfigured(
            "explain",
            answer=f"no ScaledObject of {session.namespace} scales {resource.kind} {name}",
            next_step="name a ScaledObject or ScaledJob",
        )
    return _only(found, "explain", session, name, [])


def _scalers(objects: list[Object], owners: list[tuple[str, str]]) -> list[tuple[Resource, str]]:
    """The ScaledJob among the owners, else the ScaledObjects that scale one of them."""
    jobs = [(SCALED_JOBS, name) for kind, name in owners if kind == SCALED_JOBS.kind]
    targets = [{"kind": kind, "name": name} for kind, name in owners]
    return jobs or [(SCALED_OBJECTS, _name(one)) for one in objects if _target(one) in targets]


async def _with_owners(session: Session, resource: Resource, name: str) -> list[tuple[str, str]]:
    """Kind and name of the object, of its owner, and so on; nothing where there is none."""
    found: list[tuple[str, str]] = []
    following: Resource | None = resource
    while following is not None:
        try:
            one = await session.client.get(following, session.namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return found
        found.append((following.kind, name))
        owners: list[Object] = one["metadata"].get("ownerReferences") or []
        owner: Object = next((it for it in owners if it.get("controller")), {})
        name = str(owner.get("name") or "")
        following = _OWNERS.get(str(owner.get("kind")))
    return found


async def logged(session: Session, name: str) -> Target | None:
    """What has pods and goes by that name: a workload before what scales it. None where nothing does."""
    for kinds in ((DEPLOYMENTS, STATEFUL_SETS, JOBS, SCALED_JOBS), (SCALED_OBJECTS, REPLICA_SETS)):
        found = [one for one in kinds if await _exists(session, one, name)]
        if found:
            resource, _ = _only([(one, name) for one in found], "print logs", session, name, [])
            return Target(resource, session.namespace, name)
    return None


def _only(
    found: list[tuple[Resource, str]], attempted: str, session: Session, name: str, names: list[str]
) -> tuple[Resource, str]:
    if len(found) == 1:
        return found[0]
    if found:
        shown = " and ".join(f"{SHORT[resource]}/{one}" for resource, one in found)
        raise Misconfigured(attempted, answer=f"{name} may be {shown}", next_step="write which of them")
    near = nearest(name, names)
    step = f"did you mean {near}?" if near else "write it as scaledobject NAME or scaledjob NAME"
    answer = f"{session.namespace} has no ScaledObject and no ScaledJob {name}, and none that scales it"
    raise Misconfigured(attempted, answer=answer, next_step=step)


async def _listed(session: Session, resource: Resource) -> list[Object]:
    """The objects of the namespace; none of a kind that is not served."""
    try:
        return (await session.client.list(resource, session.namespace)).items
    except ApiError as error:
        if error.code != 404:
            raise
        return []


async def _exists(session: Session, resource: Resource, name: str) -> bool:
    try:
        await session.client.get(resource, session.namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True


def _name(one: Object) -> str:
    return str(one["metadata"]["name"])


def _target(scaled: Object) -> dict[str, str]:
    reference = (scaled.get("spec") or {}).get("scaleTargetRef") or {}
    return {"kind": reference.get("kind") or "Deployment", "name": str(reference.get("name") or "")}
