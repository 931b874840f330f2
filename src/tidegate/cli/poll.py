"""`tidegate poll`: each trigger of a manifest measured once, against the real source."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.cli.manifests import Document
    from tidegate.cli.reach import Reach
    from tidegate.connections.adapter import Adapter
    from tidegate.kit.question import Question
    from tidegate.kube.resource import Resource

LIMIT_S = 10.0
COLUMNS = ("OBJECT", "TRIGGER", "METRIC", "VALUE", "TARGET", "ACTIVATION", "ACTIVE", "REPLICAS", "TIME")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one metric of a trigger said. `replicas` is what it asks for within min and max; `failure`
    says why there is no value."""

    object: str
    trigger: str
    metric: str = ""
    value: float | None = None
    target: float | None = None
    activation: float | None = None
    is_active: bool | None = None
    replicas: int | None = None
    time_s: float | None = None
    failure: str = ""


@click.command("poll")
@click.option(
    "-f", "--filename", "files", multiple=True, required=True, help="File, folder, or - (repeatable)."
)
@click.option(
    "--kubeconfig", default="", help="A cluster to ask for what FILES lack, for pods, and for local Services."
)
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(files: tuple[str, ...], kubeconfig: str, namespace: str, output: str) -> None:
    """Measure each trigger of ScaledObjects and ScaledJobs once, against the real source.

    Needs no cluster. Secrets, ConfigMaps and TriggerAuthentications are taken from the files too, or
    from the cluster of --kubeconfig. With the kubeconfig of `tidegate up`, names of its Services are
    understood. Exits 1 if a trigger could not be read.
    """
    from tidegate.cli.manifests import load
    from tidegate.runtime import loop

    documents = load(files)
    for document in documents:
        document.body.setdefault("metadata", {}).setdefault("namespace", namespace)
    answers = loop.run(lambda: poll(documents, kubeconfig))
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(answers)))
    else:
        _print(answers)
    sys.exit(1 if any(answer.failure for answer in answers) else 0)


class Shelf:
    """Objects of the files by place; what they lack is fetched from the cluster, if there is one."""

    def __init__(self, documents: list[Document]) -> None:
        self._bodies = {_key(one.body): as_stored(one.body) for one in documents}
        self._fetched: dict[tuple[str, str, str], dict[str, Any] | None] = {}
        self.missing: list[tuple[Resource, str, str]] = []

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        key = (resource.kind, namespace if resource.is_namespaced else "", name)
        if key in self._bodies:
            return self._bodies[key]
        if key not in self._fetched:
            self.missing.append((resource, key[1], name))
        return self._fetched.get(key)

    def keep(self, resource: Resource, namespace: str, name: str, body: dict[str, Any] | None) -> None:
        self._fetched[(resource.kind, namespace, name)] = body


def _key(body: dict[str, Any]) -> tuple[str, str, str]:
    metadata = body["metadata"]
    kind = str(body["kind"])
    return (kind, "" if kind.startswith("Cluster") else metadata["namespace"], str(metadata.get("name", "")))


def as_stored(body: dict[str, Any]) -> dict[str, Any]:
    """A manifest as a server would keep it: stringData of a Secret is data."""
    import base64

    if body["kind"] != "Secret" or not body.get("stringData"):
        return body
    plain = {key: base64.b64encode(str(text).encode()).decode() for key, text in body["stringData"].items()}
    return {**body, "data": {**(body.get("data") or {}), **plain}}


@dataclass(slots=True)
class Times:
    """How long the source took to answer."""

    spent_s: float = 0.0


class Timed:
    """An adapter whose answers are timed; waiting for the round's slot is not the source's doing."""

    def __init__(self, adapter: Adapter, times: Times) -> None:
        self.batch = adapter.batch
        self.wake_gap_s = adapter.wake_gap_s
        self._adapter = adapter
        self._times = times

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        begun_s = time.monotonic()
        try:
            return await self._adapter.answer(questions)
        finally:
            self._times.spent_s += time.monotonic() - begun_s

    async def close(self) -> None:
        await self._adapter.close()


async def poll(documents: list[Document], kubeconfig: str) -> list[Answer]:
    """One answer for each metric of each trigger, in the order of the manifests."""
    from tidegate.cli.reach import reach

    async with reach(kubeconfig) as reached:
        return await _polled(documents, reached)


async def _polled(documents: list[Document], reached: Reach) -> list[Answer]:
    from tidegate.api.decode import decode
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.base.errors import Misconfigured
    from tidegate.cli.validate import is_ours

    shelf = Shelf(documents)
    answers: list[Answer] = []
    for document in documents:
        if not is_ours(document.body):
            continue
        try:
            object = decode(document.body)
        except Misconfigured as error:
            answers.append(Answer(document.place, "", failure=str(error)))
            continue
        if isinstance(object, ScaledObject | ScaledJob):
            answers += await _measured(object, shelf, reached)
    if not answers:
        raise Misconfigured(
            "poll", answer="the files hold no ScaledObject and no ScaledJob", next_step="name others with -f"
        )
    return answers


