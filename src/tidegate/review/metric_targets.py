"""Targets that no number of replicas or Jobs can be computed from."""

from __future__ import annotations

from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.core.hpa.replicas import milli
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import settings_of


def target_problem(scaler: Polled, trigger: Trigger, target: float) -> Problem | None:
    """What is wrong with the target of a metric that replicas or Jobs are counted by.

    Values are divided by it: KEDA's HPA is refused with one that is not above 0, and so is an HPA that
    has healthy metrics beside it. HPAs count in thousandths. What a formula reads may have any target.
    """
    if milli(target) > 0:
        return None
    setting = scaler.target_setting()
    names = next((one.setting.names for one in settings_of(type(scaler)) if one.name == setting), ())
    written = next((trigger.metadata[name].strip() for name in names if name in trigger.metadata), "")
    text = f'"{written or f"{target:g}"}"'
    if target > 0:
        return Problem(setting, f"{text} is below 0.001, the least that a target can be")
    return Problem(setting, f"{text} is not above 0, as a target must be")
