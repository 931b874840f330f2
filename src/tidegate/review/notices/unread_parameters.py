"""Parameters of a (Cluster)TriggerAuthentication that no trigger reads: misspelt, or left over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate import scalers
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.kit.settings import AUTHENTICATION, settings_of


def unread_parameters(
    object: TriggerAuthentication | ClusterTriggerAuthentication, triggers: Sequence[Trigger]
) -> Iterator[Problem]:
    """The parameters that none of `triggers`, those that refer to `object`, reads.

    Nothing without a trigger, or with one of a type that is not known: it may read anything.
    """
    kinds = {trigger.type: scalers.find(trigger.type) for trigger in triggers}
    known: set[str] = set()
    for kind in kinds.values():
        if kind is None:
            return
        settings = [one.setting for one in settings_of(kind)]
        known.update(name for one in settings if AUTHENTICATION in one.sources for name in one.names)
    if not kinds:
        return
    for path, name in _parameters(object):
        if name not in known:
            message = f'"{name}" has no effect: no {", ".join(kinds)} trigger reads it{hint(name, known)}'
            yield Problem(f"{path}.parameter", message)


def _parameters(
    object: TriggerAuthentication | ClusterTriggerAuthentication,
) -> Iterator[tuple[str, str]]:
    """Path and name of each parameter that is written one by one."""
    spec = object.spec
    named = {
        "secretTargetRef": [one.parameter for one in spec.secret_target_ref or ()],
        "configMapTargetRef": [one.parameter for one in spec.config_map_target_ref or ()],
        "env": [one.parameter for one in spec.env or ()],
    }
    for field, parameters in named.items():
        for index, parameter in enumerate(parameters):
            yield f"spec.{field}[{index}]", parameter
