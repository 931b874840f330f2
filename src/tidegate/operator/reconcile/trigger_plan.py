"""From an object and what it refers to, to the triggers that can be measured.

A plan is made again when the object's spec changes, or when something that it read does: a Secret, a
ConfigMap, a TriggerAuthentication, the target's pod template, a value that was fetched; a parameter file,
which is looked at at the pace of the polling interval.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.partial import Misread
from tidegate.auth.lending import Lending
from tidegate.auth.lookup import Lookup
from tidegate.auth.resolve import Options, Resolved, resolve
from tidegate.base.errors import Failure, TidegateError
from tidegate.base.problems import join
from tidegate.core.claims.wishes import CLAIM, HELD
from tidegate.core.listening import LISTEN
from tidegate.core.values import MetricSpec, Reading, TriggerView
from tidegate.kit.fetched import SourceQuestion
from tidegate.kit.identity import not_offered
from tidegate.kit.question import Ask
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Clocked, Described, Polled, Scope
from tidegate.kit.settings import declared
from tidegate.kube.resource import Resource
from tidegate.review.manifest import Review, TriggerPlan, review
from tidegate.review.next_reading import next_reading
from tidegate.review.notices.annotations import PREFIX

Object = dict[str, Any]
Kept = tuple[Reading | None, int]
"""A trigger's kept reading, and the polling intervals in a row that brought a failure."""
ReadSet = frozenset[tuple[Resource, str, str]]


@declared
class Unasked(Polled):
    """Stands for a trigger that cannot be asked: every measurement of it fails in the same way."""

    failure: Failure

    async def measure(self, ask: Ask, now: datetime) -> float:
        raise self.failure.error()


@dataclass(frozen=True, slots=True)
class Plan:
    """What an object comes to.

    `failures` are by trigger index: what keeps it from being measured. `read` is all that the plan
    depends on beside the object. `warnings` name forms that work but have a better one; `remarks` are those
    of them that a trigger's parameters brought, by its index. `stamps` are those of the parameter files that
    were read, by path. `misread` is what of the object could not be read. `wanted` are the questions to
    sources whose answers it needs, by trigger index; `waiting` says of a trigger which are still to come.
    """

    review: Review
    failures: dict[int, Failure]
    read: ReadSet
    warnings: tuple[str, ...]
    remarks: tuple[tuple[int, str], ...] = ()
    stamps: dict[str, Hashable] = field(default_factory=dict)
    misread: Misread | None = None
    wanted: dict[int, frozenset[SourceQuestion]] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)

    @property
    def questions(self) -> frozenset[SourceQuestion]:
        """All that it needs of sources."""
        return frozenset[SourceQuestion]().union(*self.wanted.values())

    @property
    def is_hpa_lost(self) -> bool:
        """Whether nobody can read what the HPA should be."""
        return self.misread is not None and self.misread.is_hpa_lost

    @property
    def is_whole(self) -> bool:
        """Whether all of its metrics are known: nothing is wrong or still to be fetched, and each server has
        described its own."""
        is_told = not self.waiting and not any(one.is_undescribed for one in self.review.triggers)
        return is_told and self.check("") is None

    def described(self, specs: Callable[[int], Iterable[MetricSpec]]) -> Plan:
        """The plan with the metrics that servers have told of, by the trigger's index."""
        if not any(isinstance(one.scaler, Described) for one in self.review.triggers):
            return self
        triggers = tuple(one.described(specs(one.index)) for one in self.review.triggers)
        return replace(self, review=replace(self.review, triggers=triggers))

    def notices_of(self, index: int | None) -> list[str]:
        """Those about one trigger, by their path within it; None: those about the object itself."""
        own = [text for one, text in self.remarks if one == index]
        own += [text for one, text in self.waiting.items() if one == index]
        for notice in self.review.notices:
            trigger, dot, path = notice.path.partition("].")
            if index is None and not notice.path.startswith("spec.triggers["):
                own.append(str(notice))
            elif dot and trigger == f"spec.triggers[{index}":
                own.append(f"{path}: {notice.message}")
        return list(dict.fromkeys(own))

    def scalers(self) -> list[tuple[int, Polled]]:
        """The triggers to measure; of one whose parameters cannot be had each poll counts as failed, where a
        fallback speaks for its metrics."""
        found: list[tuple[int, Polled]] = []
        for one in self.review.triggers:
            failure = self.failures.get(one.index)
            if failure is not None and one.metrics:
                found.append((one.index, Unasked(type=one.trigger.type, scope=Scope(""), failure=failure)))
            elif failure is None and isinstance(one.scaler, Polled):
                found.append((one.index, one.scaler))
        return found

    def clocks(self) -> frozenset[int]:
        """The triggers that only follow the clock."""
        return frozenset(index for index, scaler in self.scalers() if isinstance(scaler, Clocked))

    def check(self, stage: str) -> Failure | None:
        """Everything that is wrong with the object, in one text: what of it cannot be read, then the stage
        with the rest."""
        texts = [join(self.review.problems)] if self.review.problems else []
        texts += dict.fromkeys(failure.message for failure in self.failures.values())
        told = [f"{stage}: {'; '.join(texts)}"] if texts else []
        if self.misread is not None:
            told.insert(0, self.misread.text)
        return Failure("Misconfigured", "; ".join(told)) if told else None

    def views(self, kept: Callable[[int], Kept], now: datetime) -> tuple[TriggerView, ...]:
        """The triggers as a decision sees them; one that cannot be measured has a failure as reading."""
        return tuple(self._view(one, kept, now) for one in self.review.triggers)

    def foreseen(self, views: tuple[TriggerView, ...], now: datetime) -> tuple[TriggerView, ...]:
        """The views with what triggers that follow the clock will say next."""
        clocks = {index: scaler for index, scaler in self.scalers() if isinstance(scaler, Clocked)}
        return tuple(
            replace(view, next_reading=next_reading(clocks[view.index], now))
            if view.index in clocks
            else view
            for view in views
        )

    def _view(self, plan: TriggerPlan, kept: Callable[[int], Kept], now: datetime) -> TriggerView:
        reading, failed_polls = kept(plan.index)
        if reading is not None:
            # Names and values of one moment: the plan may have been made before.
            plan = plan.described(reading.specs)
        failure = self.failures.get(plan.index)
        if failure is None and plan.scaler is None and plan.index not in self.waiting:
            failure = Failure("Misconfigured", join(plan.problems) or "the trigger cannot be read")
        if failure is not None and reading is not None:
            reading = Reading(reading.at, failure=failure)
        elif failure is not None and not (plan.index in self.failures and plan.metrics):
            # Nobody polls it; else its first poll counts in a moment.
            reading = Reading(now, failure=failure)
        return TriggerView(
            index=plan.index,
            type=plan.trigger.type,
            name=plan.trigger.name or "",
            metrics=plan.metrics,
            resource=plan.resource,
            activation=plan.activation,
            reading=reading,
            failed_polls=failed_polls,
            is_consumed=isinstance(plan.scaler, Polled) and plan.scaler.consumes(),
        )


