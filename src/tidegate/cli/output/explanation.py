"""The lines of `tidegate explain`: a server's answer, for people. Each moment is told with its distance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tidegate.base.sentences import counted
from tidegate.base.times import distance, parse_time
from tidegate.cli.output.amounts import aim, amount

Entry = dict[str, Any]
# An HPA's conditions while it may do as the metrics say, and the reasons that hold a number all the same.
USUAL = {"AbleToScale": "True", "ScalingActive": "True", "ScalingLimited": "False"}
LIMITING = ("ScaleDownStabilized", "ScaleUpStabilized", "BackoffBoth", "BackoffDownscale", "BackoffUpscale")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?Z(?! \()")
# An HPA that looks every 15 s (or, at its slowest, minute by minute) would have been heard of.
LONG_S = 90.0


def lines(found: Entry, *, has_history: bool) -> Iterator[str]:
    """The explanation for people."""
    now = parse_time(found["at"])
    for line in _plain(found, now, has_history=has_history):
        yield dated(line, now)


def dated(text: str, now: datetime) -> str:
    """Each moment in the text followed by how far it is: `2026-01-02T03:04:05Z (in 4 min)`."""
    return _MOMENT.sub(lambda moment: f"{moment[0]} ({_far(moment[0], now)})", text)


def _plain(found: Entry, now: datetime, *, has_history: bool) -> Iterator[str]:
    yield f"{found['kind']} {found['namespace']}/{found['name']}{_size(found)}"
    yield from _pauses(found)
    yield from _workers(found)
    yield ""
    yield "triggers:"
    for trigger in found["triggers"]:
        yield from _trigger(found, trigger, now)
    if found["formula"]:
        yield from _formula(found["formula"])
    yield ""
    yield f"why, decided at {found['decidedAt']}:" if found["decidedAt"] else "why: nothing was decided yet"
    for number, reason in enumerate(found["reasons"], start=1):
        yield f"  {number}. {reason['text']}  [{reason['code']}]"
    if found["hpa"]:
        yield from _hpa(found, found["hpa"], now)
    # An operator of an earlier version says nothing of claims.
    if found.get("claims"):
        yield from _claims(found["claims"])
    for rival in found["rivals"]:
        yield ""
        yield (
            f"the {rival['kind']} {rival['name']} scales the same target: the two undo each other's counts; "
            "delete one of them"
        )
    yield from _outlook(found)
    if found["notices"]:
        yield ""
        yield "notices:"
        yield from (f"  - {text}" for text in found["notices"])
    if has_history:
        yield ""
        yield from _history(found["history"])


def _size(found: Entry) -> str:
    """`, 3 replicas, 0 ready (minimum 0, maximum 10)`, or the Jobs by what became of them."""
    told = ""
    if found["replicas"] is not None:
        told = f", {counted(found['replicas'], 'replica')}"
        if found["replicas"] and found["ready"] is not None:
            told += f", {found['ready']} ready"
    if found["jobs"] is not None:
        told = ", Jobs: " + ", ".join(f"{count} {what}" for what, count in found["jobs"].items())
    return f"{told} (minimum {found['minimum']}, maximum {found['maximum']})"


def _pauses(found: Entry) -> Iterator[str]:
    """The annotations that pause or force, as written."""
    for name, value in found["annotations"].items():
        goes_on = "; Jobs that run go on" if found["kind"] == "ScaledJob" else ""
        yield f'annotation {name}: "{value}"{goes_on}'


def _workers(found: Entry) -> Iterator[str]:
    """Why pods do not run, and Jobs do not succeed."""
    for one in found["notReady"]:
        what = "unfinished Job" if found["jobs"] is not None else "pod"
        who = f"{counted(one['pods'], what)} not ready: " if one["pods"] else ""
        yield f"  {who}{one['why']}"
    failing = found["failing"]
    if failing:
        who = "the last Job" if failing["jobs"] == 1 else f"the last {failing['jobs']} Jobs"
        yield f"  {who} failed: {failing['why'] or 'nobody says why'}"
    if found["unseen"]:
        yield f"  {found['unseen']}"


def _trigger(found: Entry, trigger: Entry, now: datetime) -> Iterator[str]:
    name = f" {trigger['name']}" if trigger["name"] else ""
    yield f"  {trigger['index']}: {trigger['type']}{name}: {', '.join(_state(found, trigger, now))}"
    if trigger["summary"]:
        yield f"     {trigger['summary']}"
    for metric in trigger["metrics"]:
        yield f"     {_metric(found, trigger, metric)}"
    if trigger["failure"]:
        yield f"     {trigger['failure']}"
    # What has failed for a poll as well is told above.
    elif trigger.get("whyNotPushed"):
        yield f"     only polled: {trigger['whyNotPushed']}"
    for text in trigger["notices"]:
        yield f"     {text}"


def _state(found: Entry, trigger: Entry, now: datetime) -> Iterator[str]:
    """What it says, how old that is, and when it is asked again."""
    if trigger["state"] == "paused":
        yield "not measured while paused"
        return
    if trigger["state"] == "native":
        yield _native_age(found, trigger, now)
        return
    yield "active by the fallback" if trigger["isFallback"] else trigger["state"]
    if not trigger["isAsked"]:
        yield "not asked: it must be corrected first"
        return
    is_clock = trigger["pollingInterval"] is None
    if trigger["age_s"] is None:
        yield "not measured yet"
    elif trigger["failure"]:
        often = trigger["failedPolls"]
        row = f" for the {_nth(often)} poll in a row" if often > 1 else ""
        yield f"failed {_ago(trigger['age_s'])}{row}"
    elif not is_clock:
        yield f"read {_ago(trigger['age_s'])}"
    # An operator of an earlier version says nothing of pushes.
    if trigger.get("isPushed"):
        yield "woken by its server"
    if trigger["nextPoll"] is not None:
        far = _far(trigger["nextPoll"], now)
        if is_clock:
            yield f"changes at {trigger['nextPoll']}"
        elif trigger["isHeld"]:
            yield f"tried again {far}"
        else:
            yield f"next poll {far} (every {_interval(trigger)})"


def _interval(trigger: Entry) -> str:
    """`30 s`, or how a budget stretches it, and why; an operator of an earlier version knows of none."""
    written, stretched = f"{trigger['pollingInterval']} s", trigger.get("stretched")
    if stretched is None:
        return written
    calls = f"{stretched['budget']:g} calls a minute, {stretched['wanted']:g} are wanted"
    return f"{stretched['every_s']:g} s instead of {written}: its server's budget is {calls}"


def _ago(age_s: float) -> str:
    return f"{age_s:g} s ago" if age_s < 120 else distance(-age_s)


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def _native_age(found: Entry, trigger: Entry, now: datetime) -> str:
    """Of a metric that the HPA reads: it tells of what it read where that has changed."""
    hpa = found["hpa"]
    if trigger["failure"]:
        return "unknown"
    if hpa is None or all(metric["value"] is None for metric in trigger["metrics"]):
        rests = hpa is not None and hpa["state"] == "resting"
        return "read by the HPA, which rests at 0 replicas" if rests else "read by the HPA, nothing told yet"
    if trigger["readAt"] is None:
        return "told by the HPA"
    if hpa["lookedAt"] and _s(trigger["readAt"], now) < -LONG_S:
        return f"told by the HPA, unchanged since {trigger['readAt']}"
    return f"told by the HPA {_far(trigger['readAt'], now)}"


def _metric(found: Entry, trigger: Entry, metric: Entry) -> str:
    text = f"{metric['name']}: {amount(metric, metric['value'])}"
    if metric.get("container"):
        text = f"{metric['name']} of container {metric['container']}: {amount(metric, metric['value'])}"
    if trigger["state"] == "paused":
        return text + (f" at {trigger['readAt']}" if trigger["readAt"] else "")
    if metric["target"] is None:
        return text
    above = "" if trigger["activation"] is None else f", active above {trigger['activation']:g}"
    target = aim(metric, "Job" if found["kind"] == "ScaledJob" else "replica")
    return f"{text} (target {target}{above}){_asks(metric)}"


def _asks(metric: Entry) -> str:
    return "" if metric["replicas"] is None else f": asks for {counted(metric['replicas'], 'replica')}"


def _formula(formula: Entry) -> Iterator[str]:
    text = f"  {formula['name']}: {amount(formula, formula['value'])} = {formula['formula']}"
    if formula["target"] is not None:
        text += f" (target {aim(formula)}, active above {formula['activation']:g}){_asks(formula)}"
    yield text
    if formula["failure"]:
        yield f"     {formula['failure']}"


def _hpa(found: Entry, hpa: Entry, now: datetime) -> Iterator[str]:
    """What the HPA says in its conditions; those that only say that nothing is wrong are left out."""
    yield ""
    if hpa["state"] == "resting":
        yield f"the HPA {hpa['name']} rests: it looks at nothing while there are 0 replicas"
        return
    if hpa["state"] == "behind":
        yield f"the HPA {hpa['name']} has not looked since the last change"
        return
    # While it does not scale, its word on limits is from before.
    is_idle = any(one["type"] == "ScalingActive" and one["status"] != "True" for one in hpa["conditions"])
    told = [
        f"  - {one['type']} is {one['status']} ({one['reason']}): {one['message']}"
        for one in hpa["conditions"]
        if (one["status"] != USUAL.get(one["type"]) or one["reason"] in LIMITING)
        and not (is_idle and one["type"] == "ScalingLimited")
    ]
    wanted = hpa["desiredReplicas"]
    does = "" if wanted is None or is_idle else f" wants {counted(wanted, 'replica')}"
    asking = [one for trigger in found["triggers"] for one in trigger["metrics"]]
    if does and hpa["leading"] and len(asking) > 1 and not found["formula"]:
        does += f", {hpa['leading']} asks for the most"
    looked = f" (looked {_far(hpa['lookedAt'], now)})" if hpa["lookedAt"] else ""
    yield f"the HPA {hpa['name']}{does}{looked}" + (":" if told else "")
    yield from told


def _claims(claims: Entry) -> Iterator[str]:
    """What is claimed, message by message."""
    yield ""
    held = counted(claims["held"], "message") if claims["isKnown"] else "not known yet how many messages"
    yield f"claimed from {claims['source']}: {held}"
    for one in claims["messages"]:
        job = f"Job {one['job']}" if one["job"] else "no Job yet"
        yield f"  {one['id']}: {job}, attempt {one['attempt']}, claimed {_ago(one['age_s'])}"
    if claims["held"] > len(claims["messages"]):
        yield f"  and {claims['held'] - len(claims['messages'])} more"
    if claims["failure"]:
        yield f"  {claims['failure']}"


def _outlook(found: Entry) -> Iterator[str]:
    if found["outlook"]:
        yield ""
        yield "what would change it:"
    for prospect in found["outlook"]:
        is_told = not prospect["at"] or prospect["at"] in prospect["text"]
        yield f"  - {prospect['text']}" + ("" if is_told else f", at {prospect['at']}")
    if found["due"] and not any(one["at"] == found["due"] for one in found["outlook"]):
        yield f"  - without news, it is decided again at {found['due']}"


def _history(history: list[Entry]) -> Iterator[str]:
    yield "history:" if history else "history: none yet"
    for entry in history:
        because = "; ".join(reason["text"] for reason in entry["reasons"])
        often = f" × {entry['count']} since {entry['since']}" if entry["count"] > 1 else ""
        yield f"  {entry['at']}  {entry['what']}{often}" + (f": {because}" if because else "")


def _far(moment: str, now: datetime) -> str:
    return distance(_s(moment, now))


def _s(moment: str, now: datetime) -> float:
    return (parse_time(moment) - now).total_seconds()
