"""Whether a ScaledJob claims, from what, by which policy; and what keeps it from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure
from tidegate.connections.claims.writers import Connect
from tidegate.core.claims.expansion import DATA, expansion_problems, mentions
from tidegate.core.claims.values import Policy
from tidegate.core.claims.wishes import CLAIM, HELD, Wishes, wishes_of
from tidegate.core.control_annotations import PAUSED, is_set
from tidegate.core.scaledjob.job_count import range_of
from tidegate.kit.scaler import Polled
from tidegate.kit.systems.claims import Source
from tidegate.operator.reconcile.trigger_plan import Plan
from tidegate.review.notices.claims import can_claim

Object = dict[str, Any]

_GRACE_S = 30


@dataclass(frozen=True, slots=True)
class MayClaim:
    """Where this operator may claim: in these namespaces, `*` for all. `is_implied`: a template that mentions
    the message asks for it without an annotation (local mode). `connect` makes what writes to a broker.
    """

    namespaces: frozenset[str] = frozenset()
    is_implied: bool = False
    connect: Connect | None = None

    def allows(self, namespace: str) -> bool:
        return "*" in self.namespaces or namespace in self.namespaces


EVERYWHERE = MayClaim(frozenset({"*"}), is_implied=True)


@dataclass(frozen=True, slots=True)
class Claiming:
    """What a ScaledJob wants of claims; `problem` is what keeps it from them, `source` None then. Where it is
    not `is_final` it may pass without an edit.
    """

    wishes: Wishes
    source: Source | None = None
    problem: Failure | None = None
    is_final: bool = True


def is_asked_for(object: ScaledJob, template: Object | None, may: MayClaim, plan: Plan | None = None) -> bool:
    """Whether the object asks for claimed work."""
    annotations: Mapping[str, str] = object.metadata.annotations
    claim = wishes_of(annotations).claim
    if claim is None and CLAIM in annotations:
        # It says something, and nobody knows what: nothing is counted that was meant to be claimed.
        return True
    if claim is None:
        scaler = plan.review.triggers[0].scaler if plan is not None and plan.review.triggers else None
        return may.is_implied and can_claim(object, scaler) and mentions(template)
    return claim


def may_have_claims(object: ScaledJob) -> bool:
    """Whether it has claimed at some time, and not ended that."""
    return HELD in object.metadata.annotations


def claiming_of(object: ScaledJob, template: Object | None, plan: Plan, may: MayClaim) -> Claiming:
    """What is claimed, or why nothing is."""
    wishes = wishes_of(object.metadata.annotations)
    if wishes.claim is None and CLAIM in object.metadata.annotations:
        text = object.metadata.annotations[CLAIM]
        return Claiming(
            wishes, problem=_refused(f'the annotation {CLAIM} is "{text}"', 'say "true" or "false"')
        )
    if not may.allows(object.metadata.namespace):
        text = "this operator may not: claiming takes messages off a broker"
        step = f"--allow-claims (chart: claims.enabled, claims.namespaces) for {object.metadata.namespace}"
        return Claiming(wishes, problem=_refused(text, f"run it with {step}, or remove {CLAIM}"))
    found = list(expansion_problems(template))
    if found:
        return Claiming(wishes, problem=Failure("Misconfigured", "; ".join(str(one) for one in found)))
    if len(object.spec.triggers) != 1:
        text = f"there are {len(object.spec.triggers)} triggers, and nobody could tell whose message it was"
        return Claiming(wishes, problem=_refused(text, f"leave one, or remove {CLAIM}"))
    scaler = plan.review.triggers[0].scaler
    if scaler is None or 0 in plan.failures:
        # The plan tells what is wrong with it.
        return Claiming(wishes, problem=Failure("Misconfigured", ""), is_final=False)
    lacking = scaler.claim_problem(wishes) if isinstance(scaler, Polled) else ""
    if lacking:
        return Claiming(wishes, problem=Failure("Misconfigured", f"cannot claim messages: {lacking}"))
    source = scaler.claim_source(wishes) if isinstance(scaler, Polled) else None
    if source is None:
        text = f"{scaler.type} cannot be claimed from"
        step = f'see docs/claims.md for what can, or say {CLAIM}: "false" and leave {DATA} out'
        return Claiming(wishes, problem=Failure("Unsupported", f"cannot claim messages: {text}; {step}"))
    return Claiming(wishes, source)


def policy_of(object: ScaledJob, template: Object | None, claiming: Claiming, *, is_ending: bool) -> Policy:
    """What is asked of the claims now. What cannot be claimed any more is ended."""
    wishes = claiming.wishes
    grace_s = ((template or {}).get("spec") or {}).get("terminationGracePeriodSeconds")
    return Policy(
        maximum=range_of(object.spec).maximum,
        attempts=wishes.attempts,
        lease_s=float(wishes.lease_s),
        hourly=wishes.hourly,
        is_open=not is_set(object.metadata.annotations, PAUSED) and template is not None,
        is_ending=is_ending,
        grace_s=float(grace_s) if isinstance(grace_s, int) else float(_GRACE_S),
        too_large=wishes.too_large,
    )


def _refused(what: str, step: str) -> Failure:
    return Failure("Misconfigured", f"cannot claim messages: {what}; {step}")