def plan(
    object: ScaledObject | ScaledJob,
    template: Object | Failure | None,
    container: str | None,
    lookup: Lookup,
    options: Options,
) -> Plan:
    """The plan of an object whose target (or Job) has this pod template, or why that cannot be had."""
    failures: dict[int, Failure] = {}
    remarks: list[tuple[int, str]] = []
    read: set[tuple[Resource, str, str]] = set()
    stamps: dict[str, Hashable] = {}
    lendings: dict[int, Lending] = {}
    wanted: dict[int, frozenset[SourceQuestion]] = {}
    waiting: dict[int, str] = {}

    def sources_for(index: int) -> Sources | Failure:
        trigger = object.spec.triggers[index]
        resolved = resolve(lookup, object.metadata.namespace, trigger, template, container or "", options)
        read.update(resolved.read)
        stamps.update(resolved.stamps)
        if resolved.wanted:
            wanted[index] = resolved.wanted
        if not isinstance(resolved, Resolved):
            if resolved.is_waiting:
                waiting[index] = resolved.message
            else:
                failures[index] = resolved
            return resolved
        lendings[index] = resolved.lending
        remarks.extend((index, text) for text in resolved.warnings)
        return Sources(trigger.metadata, resolved.env, resolved.params, resolved.unset, resolved.identity)

    reviewed = review(object, sources_for, None if isinstance(template, Failure) else template)
    for one in reviewed.triggers:
        error = _login_error(one, lendings.get(one.index, Lending(object.metadata.namespace)))
        if error is not None:
            failures[one.index] = Failure.of(error)
    # What is told as a problem is not told beside it.
    problems = [str(problem) for one in reviewed.triggers for problem in one.problems]
    remarks = [one for one in remarks if not any(problem.endswith(one[1]) for problem in problems)]
    warnings = [text for _, text in remarks] + [str(notice) for notice in reviewed.notices]
    told = tuple(dict.fromkeys(warnings))
    return Plan(
        reviewed,
        failures,
        frozenset(read),
        told,
        tuple(remarks),
        stamps,
        wanted=wanted,
        waiting=waiting,
    )


def _login_error(one: TriggerPlan, lending: Lending) -> TidegateError | None:
    """Why the identity that the trigger asks as is of no use; None where it is, or none is needed."""
    identity = one.scaler.asks_as() if one.scaler is not None else None
    if one.scaler is None or identity is None:
        return None
    attempted = f"measure {one.trigger.type}"
    if not one.scaler.can_log_in(identity):
        return not_offered(identity, attempted, one.scaler.summary())
    if identity != one.scaler.identity and not identity.role_arn:
        # The trigger's own metadata says so, whatever the authentication is allowed.
        lending = lending.of_namespace()
    return lending.refusal(identity, attempted)


def understood(made: Plan, misread: Misread | None) -> Plan:
    """The plan of an object that was not read as it was written: it tells so, and a trigger that says
    something else is broken."""
    if misread is None:
        return made
    reviewed = made.review
    triggers = tuple(
        TriggerPlan(one.index, one.trigger, problems=broken)
        if (broken := misread.of_trigger(one.index))
        else one
        for one in reviewed.triggers
    )
    others = tuple(one for one in reviewed.problems if not misread.speaks_of(one))
    return replace(made, review=replace(reviewed, triggers=triggers, problems=others), misread=misread)


def basis(object: ScaledObject | ScaledJob, template: Object | Failure | None) -> Any:
    """What of the object a plan depends on; equal bases need no new plan.

    A generation knows nothing of annotations.
    """
    prefixes = (PREFIX, CLAIM, LISTEN)
    ours = {
        key: text
        for key, text in object.metadata.annotations.items()
        if key.startswith(prefixes) and key != HELD
    }
    return (object.metadata.uid, object.metadata.generation, ours, template)
