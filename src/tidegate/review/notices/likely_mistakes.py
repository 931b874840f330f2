"""What is written and, very likely, not meant: admission and validate warn of it, the operator need not.

Kinds that there are not, secrets in clear text, a workload that counts itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate import scalers
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggers import Trigger
from tidegate.api.validation.triggers import part
from tidegate.base.problems import Problem
from tidegate.base.selectors import parse_selector
from tidegate.base.spelling import hint
from tidegate.kit.settings import METADATA, settings_of

Object = dict[str, Any]

_SCALABLE = ("Deployment", "StatefulSet", "ReplicaSet")


def likely_mistakes(object: ScaledObject | ScaledJob, template: Object | None = None) -> Iterator[Problem]:
    """Each with its path; `template` is the pod template of the target, where it is known."""
    if isinstance(object, ScaledObject):
        yield from _kind(object)
    for index, trigger in enumerate(object.spec.triggers):
        yield from _clear_text(object, f"spec.triggers[{index}].metadata", trigger)
        if template is not None and isinstance(object, ScaledObject):
            yield from _counts_itself(object, f"spec.triggers[{index}].metadata", trigger, template)


def _kind(object: ScaledObject) -> Iterator[Problem]:
    target = object.spec.scale_target_ref
    kind = target.kind or "Deployment"
    if (target.api_version or "apps/v1") == "apps/v1" and kind not in _SCALABLE:
        message = f'apps/v1 has no kind "{kind}" that can be scaled{hint(kind, _SCALABLE)}'
        yield Problem("spec.scaleTargetRef.kind", message, "FieldValueNotSupported")


def _clear_text(object: ScaledObject | ScaledJob, path: str, trigger: Trigger) -> Iterator[Problem]:
    kind = scalers.find(trigger.type)
    for one in settings_of(kind) if kind is not None else ():
        if not one.setting.is_secret or METADATA not in one.setting.sources:
            continue
        for name in one.setting.names:
            if trigger.metadata.get(name, "").strip():
                who = f"whoever may read the {type(object).__name__}"
                message = f"it stands here in clear text for {who}; take it from a TriggerAuthentication"
                yield Problem(f"{path}.{name}", message)


def _counts_itself(object: ScaledObject, path: str, trigger: Trigger, template: Object) -> Iterator[Problem]:
    selector = trigger.metadata.get("podSelector", "").strip()
    if trigger.type != "kubernetes-workload" or not selector:
        return
    labels = {str(key): str(value) for key, value in part(template, "metadata", "labels").items()}
    try:
        is_own = parse_selector(selector).matches(labels)
    except ValueError:
        return
    if is_own:
        target = object.spec.scale_target_ref
        on = f"{target.kind or 'Deployment'}/{target.name}"
        message = f'"{selector}" selects the pods of {on} itself: each new replica asks for another one'
        yield Problem(f"{path}.podSelector", message)
