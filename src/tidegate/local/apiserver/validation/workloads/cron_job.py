"""Validation of CronJobs: their schedule, and the Job that they make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidegate.base.cron import find_zone, parse_schedule
from tidegate.base.problems import Problem
from tidegate.local.apiserver.validation.rules import (
    NOT_SUPPORTED,
    Problems,
    at_least,
    one_of,
    required,
    wrong,
)
from tidegate.local.apiserver.validation.workloads.job import job_spec_problems
from tidegate.local.objects import Object

# A Job's name is that of its CronJob and the minute of its run.
NAME_MAX = 52
_POLICIES = ("Allow", "Forbid", "Replace")
_LIMITS = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
_IN_SCHEDULE = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"


def cron_job_problems(body: Object, old: Object | None) -> Problems:
    """A zone that this machine does not know any more may stay."""
    spec, before = body["spec"], (old or {}).get("spec") or {}
    if not spec.get("schedule"):
        yield required("spec.schedule")
    else:
        yield from _schedule(spec, before)
    zone = spec.get("timeZone")
    if zone is not None and zone != before.get("timeZone"):
        yield from _zone(zone)
    for field in _LIMITS:
        yield from at_least(f"spec.{field}", spec.get(field), 0)
    yield from one_of("spec.concurrencyPolicy", spec["concurrencyPolicy"], _POLICIES)
    yield from _job(spec["jobTemplate"]["spec"])
    name = body["metadata"].get("name") or ""
    if old is None and len(name) > NAME_MAX:
        yield wrong("metadata.name", name, f"must be no more than {NAME_MAX} characters")


def _schedule(spec: dict[str, Any], before: dict[str, Any]) -> Problems:
    text = spec["schedule"]
    try:
        parse_schedule(text)
    except ValueError as error:
        yield wrong("spec.schedule", text, str(error))
    if "TZ" in text:
        if "TZ" not in before.get("schedule", ""):
            yield wrong("spec.schedule", text, _IN_SCHEDULE)
        elif spec.get("timeZone") is not None:
            told = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            yield wrong("spec.schedule", text, told)


def _zone(name: str) -> Problems:
    if not name:
        yield wrong("spec.timeZone", name, "timeZone must be nil or non-empty string")
    elif name.lower() == "local":
        yield wrong(
            "spec.timeZone",
            name,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        )
    else:
        try:
            find_zone(name)
        except ValueError:
            yield wrong("spec.timeZone", name, f"unknown time zone {name}")


def _job(spec: dict[str, Any]) -> Problems:
    for problem in job_spec_problems(spec):
        yield replace(problem, path=f"spec.jobTemplate.{problem.path}")
    if spec.get("selector") is not None:
        yield wrong("spec.jobTemplate.spec.selector", spec["selector"], "`selector` will be auto-generated")
    if spec.get("manualSelector"):
        told = 'Unsupported value: true: supported values: "nil", "false"'
        yield Problem("spec.jobTemplate.spec.manualSelector", told, NOT_SUPPORTED)
