"""`tidegate explain`: why a ScaledObject or ScaledJob has the number it has, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from tidegate.base.sentences import counted
from tidegate.cli.session import Server, Session, reaching, run

Entry = dict[str, Any]
# An HPA's conditions while it may do as the metrics say, and the reasons that hold a number all the same.
USUAL = {"AbleToScale": "True", "ScalingActive": "True", "ScalingLimited": "False"}
LIMITING = ("ScaleDownStabilized", "ScaleUpStabilized", "BackoffBoth", "BackoffDownscale", "BackoffUpscale")


@click.command("explain")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@click.option("--history", is_flag=True, help="The last changes too, the newest last.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@reaching
def command(words: tuple[str, ...], history: bool, output: str, kubeconfig: str, namespace: str) -> None:
    """Say why an object has the number it has, and what would change it.

    Shows what each trigger said and when, each step of the last decision with its numbers, and the
    nearest values and moments at which it would decide otherwise.

    \b
    tidegate explain scaledobject worker
    tidegate explain sj/csv-processor --history
    """

    async def work(session: Session) -> bool:
        found = await fetch(session, words)
        if output == "json":
            import msgspec

            click.echo(msgspec.json.format(msgspec.json.encode(found)))
        else:
            for line in lines(found, history):
                click.echo(line)
        return True

    run(Server(kubeconfig, namespace), work)


async def fetch(session: Session, words: Sequence[str]) -> Entry:
    """The explanation, from a server that explains."""
    from urllib.parse import quote

    import msgspec

    from tidegate.base.errors import Misconfigured, Unsupported
    from tidegate.cli.objects import parse_words
    from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, ApiError

    pairs = parse_words(words).pairs
    if len(pairs) != 1:
        given = " ".join(words)
        raise Misconfigured(
            "explain",
            answer=f'"{given}" names {len(pairs) or "no"} object{"s" if pairs else ""}, and one is explained',
            next_step="write it as scaledobject NAME or scaledjob NAME, or with a slash between",
        )
    [(word, name)] = pairs
    resource = (await session.discovery.named(word)).resource
    if resource not in (SCALED_OBJECTS, SCALED_JOBS):
        raise Misconfigured(
            "explain",
            answer=f"nothing decides about {resource.plural}",
            next_step="name a ScaledObject or ScaledJob",
        )
    path = f"/explain/{resource.plural}/{quote(session.namespace, safe='')}/{quote(name, safe='')}"
    try:
        raw = await session.client.request("GET", path)
    except ApiError as error:
        if error.code == 404 and "decided" not in error.message:
            raise Unsupported(
                "explain",
                answer="this API server is not one that `tidegate up` serves",
                next_step="look at the object's events with kubectl describe",
            ) from error
        raise
    found: Entry = msgspec.json.decode(raw)
    return found


def lines(found: Entry, has_history: bool) -> Iterator[str]:
    """The explanation for people."""
    size = "" if found["replicas"] is None else f", {counted(found['replicas'], 'replica')}"
    yield (
        f"{found['kind']} {found['namespace']}/{found['name']}{size} (minimum {found['minimum']}, "
        f"maximum {found['maximum']})"
    )
    yield ""
    yield "triggers:"
    for trigger in found["triggers"]:
        yield from _trigger(trigger)
    yield ""
    yield f"why (decided at {found['decidedAt'] or 'no moment yet'}):"
    for number, reason in enumerate(found["reasons"], start=1):
        yield f"  {number}. {reason['text']}  [{reason['code']}]"
    if found["hpa"]:
        yield from _hpa(found["hpa"])
    if found["outlook"]:
        yield ""
        yield "what would change it:"
    for prospect in found["outlook"]:
        is_told = not prospect["at"] or prospect["at"] in prospect["text"]
        yield f"  - {prospect['text']}" + ("" if is_told else f" (at {prospect['at']})")
    if found["due"] and not any(one["at"] == found["due"] for one in found["outlook"]):
        yield f"  - without news, it is decided again at {found['due']}"
    if has_history:
        yield ""
        yield "history:"
        for entry in found["history"]:
            because = "; ".join(reason["text"] for reason in entry["reasons"])
            yield f"  {entry['at']}  {entry['what']}: {because}"


def _hpa(hpa: Entry) -> Iterator[str]:
    """What the HPA says in its conditions; those that only say that nothing is wrong are left out."""
    wanted = "" if hpa["desiredReplicas"] is None else f" wants {hpa['desiredReplicas']} replicas"
    # While it does not scale, its word on limits is from before.
    is_idle = any(one["type"] == "ScalingActive" and one["status"] != "True" for one in hpa["conditions"])
    told = [
        f"  - {one['type']} is {one['status']} ({one['reason']}): {one['message']}"
        for one in hpa["conditions"]
        if (one["status"] != USUAL.get(one["type"]) or one["reason"] in LIMITING)
        and not (is_idle and one["type"] == "ScalingLimited")
    ]
    yield ""
    yield f"the HPA {hpa['name']}{wanted}" + (":" if told else "")
    yield from told


def _trigger(trigger: Entry) -> Iterator[str]:
    name = f" {trigger['name']}" if trigger["name"] else ""
    age = "not measured yet" if trigger["age_s"] is None else f"read {trigger['age_s']:g} s ago"
    yield f"  {trigger['index']}: {trigger['type']}{name}: {trigger['state']}, {age}"
    for metric in trigger["metrics"]:
        value = "?" if metric["value"] is None else f"{metric['value']:g}"
        aim = (
            f"{metric['target']:g} per replica"
            if metric["targetType"] == "AverageValue"
            else f"{metric['target']:g}"
        )
        yield f"     {metric['name']}: {value} (target {aim}, active above {trigger['activation']:g})"
    if trigger["failure"]:
        yield f"     {trigger['failure']}"
