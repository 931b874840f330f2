"""Living a plan to its end, and what must be so when all troubles are over."""

from __future__ import annotations

import base64
import math
from typing import Any

from parts import virtualtime
from parts.memory_client import Write
from parts.random_world import Life
from parts.virtualtime import VirtualClock
from parts.world_happenings import Plan
from parts.world_job_laws import JobLaws
from parts.world_laws import ObjectLaws, Version
from tidegate.api.decode import decode_as
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.core.control_annotations import PAUSED, is_set
from tidegate.kube.resource import DEPLOYMENTS, EVENTS, HPAS, SCALED_JOBS, SCALED_OBJECTS, SECRETS

# Back-off of looks and servers, the HPA's window down, and its steps up.
HEALING_S = 130.0
HPA_S = 420.0
WORK_S = 20_000.0
TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "i"}]}}


def live(plan: Plan) -> float:
    """Lives the plan; raises for the first law that is broken. Returns the virtual seconds it took."""

    async def story(clock: VirtualClock) -> float:
        life = Life(clock, plan.seed)
        await (_live_object if plan.kind == "object" else _live_job)(life, plan)
        return clock.monotonic()

    return virtualtime.run(story, seed=plan.seed)


async def happen(life: Life, plan: Plan) -> None:
    for after_s, happening in plan.happenings:
        await life.clock.sleep(after_s)
        life.check()
        life.note(repr(happening))
        await happening.happen(life)
    await life.clock.sleep(1.0)
    life.check()


async def calm(life: Life) -> None:
    """All troubles end, one operator lives, and what was deleted is there again."""
    life.note("all troubles end")
    life.troubles.end()
    life.broker.trouble_name = ""
    life.workers.is_calm = True
    right = {"data": {"password": base64.b64encode(b"right").decode()}}
    await life.objects.patch(SECRETS, "shop", "redis", right)
    for lived in life.operators[:-1]:
        await life.bury(lived)
    for lived in list(life.operators):
        lived.client.last_write = None
        if lived.client.is_dead:
            await life.bury(lived)
    if not life.operators:
        life.bear()
    while life.is_missing_something():
        await life.clock.sleep(1.0)
    await life.clock.sleep(HEALING_S)
    life.check()


async def create(life: Life, plan: Plan) -> None:
    """A Deployment and the ScaledObject that scales it."""
    metadata = {"name": "web", "namespace": "shop"}
    target = {"metadata": metadata, "spec": {"replicas": plan.replicas, "template": TEMPLATE}}
    await life.make("target", DEPLOYMENTS, target)
    spec = {"scaleTargetRef": {"name": "web"}, **plan.spec}
    await life.make("subject", SCALED_OBJECTS, {"metadata": metadata, "spec": spec})


async def _live_object(life: Life, plan: Plan) -> None:
    life.subject = (SCALED_OBJECTS, "web")
    ObjectLaws(life)
    async with life.living():
        await create(life, plan)
        await happen(life, plan)
        await calm(life)
        await _settle(life)
        _is_where_it_must_be(life)
        life.note("the lists are drained")
        life.broker.lists.clear()
        await _settle(life)
        _is_where_it_must_be(life)
        await _is_at_rest(life)


async def _settle(life: Life) -> None:
    spec = _object(life).spec
    waits_s = spec.cooldown_s + (spec.initial_cooldown_period or 0) + 3 * spec.polling_s
    await life.clock.sleep(HPA_S + waits_s)
    life.check()


def _object(life: Life) -> Any:
    found = life.objects.get(*life.subject_place)
    assert found is not None
    return decode_as(ScaledObject if life.subject[0] == SCALED_OBJECTS else ScaledJob, found)


def _is_where_it_must_be(life: Life) -> None:
    version = Version(_object(life))
    replicas, hpas = life.replicas(), life.objects.list(HPAS, "shop")
    if version.pause.is_full:
        if version.pause.replicas not in (None, replicas):
            life.breaks(f"it rests at {replicas} replicas, paused at {version.pause.replicas}")
        if hpas:
            life.breaks("a paused object keeps its HPA")
    elif all(is_good for _, _, is_good in version.lists()):
        _rests(life, version, replicas)
        _has_its_hpa(life, version, hpas)
    life.check()


def _rests(life: Life, version: Version, replicas: int) -> None:
    spec, pause = version.object.spec, version.pause
    values = {key: life.broker.length(key) for key, _, _ in version.lists()}
    is_active = version.is_forced or any(values[key] > least for key, least, _ in version.lists())
    wanted = _by_the_hpa(life, version, replicas)
    if not is_active and (spec.idle_replica_count is not None or not spec.replicas_min):
        wanted = {spec.idle_replica_count or 0}
        # Somebody may have put it below the idle count: nothing but activity raises from there.
        wanted |= set(range(min(wanted)))
    is_held_down = pause.is_scale_out_paused and replicas <= max(wanted)
    is_held_up = pause.is_scale_in_paused and replicas >= min(wanted)
    if replicas not in wanted and not is_held_down and not is_held_up:
        state = "active" if is_active else "inactive"
        life.breaks(f"it rests at {replicas} replicas, {state} with {values}, and should at {sorted(wanted)}")


