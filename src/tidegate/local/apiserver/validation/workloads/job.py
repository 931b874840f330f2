"""Validation of Jobs: their limits, and what is to follow failures and successes. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.validation.rules import (
    Problems,
    at_least,
    duplicate,
    forbidden,
    label_selector,
    one_of,
    required,
    wrong,
)
from tidegate.local.apiserver.validation.workloads.replicated import template_problems
from tidegate.local.objects import Object

RULES_MAX, VALUES_MAX, PATTERNS_MAX = 20, 255, 20
PARALLELISM_MAX = INDEXES_MAX = 100_000
MANY_INDEXES_MAX = 10_000
NUMBERS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_SPECIFYING = "Invalid value: specifying"
_RANGES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def job_problems(body: Object) -> Problems:
    yield from _selector(body)
    yield from job_spec_problems(body["spec"])


def job_spec_problems(spec: dict[str, Any]) -> Problems:
    """All but its selector, which the template of a Job has none of; nor need it have the defaults."""
    yield from _limits(spec)
    if spec["template"]["spec"]["restartPolicy"] == "Always":
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
        yield from template_problems(spec, ("Always", "OnFailure", "Never"))
    else:
        yield from template_problems(spec, ("OnFailure", "Never"))


def _limits(spec: dict[str, Any]) -> Problems:
    for field in NUMBERS:
        yield from at_least(f"spec.{field}", spec.get(field), 0)
    yield from one_of("spec.completionMode", spec.get("completionMode"), ("NonIndexed", "Indexed"))
    yield from _indexes(spec)
    restart = spec["template"]["spec"].get("restartPolicy")
    policies = ["Failed", "TerminatingOrFailed"]
    if (policy := spec.get("podFailurePolicy")) is not None:
        policies = ["Failed"]
        if restart != "Never":
            told = 'only "Never" is supported when podFailurePolicy is specified'
            yield wrong("spec.template.spec.restartPolicy", restart, told)
        yield from _failure_policy("spec.podFailurePolicy.rules", policy.get("rules") or [], spec)
    yield from one_of("spec.podReplacementPolicy", spec.get("podReplacementPolicy"), policies)
    if (policy := spec.get("successPolicy")) is not None:
        if spec.get("completionMode") != "Indexed":
            yield wrong("spec.successPolicy", policy, "requires indexed completion mode")
        else:
            size = spec.get("completions") or 0
            yield from _success_policy("spec.successPolicy.rules", policy.get("rules") or [], size)


def _indexes(spec: dict[str, Any]) -> Problems:
    per_index, most = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    size, parallelism = spec.get("completions"), spec.get("parallelism") or 0
    yield from at_least("spec.backoffLimitPerIndex", per_index, 0)
    yield from at_least("spec.maxFailedIndexes", most, 0)
    if most is not None and per_index is None:
        yield required("spec.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.get("completionMode") != "Indexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                yield wrong(f"spec.{field}", spec[field], "requires indexed completion mode")
        return
    if size is None:
        yield required("spec.completions", "when completion mode is Indexed")
    if parallelism > PARALLELISM_MAX:
        told = f"must be less than or equal to {PARALLELISM_MAX} when completion mode is Indexed"
        yield wrong("spec.parallelism", parallelism, told)
    if size is None:
        return
    if most is not None and most > size:
        yield wrong("spec.maxFailedIndexes", most, "must be less than or equal to completions")
    if per_index is not None and size > INDEXES_MAX:
        if most is None:
            yield required(
                "spec.maxFailedIndexes", f"must be specified when completions is above {INDEXES_MAX}"
            )
        for field, value in (("parallelism", parallelism), ("maxFailedIndexes", most or 0)):
            if value > MANY_INDEXES_MAX:
                told = f"must be less than or equal to {MANY_INDEXES_MAX}"
                why = f"when completions are above {INDEXES_MAX} and used with backoff limit per index"
                yield wrong(f"spec.{field}", value, f"{told} {why}")


def _selector(body: Object) -> Problems:
    spec, uid = body["spec"], body["metadata"]["uid"]
    made = [{"matchLabels": {key: uid}} for key in ("batch.kubernetes.io/controller-uid", "controller-uid")]
    if spec["manualSelector"] is True:
        if not spec.get("selector"):
            yield required("spec.selector", "when manualSelector is true")
        else:
            yield from label_selector("spec.selector", spec["selector"])
    elif not spec.get("selector"):
        # Of a new one it is made; a later body without it would choose nothing.
        yield required("spec.selector")
        labels = spec["template"]["metadata"].get("labels")
        yield wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    elif spec["selector"] not in made:
        yield wrong("spec.selector", spec["selector"], "`selector` not auto-generated")


def _failure_policy(path: str, rules: list[dict[str, Any]], spec: dict[str, Any]) -> Problems:
    yield from _at_most(path, rules, RULES_MAX)
    pod = spec["template"]["spec"]
    every = (*(pod.get("initContainers") or ()), *(pod.get("containers") or ()))
    names = {one.get("name") for one in every}
    for index, rule in enumerate(rules):
        where, action = f"{path}[{index}]", rule.get("action")
        if not action:
            yield required(f"{where}.action", f"valid values: {', '.join(ACTIONS)}")
        yield from one_of(f"{where}.action", action or None, ACTIONS)
        if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            yield wrong(f"{where}.action", action, "requires the backoffLimitPerIndex to be set")
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            yield from _exit_codes(f"{where}.onExitCodes", codes, names)
        yield from _conditions(f"{where}.onPodConditions", patterns)
        if codes is not None and patterns:
            yield Problem(
                where, "Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"
            )
        elif codes is None and not patterns:
            yield Problem(
                where, "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"
            )


def _exit_codes(path: str, codes: dict[str, Any], names: Collection[Any]) -> Problems:
    operator, values = codes.get("operator"), codes.get("values") or []
    if not operator:
        yield required(f"{path}.operator", "valid values: In, NotIn")
    yield from one_of(f"{path}.operator", operator or None, ("In", "NotIn"))
    name = codes.get("containerName")
    if name is not None and name not in names:
        told = "must be one of the container or initContainer names in the pod template"
        yield wrong(f"{path}.containerName", name, told)
    if not values:
        yield wrong(f"{path}.values", values, "at least one value is required")
    yield from _at_most(f"{path}.values", values, VALUES_MAX)
    if values != sorted(values):
        yield wrong(f"{path}.values", values, "must be ordered")
    for index, value in enumerate(values):
        if value in values[:index]:
            yield duplicate(f"{path}.values[{index}]", value)
        if value == 0 and operator == "In":
            yield wrong(f"{path}.values[{index}]", value, "must not be 0 for the In operator")


def _conditions(path: str, patterns: list[dict[str, Any]]) -> Problems:
    yield from _at_most(path, patterns, PATTERNS_MAX)
    for index, pattern in enumerate(patterns):
        if not pattern.get("type"):
            yield required(f"{path}[{index}].type")
        yield from one_of(f"{path}[{index}].status", pattern.get("status"), ("False", "True", "Unknown"))


def _success_policy(path: str, rules: list[dict[str, Any]], size: int) -> Problems:
    if not rules:
        yield required(path, "at least one rules must be specified when the successPolicy is specified")
    yield from _at_most(path, rules, RULES_MAX)
    for index, rule in enumerate(rules):
        where, count, text = f"{path}[{index}]", rule.get("succeededCount"), rule.get("succeededIndexes")
        if count is None and text is None:
            yield required(where, "at least one of succeededCount or succeededIndexes must be specified")
        among = size
        if text is not None:
            found = _count(text, size)
            if found is None:
                told = f"must be ascending ranges such as 0-3,5 within 0 to {size - 1}"
                yield wrong(f"{where}.succeededIndexes", text, told)
                continue
            among = found
        if count is not None and not 0 < count <= among:
            told = f"must be greater than 0 and not above the {among} indexes that it counts among"
            yield wrong(f"{where}.succeededCount", count, told)


def _count(text: str, size: int) -> int | None:
    """How many indexes the ranges name; None where they are none."""
    if not _RANGES.fullmatch(text):
        return None
    total, last = 0, -1
    for part in text.split(","):
        first, _, end = part.partition("-")
        begin, stop = int(first), int(end or first)
        if begin <= last or stop < begin or stop >= size or (end and stop == begin):
            return None
        total, last = total + stop - begin + 1, stop
    return total


def _at_most(path: str, found: list[Any], most: int) -> Problems:
    if len(found) > most:
        yield forbidden(path, f"must have at most {most} items")
