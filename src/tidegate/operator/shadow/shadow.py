"""What an operator beside KEDA finds: a look after each reconcile, events for what lasts, a report."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import TidegateError
from tidegate.base.times import format_time
from tidegate.core.values import EmitEvent
from tidegate.kube.resource import JOBS, Resource
from tidegate.operator.cluster.shadow_writer import ShadowWriter
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Key, Tracked
from tidegate.operator.scaledjob.job_body import OWNER_LABEL
from tidegate.operator.shadow import differences
from tidegate.operator.shadow.differences import Difference
from tidegate.operator.shadow.ledger import DAY, Account, Past, Standing
from tidegate.review.hpa import hpa_name
from tidegate.telemetry.metrics.catalogue import SHADOW_DIFFERED, SHADOW_DIFFERS
from tidegate.telemetry.metrics.families import Metric

Object = dict[str, Any]
REASON = "ShadowDiffers"


class Shadow:
    """The accounts of all objects. `rows()` is the report, as plain values."""

    def __init__(self, steps: Steps, writer: ShadowWriter) -> None:
        self.steps = steps
        self.writer = writer
        self.since = steps.clock.now()
        self.accounts: dict[str, Account] = {}
        self._jobs: dict[str, frozenset[str]] = {}
        self._keys: dict[str, Key] = {}

    async def looked(
        self, tracked: Tracked, object: ScaledObject | ScaledJob, hpa: Object | None = None
    ) -> None:
        """Keeps and tells how the last decision differs from what is. `hpa` is the object's."""
        now = self.steps.clock.now()
        account = self.accounts.setdefault(tracked.uid, Account(now))
        self._keys[tracked.uid] = tracked.key
        found = differences.by_aspect(self._found(tracked, object, hpa, account))
        news, rest_s = account.look(found, now)
        for standing in news:
            await self.writer.tell(self.steps.place(tracked), _event(standing))
        if rest_s is not None:
            self.steps.again(tracked.key, max(rest_s, 1.0))

    def of(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """One object's account, beside its explanation."""
        tracked = self.steps.tracker.by_key.get((resource, namespace, name))
        account = self.accounts.get(tracked.uid) if tracked is not None else None
        return _row(account, self.steps.clock.now()) if account is not None else None

    def report(self) -> Object:
        """All objects, those that differ first."""
        self._forget()
        now = self.steps.clock.now()
        rows = []
        for uid, account in self.accounts.items():
            resource, namespace, name = self._keys[uid]
            row = {"kind": resource.kind, "namespace": namespace, "name": name, **_row(account, now)}
            rows.append(row)
        rows.sort(key=lambda one: (-one["differed_s"], one["kind"], one["namespace"], one["name"]))
        return {"since": format_time(self.since), "at": format_time(now), "objects": rows}

    def metrics(self) -> list[Metric]:
        """The same as figures."""
        differs, differed = Metric(SHADOW_DIFFERS), Metric(SHADOW_DIFFERED)
        now = self.steps.clock.now()
        for uid, account in self.accounts.items():
            resource, namespace, name = self._keys[uid]
            for standing in account.lasting():
                differs.set(1.0, namespace, name, resource.kind, standing.difference.aspect)
            differed.set(float(_row(account, now)["differed_s"]), namespace, name, resource.kind)
        return [differs, differed]

    def _found(
        self, tracked: Tracked, object: ScaledObject | ScaledJob, hpa: Object | None, account: Account
    ) -> list[Difference]:
        assert tracked.decision is not None
        if isinstance(object, ScaledJob):
            mark = self._started(tracked, account)
            return list(differences.of_decision(object, tracked.decision, mark))
        found = [*differences.of_decision(object, tracked.decision)]
        name = hpa["metadata"]["name"] if hpa is not None else hpa_name(object)
        wanted = self.writer.taken_hpa(object.metadata.namespace or "", name)
        found += differences.of_hpa(object, hpa, wanted)
        found += differences.of_recommendation(self.steps, tracked, object, hpa)
        return found

    def _started(self, tracked: Tracked, account: Account) -> int:
        """How many Jobs KEDA has started since we look."""
        _, namespace, name = tracked.key
        try:
            jobs = self.steps.informers.labelled(JOBS, namespace, (OWNER_LABEL, name))
        except TidegateError:
            return account.jobs_started
        uids = frozenset(one["metadata"]["uid"] for one in jobs)
        if tracked.uid in self._jobs:
            account.jobs_started += len(uids - self._jobs[tracked.uid])
        self._jobs[tracked.uid] = uids
        return account.jobs_started

    def _forget(self) -> None:
        """Objects that are gone leave the report."""
        known = self.steps.tracker.by_uid
        for uid in [one for one in self.accounts if one not in known]:
            self.accounts.pop(uid)
            self._keys.pop(uid, None)
            self._jobs.pop(uid, None)


def _event(standing: Standing) -> EmitEvent:
    one = standing.difference
    text = f"Tidegate beside KEDA: {one.aspect} would be {one.ours}, and is {one.theirs}"
    return EmitEvent("Normal", REASON, f"{text}, since {format_time(standing.since)}")


def _row(account: Account, now: datetime) -> Object:
    from_ = now - DAY
    past, lasting = account.of_day(now), list(account.lasting())
    all: list[Past | Standing] = [*past, *lasting]
    differed_s = sum(_span(one, max(one.since, from_), now) for one in all)
    return {
        "since": format_time(account.since),
        "looks": account.looks,
        "passed": account.passed,
        "longestPassed_s": round(account.longest_s, 1),
        "jobsStarted": account.jobs_started,
        "differed_s": differed_s,
        "isCut": account.is_cut,
        "differences": [_entry(one, now) for one in all],
    }


def _span(one: Past | Standing, since: datetime, now: datetime) -> int:
    return round(((one.until if isinstance(one, Past) else now) - since).total_seconds())


def _entry(one: Past | Standing, now: datetime) -> Object:
    until = one.until if isinstance(one, Past) else None
    return {
        "aspect": one.difference.aspect,
        "tidegate": one.difference.ours,
        "keda": one.difference.theirs,
        "since": format_time(one.since),
        "until": format_time(until) if until is not None else None,
        "lasted_s": _span(one, one.since, now),
    }