def _by_the_hpa(life: Life, version: Version, replicas: int) -> set[int]:
    """The counts that the HPA may rest at: what the metrics ask for, or within their tolerance."""
    spec = version.object.spec
    least, most = max(1, spec.replicas_min), spec.replicas_max
    ratios = [
        life.broker.length(one.metadata["listName"]) / int(one.metadata["listLength"])
        for one in spec.triggers
    ]
    counts = {max(least, min(most, math.ceil(max(ratios))))}
    tolerated = replicas and max(
        math.ceil(ratio) if abs(ratio / replicas - 1) > 0.1001 else replicas for ratio in ratios
    )
    return counts | ({replicas} if tolerated == replicas and least <= replicas <= most else set())


def _has_its_hpa(life: Life, version: Version, hpas: list[Any]) -> None:
    object = version.object
    config = object.spec.advanced and object.spec.advanced.horizontal_pod_autoscaler_config
    name = (config and config.name) or "keda-hpa-web"
    shown = [
        (one["metadata"]["name"], one["spec"]["minReplicas"], one["spec"]["maxReplicas"]) for one in hpas
    ]
    wanted = [(name, max(1, object.spec.replicas_min), object.spec.replicas_max)]
    if shown != wanted:
        life.breaks(f"the HPAs are {shown}, and should be {wanted}")
    for one in hpas:
        owners = [owner["uid"] for owner in one["metadata"]["ownerReferences"]]
        if owners != [object.metadata.uid]:
            life.breaks(f"the HPA {one['metadata']['name']} belongs to {owners}")


async def _live_job(life: Life, plan: Plan) -> None:
    life.subject = (SCALED_JOBS, "crunch")
    strategy = (plan.spec.get("scalingStrategy") or {}).get("strategy", "default")
    life.workers.is_counted_until_done = strategy == "default"
    JobLaws(life)
    async with life.living():
        spec = {"jobTargetRef": {"template": TEMPLATE}, **plan.spec}
        metadata = {"name": "crunch", "namespace": "shop"}
        await life.make("subject", SCALED_JOBS, {"metadata": metadata, "spec": spec})
        await happen(life, plan)
        await calm(life)
        life.broker.lists["mails"] = 0
        await _work_is_done(life)
        if not _object(life).spec.min_replica_count:
            await _is_at_rest(life)


async def _work_is_done(life: Life) -> None:
    """Every message is worked off, but those that no trigger is active for."""
    version = Version(_object(life))
    lists = version.lists()
    is_paused = is_set(version.object.metadata.annotations, PAUSED)
    leasts = [least for key, least, is_good in lists if key == "jobs" and is_good]
    began_s = life.clock.monotonic()
    can_work = not is_paused and leasts and version.object.spec.replicas_max
    is_endless = bool(version.object.spec.min_replica_count)
    while (can_work and life.broker.length("jobs") > min(leasts)) or (life.unfinished() and not is_endless):
        if life.clock.monotonic() - began_s > WORK_S:
            left, jobs = life.broker.length("jobs"), life.unfinished()
            life.breaks(f"{left:g} messages are left over, with {jobs} unfinished")
            break
        await life.clock.sleep(5.0)
        life.check()
    await life.clock.sleep(3 * version.object.spec.polling_s + 30)
    life.check()


async def _is_at_rest(life: Life) -> None:
    """Two more looks write nothing, nor does a new operator, but that it tells what it has started."""
    for task in life.controllers:
        # What the HPA says when it meets no operator for a moment is news.
        task.cancel()
    (lived,) = life.operators
    before = len(lived.client.writes)
    for _ in range(2):
        lived.operator.queue.add((life.subject[0], "shop", life.subject[1]))
        await life.clock.sleep(2 * _object(life).spec.polling_s)
    if writes := [one for one in lived.client.writes[before:] if not is_heartbeat(one)]:
        life.breaks(f"two looks at rest wrote {writes}")
    await life.bury(lived)
    lived = life.bear()
    await life.clock.sleep(HEALING_S + 2 * _object(life).spec.polling_s)
    writes = [one for one in lived.client.writes if one.resource != EVENTS and not is_heartbeat(one)]
    if writes:
        life.breaks(f"a new operator wrote at rest {writes}")
    life.check()


def is_heartbeat(write: Write) -> bool:
    """An active object's status says once a minute since when, and that is all."""
    return write.subresource == "status" and list(write.body["status"]) == ["lastActiveTime"]