async def _measured(object: ScaledObject | ScaledJob, shelf: Shelf, reached: Reach) -> list[Answer]:
    from tidegate.auth.resolve import Options
    from tidegate.kit.scaler import Polled
    from tidegate.operator.planning import plan

    template, container = _template(object, shelf)
    made = plan(object, template, container, shelf, Options())
    # What was fetched may name what is missing next: an authentication its Secret.
    while reached.client is not None and shelf.missing:
        missing, shelf.missing = shelf.missing, []
        for resource, namespace, called in missing:
            shelf.keep(resource, namespace, called, await reached.get(resource, namespace, called))
        template, container = _template(object, shelf)
        made = plan(object, template, container, shelf, Options())
    kind = type(object).__name__
    name = f"{kind.lower()}/{object.metadata.name}"
    answers: list[Answer] = []
    for one in made.review.triggers:
        label = f"{one.index}: {one.trigger.type}"
        failure = made.failures.get(one.index)
        if failure is not None or one.problems:
            text = failure.message if failure is not None else "; ".join(map(str, one.problems))
            answers.append(Answer(name, label, failure=text))
        elif not isinstance(one.scaler, Polled):
            answers.append(Answer(name, label, failure="read by the HPA itself: nothing to poll here"))
        else:
            answers += await _ask(object, Answer(name, label), one, reached)
    return answers


def _template(object: ScaledObject | ScaledJob, shelf: Shelf) -> tuple[dict[str, Any] | None, str | None]:
    """The pod template whose environment counts, and the container's name."""
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.kube.resource import DEPLOYMENTS

    if isinstance(object, ScaledJob):
        return object.spec.job_target_ref.template, object.spec.env_source_container_name
    ref = object.spec.scale_target_ref
    if (ref.kind or "Deployment") != "Deployment":
        return None, ref.env_source_container_name
    found = shelf.get(DEPLOYMENTS, object.metadata.namespace, ref.name)
    return (found["spec"].get("template") if found else None), ref.env_source_container_name


async def _ask(object: ScaledObject | ScaledJob, about: Answer, one: Any, reached: Reach) -> list[Answer]:
    """The trigger's metrics, by the same rounds as in the operator."""
    import asyncio
    from dataclasses import replace

    from tidegate.connections.pool import Connections
    from tidegate.core.interpret import interpret
    from tidegate.core.values import TriggerView
    from tidegate.measure.rounds import Rounds
    from tidegate.runtime.clock import SystemClock

    clock, times = SystemClock(), Times()
    adapter = Connections(reached.surroundings).adapter
    rounds = Rounds(clock, lambda server: Timed(adapter(server), times), lambda key, reading: None)
    running = asyncio.create_task(rounds.run())
    try:
        rounds.follow((about.object, one.index), one.scaler, interval_s=3600)
        reading = await asyncio.wait_for(rounds.fresh((about.object, one.index), 0.0), LIMIT_S)
    except TimeoutError:
        return [replace(about, failure=f"no answer within {LIMIT_S:g} s")]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    time_s = round(times.spent_s, 3)
    view = TriggerView(
        one.index, one.trigger.type, metrics=one.metrics, activation=one.activation, reading=reading
    )
    [state] = interpret((view,)).states
    if state.failure is not None:
        return [replace(about, time_s=time_s, failure=state.failure.message)]
    return [
        replace(
            about,
            metric=metric.name,
            value=value,
            target=metric.target,
            activation=one.activation,
            is_active=state.state == "active",
            replicas=asked_for(object, value, metric.target, is_active=state.state == "active"),
            time_s=time_s,
        )
        for metric, value in zip(one.metrics, reading.values, strict=True)
    ]


def asked_for(
    object: ScaledObject | ScaledJob, value: float, target: float, *, is_active: bool
) -> int | None:
    """Replicas (or Jobs) that one metric asks for, within min and max; None without a positive target."""
    spec = object.spec
    if not is_active:
        return spec.replicas_min
    if target <= 0:
        return None
    return max(1, spec.replicas_min, min(spec.replicas_max, math.ceil(value / target)))


def _print(answers: list[Answer]) -> None:
    from tidegate.cli.align import lines

    rows: list[tuple[str, ...]] = [COLUMNS]
    for one in answers:
        numbers = (one.value, one.target, one.activation)
        texts = ["-" if number is None else f"{number:g}" for number in numbers]
        active = "-" if one.is_active is None else str(one.is_active).lower()
        replicas = "-" if one.replicas is None else str(one.replicas)
        spent = "-" if one.time_s is None else f"{one.time_s * 1000:.0f} ms"
        rows.append((one.object, one.trigger, one.metric or "-", *texts, active, replicas, spent))
    for text in lines(rows):
        click.echo(text)
    for one in answers:
        if one.failure:
            click.echo(f"{one.object}, trigger {one.trigger}: {one.failure}", err=True)
