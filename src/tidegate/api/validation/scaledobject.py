"""What KEDA's CRD rule and webhook refuse about a ScaledObject without looking at the cluster."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tidegate.api.scaled import REPLICAS_MAX
from tidegate.api.validation.triggers import (
    RESOURCE_TRIGGERS,
    Object,
    invalid,
    objects,
    part,
    required,
    text,
    trigger_problems,
    whole,
)
from tidegate.base.names import is_dns_subdomain
from tidegate.base.problems import Problem

NAME_MAX = 63
HPA_PREFIX = "keda-hpa-"


def scaled_object_problems(body: Object) -> Iterator[Problem]:
    spec = part(body, "spec")
    yield from trigger_problems(spec)
    yield from _replica_problems(spec)
    yield from _fallback_problems(spec)
    yield from _modifier_problems(spec)
    yield from _name_problems(body, spec)
    yield from _resource_only_problems(spec)


def _replica_problems(spec: Object) -> Iterator[Problem]:
    written, idle = whole(spec, "minReplicaCount"), whole(spec, "idleReplicaCount")
    most = whole(spec, "maxReplicaCount")
    most = REPLICAS_MAX if most is None else most
    if written is not None and written > most:
        message = f"minReplicaCount must be less than or equal to maxReplicaCount ({most})"
        yield invalid("spec.minReplicaCount", written, message)
    # A written 0 counts as 1 here, as in KEDA: `idleReplicaCount: 0` goes with `minReplicaCount: 0`.
    least = 0 if written is None else max(1, written)
    if idle is not None and idle >= least:
        message = f"IdleReplicaCount={idle} must be less than MinReplicaCount={least}"
        yield invalid("spec.idleReplicaCount", idle, message)


def _fallback_problems(spec: Object) -> Iterator[Problem]:
    if not isinstance(spec.get("fallback"), dict):
        return
    modifiers = part(spec, "advanced", "scalingModifiers")
    behavior = part(spec, "fallback").get("behavior")
    if behavior == "scalingModifiers" and not text(modifiers, "formula"):
        message = "scalingModifiers fallback behavior requires scalingModifiers.formula to be defined"
        yield invalid("spec.fallback.behavior", behavior, message)
    if not any(modifiers.values()) and _has_resource_triggers_only(spec):
        message = "fallback needs at least one trigger that is neither cpu nor memory"
        yield Problem("spec.fallback", f"Forbidden: {message}", "FieldValueForbidden")


def _modifier_problems(spec: Object) -> Iterator[Problem]:
    path = "spec.advanced.scalingModifiers"
    modifiers = part(spec, "advanced", "scalingModifiers")
    if not any(modifiers.values()):
        return
    formula, target = text(modifiers, "formula"), text(modifiers, "target")
    if not formula:
        yield required(f"{path}.formula", "it is mandatory when scalingModifiers are set")
    if not target:
        yield required(f"{path}.target", "formula is given but target is empty")
    elif (decimal_of(target) or 0.0) <= 0:
        yield invalid(f"{path}.target", target, "must be a number above 0")


def decimal_of(value: str) -> float | None:
    """The finite number that a text of scalingModifiers stands for; None where it is none."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in value and value == value.strip() else None


def _name_problems(body: Object, spec: Object) -> Iterator[Problem]:
    name = text(part(body, "metadata"), "name")
    hpa_name = text(part(spec, "advanced", "horizontalPodAutoscalerConfig"), "name")
    if len(name) > NAME_MAX:
        yield invalid("metadata.name", name, f"must be no more than {NAME_MAX} characters")
    elif not hpa_name and len(HPA_PREFIX) + len(name) > NAME_MAX:
        message = (
            f"the HPA would be named {HPA_PREFIX}{name}, which has more than {NAME_MAX} characters; use at "
            f"most {NAME_MAX - len(HPA_PREFIX)}, or set spec.advanced.horizontalPodAutoscalerConfig.name"
        )
        yield invalid("metadata.name", name, message)
    path = "spec.advanced.horizontalPodAutoscalerConfig.name"
    if len(hpa_name) > NAME_MAX:
        yield invalid(path, hpa_name, f"must be no more than {NAME_MAX} characters")
    elif hpa_name and not is_dns_subdomain(hpa_name):
        message = "must be a lowercase RFC 1123 subdomain: letters, digits, '-' and '.'"
        yield invalid(path, hpa_name, message)


def _resource_only_problems(spec: Object) -> Iterator[Problem]:
    target = part(spec, "scaleTargetRef")
    is_builtin = text(target, "kind") in ("", "Deployment", "StatefulSet") and (
        text(target, "apiVersion") or "apps/v1"
    ).startswith("apps/")
    if is_builtin and not whole(spec, "minReplicaCount") and _has_resource_triggers_only(spec):
        message = (
            "scaledobject has only cpu/memory triggers AND minReplica is 0 "
            "(scale to zero doesn't work in this case)"
        )
        yield invalid("spec.minReplicaCount", whole(spec, "minReplicaCount") or 0, message)


def _has_resource_triggers_only(spec: Object) -> bool:
    types = [trigger.get("type") for trigger in objects(spec, "triggers")]
    return bool(types) and all(type in RESOURCE_TRIGGERS for type in types)
