"""What is asked of a Pod beside its own fields: to be bound to a node, and to be evicted.

An eviction is a deletion that asks the Pod's disruption budget first. The budget is written before the Pod is
deleted, in the version that was read: two evictions at once never spend the same disruption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.base.problems import Problem
from tidegate.base.selectors import from_label_selector
from tidegate.base.times import format_time
from tidegate.kube.resource import DISRUPTION_BUDGETS, PODS, ApiError, Resource
from tidegate.local.apiserver.kinds import Kind, Kinds
from tidegate.local.apiserver.refusals import conflict, invalid, not_found
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import decode
from tidegate.local.apiserver.writing.deletion import Deletion
from tidegate.local.apiserver.writing.verbs import Options, Target, Verbs
from tidegate.local.objects import Object
from tidegate.runtime.clock import Clock

BINDING = Kind(Resource("", "v1", "bindings", "Binding"))
EVICTION = Kind(Resource("policy", "v1", "evictions", "Eviction"))
# What the controller has not confirmed yet; more of it means that it does not run.
MOST_DISRUPTED = 2000
TRIES = 20
RETRY_S = 10
_TWO_BUDGETS = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
)
_BLOCKED = "Cannot evict pod as it would violate the pod's disruption budget."


class PodRequests:
    """Every refusal is an `ApiError`; what is granted has been written."""

    def __init__(self, store: Store, verbs: Verbs, kinds: Kinds, clock: Clock) -> None:
        pods, budgets = kinds.of(PODS), kinds.of(DISRUPTION_BUDGETS)
        assert pods is not None
        assert budgets is not None
        self._pods, self._budgets = pods, budgets
        self._store = store
        self._verbs = verbs
        self._clock = clock

    async def bind(self, namespace: str, name: str, binding: Object, options: Options) -> None:
        """Gives the Pod its node, once. 409 where it has one or may have none."""
        target = binding.get("target") or {}
        if problems := _binding_problems(target):
            raise invalid(BINDING, name, problems)
        pod = self._pod(namespace, name)
        meta, spec, given = pod["metadata"], pod["spec"], binding["metadata"]
        if "deletionTimestamp" in meta:
            raise self._unbound(name, f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.get("nodeName"):
            raise self._unbound(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
        if spec.get("schedulingGates"):
            raise self._unbound(name, f"pod {name} has non-empty .spec.schedulingGates")
        notes = {**(meta.get("annotations") or {}), **(given.get("annotations") or {})}
        labels = {**(meta.get("labels") or {}), **(given.get("labels") or {})}
        version = given.get("resourceVersion") or meta["resourceVersion"]
        bound = {
            "uid": given.get("uid") or meta["uid"],
            "resourceVersion": version,
            **({"annotations": notes} if notes else {}),
            **({"labels": labels} if labels else {}),
        }
        at = Target(self._pods, namespace, name)
        scheduled = {"type": "PodScheduled", "status": "True"}
        status = _with_condition(pod.get("status") or {}, scheduled, self._clock.now())
        # The condition first: from the moment it has a node, the Pod's status belongs to that node.
        told = {**pod, "metadata": {**meta, **bound}, "status": status}
        written = await self._verbs.update(at._replace(subresource="status"), told, options)
        if options.is_dry_run:
            return
        patch = {
            "metadata": {**bound, "resourceVersion": _version(written.body)},
            "spec": {"nodeName": target["name"]},
        }
        await self._verbs.patch(at, "merge", patch, options)

    async def evict(self, namespace: str, name: str, deletion: Deletion, options: Options) -> None:
        """Deletes the Pod if its budget allows. 429 where it does not, 500 where two budgets hold the Pod."""
        for last in range(TRIES):
            try:
                return await self._evict(self._pod(namespace, name), deletion, options)
            except ApiError as error:
                if error.reason != "Conflict" or deletion.resource_version or last == TRIES - 1:
                    raise
        return None

    async def _evict(self, pod: Object, deletion: Deletion, options: Options) -> None:
        status = pod.get("status") or {}
        name, version = pod["metadata"]["name"], pod["metadata"]["resourceVersion"]
        if "deletionTimestamp" in pod["metadata"] or status.get("phase") in ("Succeeded", "Failed"):
            return await self._delete(pod, deletion, options)
        exactly = replace(deletion, resource_version=deletion.resource_version or version)
        if status.get("phase", "Pending") == "Pending":
            return await self._delete(pod, exactly, options)
        budget = self._budget_of(pod)
        if budget is None:
            return await self._delete(pod, deletion, options)
        if not _is_ready(status) and _lets_unready_go(budget):
            try:
                return await self._delete(pod, exactly, options)
            except ApiError as error:
                if error.reason != "Conflict" or deletion.resource_version:
                    raise
                raise _under_way(budget) from error
        await self._spend(budget, name, options)
        return await self._delete(pod, deletion, options)

    def _budget_of(self, pod: Object) -> Object | None:
        meta = pod["metadata"]
        rows = self._store.newest_rows(self._budgets.key)
        budgets = [row.parse() for row in rows if row.namespace == meta["namespace"]]
        found = [one for one in budgets if _selects(one, meta.get("labels") or {})]
        if len(found) > 1:
            raise ApiError(500, "", _TWO_BUDGETS)
        return found[0] if found else None

    async def _spend(self, budget: Object, pod: str, options: Options) -> None:
        """Takes one disruption from the budget, and notes for whom, until the controller has seen it."""
        meta, status = budget["metadata"], budget.get("status") or {}
        if status.get("observedGeneration", 0) < meta["generation"]:
            raise _under_way(budget)
        disrupted = status.get("disruptedPods") or {}
        if len(disrupted) > MOST_DISRUPTED:
            details = {"name": meta["name"], "group": "policy", "kind": "poddisruptionbudget"}
            why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
            text = f'poddisruptionbudget.policy "{meta["name"]}" is forbidden: {why}'
            raise ApiError(403, "Forbidden", text, details)
        if status.get("disruptionsAllowed", 0) < 1:
            raise _blocked(_why_blocked(meta["name"], status))
        if options.is_dry_run:
            return
        left = {
            **status,
            "disruptionsAllowed": status["disruptionsAllowed"] - 1,
            "disruptedPods": {**disrupted, pod: format_time(self._clock.now())},
        }
        target = Target(self._budgets, meta["namespace"], meta["name"], "status")
        await self._verbs.update(target, {**budget, "status": left})

    async def _delete(self, pod: Object, deletion: Deletion, options: Options) -> None:
        meta = pod["metadata"]
        target = Target(self._pods, meta["namespace"], meta["name"])
        if not options.is_dry_run and "deletionTimestamp" not in meta:
            newest = self._pod(meta["namespace"], meta["name"])
            reason = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
            condition = {**reason, "message": "Eviction API: evicting"}
            told = _with_condition(newest.get("status") or {}, condition, self._clock.now())
            wanted = deletion.resource_version or newest["metadata"]["resourceVersion"]
            uid = deletion.uid or newest["metadata"]["uid"]
            marked = {**newest["metadata"], "resourceVersion": wanted, "uid": uid}
            body = {**newest, "metadata": marked, "status": told}
            written = await self._verbs.update(target._replace(subresource="status"), body)
            if deletion.resource_version:
                deletion = replace(deletion, resource_version=_version(written.body))
        await self._verbs.delete(target, deletion, options)

    def _pod(self, namespace: str, name: str) -> Object:
        row = self._store.newest(self._pods.key, (namespace, name))
        if row is None:
            raise not_found(self._pods, name)
        return row.parse()

    def _unbound(self, name: str, why: str) -> ApiError:
        error = conflict(self._pods, name, why)
        text = f'Operation cannot be fulfilled on pods/binding "{name}": {why}'
        return ApiError(error.code, error.reason, text, {"name": name, "kind": "pods/binding"})


def _binding_problems(target: Mapping[str, Any]) -> list[Problem]:
    if target.get("kind") not in (None, "", "Node"):
        return [Problem("target.kind", 'Unsupported value: supported values: "Node", "<empty>"')]
    return [] if target.get("name") else [Problem("target.name", "Required value")]


def _selects(budget: Object, labels: Mapping[str, str]) -> bool:
    try:
        return from_label_selector((budget.get("spec") or {}).get("selector")).matches(dict(labels))
    except ValueError:
        return False  # what no program can read chooses nothing


def _is_ready(status: Mapping[str, Any]) -> bool:
    conditions = status.get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _lets_unready_go(budget: Object) -> bool:
    """Whether Pods that are not ready may go whatever is left to spend."""
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    policy = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy")
    return policy == "AlwaysAllow" or 0 < desired <= status.get("currentHealthy", 0)


def _with_condition(status: Object, wanted: dict[str, str], now: datetime) -> Object:
    known: list[Object] = status.get("conditions") or []
    others = [one for one in known if one["type"] != wanted["type"]]
    since = next((one.get("lastTransitionTime") for one in known if _says(one, wanted)), None)
    return {**status, "conditions": [*others, {**wanted, "lastTransitionTime": since or format_time(now)}]}


def _says(condition: Object, wanted: Mapping[str, str]) -> bool:
    return bool(condition["type"] == wanted["type"] and condition["status"] == wanted["status"])


def _why_blocked(name: str, status: Mapping[str, Any]) -> str:
    conditions: list[Object] = status.get("conditions") or []
    found: Object = next((one for one in conditions if one["type"] == "DisruptionAllowed"), {})
    message = found.get("message") if found.get("status") == "False" else ""
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    barred = f"The disruption budget {name} does not allow evicting pods currently"
    if message and found.get("reason") == "SyncFailed":
        return f"{barred} because it failed sync: {message}"
    if healthy <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
    return f"{barred} ({found['reason']}): {message}" if message else barred


def _blocked(why: str, retry_s: int = 0) -> ApiError:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_s:
        details["retryAfterSeconds"] = retry_s
    return ApiError(429, "TooManyRequests", _BLOCKED, details)


def _under_way(budget: Object) -> ApiError:
    name = budget["metadata"]["name"]
    return _blocked(f"The disruption budget {name} is still being processed by the server.", RETRY_S)


def _version(body: bytes) -> str:
    return str(decode(body)["metadata"]["resourceVersion"])
