"""`tidegate logs`: what pods wrote."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.errors import Misconfigured
from tidegate.cli.cluster.session import Server, Session, complain, reaching, run

if TYPE_CHECKING:
    from tidegate.cli.cluster.resource_arguments import Target

Object = dict[str, Any]

PATIENCE_S = 20.0
LOOK_S = 0.25
SELECTED_TAIL = 10
"""With -l every pod shows its last lines only, as with kubectl."""
MOST_STREAMS = 20

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
# On the pods of all Jobs that a ScaledJob has made.
_JOBS_OF = "scaledjob.keda.sh/name"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `logs`, by the names click gives them. `since` is in seconds; None: everything."""

    words: tuple[str, ...]
    follow: bool
    container: str
    all_containers: bool
    previous: bool
    tail: int | None
    since: int | None
    selector: str
    timestamps: bool
    prefix: bool

    @property
    def query(self) -> dict[str, str]:
        tail = self.tail if self.tail is not None or not self.selector else SELECTED_TAIL
        chosen = {
            "follow": "true" if self.follow else "",
            "previous": "true" if self.previous else "",
            "timestamps": "true" if self.timestamps else "",
            "tailLines": str(tail) if tail is not None and tail >= 0 else "",
            "sinceSeconds": str(self.since) if self.since else "",
        }
        return {key: value for key, value in chosen.items() if value}


@dataclass(frozen=True, slots=True)
class Stream:
    """One container whose log is read."""

    namespace: str
    pod: str
    container: str

    @property
    def title(self) -> str:
        return f"[pod/{self.pod}/{self.container}] "


def _seconds(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    from tidegate.base.duration import parse_duration

    if text is None:
        return None
    if text.lstrip("+-").isdecimal():
        raise click.BadParameter(f"{text!r} has no unit: write 5s, 2m or 3h")
    try:
        # The API knows whole seconds only; nothing asked for may be left out.
        return math.ceil(parse_duration(text))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a duration such as 5s, 2m or 3h") from error


@click.command("logs")
@click.argument("words", metavar="NAME | TYPE/NAME", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until the container ends.")
@click.option("-c", "--container", default="", help="Which container of the pod.")
@click.option("--all-containers", is_flag=True, help="Every container of the pod, init containers first.")
@click.option("-p", "--previous", is_flag=True, help="The run of the container before this one.")
@click.option("--tail", type=int, metavar="LINES", help="Only the last lines; -1: all. With -l: 10.")
@click.option("--since", callback=_seconds, metavar="DURATION", help="Only what is younger: 5s, 2m, 3h.")
@click.option("-l", "--selector", default="", metavar="LABELS", help="All pods with these labels.")
@click.option("--timestamps", is_flag=True)
@click.option("--prefix", is_flag=True, help="Begin each line with its pod and container.")
@reaching
def command(kubeconfig: str, namespace: str, **given: Any) -> None:
    """Print what a pod wrote.

    NAME is a pod or, where there is none of that name, what has pods: a deployment, a statefulset, a
    job, a scaledjob, a scaledobject. TYPE/NAME may be anything that selects pods, a service too. One of
    its pods is chosen, a running one if there is any; use -l for all of them.

    \b
    tidegate logs -f job/data-generator
    """
    asked = Asked(**given)
    run(Server(kubeconfig, namespace), lambda session: logs(session, asked))


async def logs(session: Session, asked: Asked) -> bool:
    """Prints the logs; whether every container could be read."""
    _check(asked)
    pods = await _pods(session, asked)
    if not pods:
        click.echo(f"No resources found in {session.namespace} namespace.", err=True)
        return True
    streams = [stream for pod in pods for stream in containers(pod, asked)]
    if not asked.follow or len(streams) == 1:
        results = [await _read(session, asked, stream, is_only=len(streams) == 1) for stream in streams]
    elif len(streams) > MOST_STREAMS:
        raise Misconfigured(
            f"follow {len(streams)} containers",
            answer=f"more than {MOST_STREAMS} at once are not followed",
            next_step="choose fewer with -l",
        )
    else:
        results = await asyncio.gather(*(_read(session, asked, stream) for stream in streams))
    return all(results)


def _check(asked: Asked) -> None:
    answer = ""
    if bool(asked.words) == bool(asked.selector):
        answer = "a pod and -l are given" if asked.words else "neither a pod nor -l is given"
    elif len(asked.words) > 2 or (len(asked.words) == 2 and any("/" in word for word in asked.words)):
        answer = "more than one pod is named"
    elif asked.container and asked.all_containers:
        answer = "-c and --all-containers are given"
    if answer:
        raise Misconfigured("print logs", answer=answer, next_step="write tidegate logs POD or TYPE/NAME")


async def _pods(session: Session, asked: Asked) -> list[Object]:
    """The pods to read, as objects."""
    from tidegate.cli.cluster.resource_arguments import select
    from tidegate.kube.resource import PODS

    if asked.selector:
        listing = await session.client.list(PODS, session.namespace, labels=asked.selector)
        return listing.items
    words = list(asked.words)
    container = ""
    if len(words) == 2:
        # `logs POD CONTAINER`, as kubectl has it.
        words, container = words[:1], words[1]
    target_word = words[0] if "/" in words[0] else f"pod/{words[0]}"
    (target,) = (await select(session, [target_word])).targets
    pod = await _pod_called(session, target, is_bare="/" not in words[0])
    if container:
        pod.setdefault("metadata", {}).setdefault("annotations", {})[_DEFAULT_CONTAINER] = container
    return [pod]


async def _pod_called(session: Session, target: Target, *, is_bare: bool) -> Object:
    """The pod, or one of those that the target has. A name without a type may be a workload's."""
    from tidegate.cli.cluster.bare_names import logged
    from tidegate.kube.resource import PODS, ApiError

    if target.resource != PODS:
        return await _pod_of(session, target)
    try:
        return await session.client.get(PODS, target.namespace, target.name)
    except ApiError as error:
        if not is_bare or error.code != 404:
            raise
        owner = await logged(session, target.name)
        if owner is None:
            raise
    return await _pod_of(session, owner)


async def _pod_of(session: Session, target: Target) -> Object:
    """One of the pods that the object selects; waits a while for the first."""
    from tidegate.kube.resource import PODS, SCALED_JOBS, SCALED_OBJECTS

    owner = await session.client.get(target.resource, target.namespace, target.name)
    if target.resource == SCALED_OBJECTS:
        aim = owner["spec"]["scaleTargetRef"]
        workload = await session.discovery.resolve(
            aim.get("apiVersion") or "apps/v1", aim.get("kind") or "Deployment"
        )
        return await _pod_of(session, replace(target, resource=workload, name=aim["name"]))
    labels = selector_of(owner)
    if target.resource == SCALED_JOBS:
        labels = f"{_JOBS_OF}={target.name}"
    if not labels:
        raise Misconfigured(
            f"find the pods of {target}", answer="it selects none", next_step="name a pod, or use -l"
        )
    clock = session.client.clock
    deadline_s = clock.monotonic() + PATIENCE_S
    while True:
        pods = (await session.client.list(PODS, target.namespace, labels=labels)).items
        if pods:
            break
        if clock.monotonic() >= deadline_s:
            next_step = f"see its events: tidegate describe {target}"
            raise Misconfigured(
                f"find the pods of {target}", answer=f"none came in {PATIENCE_S:g} s", next_step=next_step
            )
        await clock.sleep(LOOK_S)
    chosen = best(pods)
    if len(pods) > 1:
        click.echo(f"Found {len(pods)} pods, using pod/{chosen['metadata']['name']}", err=True)
    return chosen


def selector_of(owner: Object) -> str:
    """The label selector of the object's pods; "" where it has none."""
    from tidegate.base.selectors import format_label_selector

    selector = (owner.get("spec") or {}).get("selector")
    if not isinstance(selector, dict) or not selector:
        return ""
    if not {"matchLabels", "matchExpressions"} & selector.keys():
        selector = {"matchLabels": selector}
    return format_label_selector(selector)


def best(pods: list[Object]) -> Object:
    """The pod whose log is most worth reading: running before done before waiting, then the youngest."""
    order = {"Running": 3, "Failed": 2, "Succeeded": 2}

    def rank(pod: Object) -> tuple[int, str]:
        phase = (pod.get("status") or {}).get("phase", "")
        return order.get(phase, 0), str(pod["metadata"].get("creationTimestamp", ""))

    return max(pods, key=rank)


def containers(pod: Object, asked: Asked) -> list[Stream]:
    """The containers to read; of several the default one, and a line that says so."""
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    names = [str(one.get("name")) for one in spec.get("containers") or ()]
    if asked.all_containers:
        chosen = [str(one.get("name")) for one in spec.get("initContainers") or ()] + names
    elif asked.container:
        chosen = [asked.container]
    else:
        default = (metadata.get("annotations") or {}).get(_DEFAULT_CONTAINER)
        chosen = [default or names[0]] if names else []
        if not default and len(names) > 1:
            click.echo(f'Defaulted container "{names[0]}" out of: {", ".join(names)}', err=True)
    return [Stream(metadata.get("namespace", ""), metadata["name"], one) for one in chosen]


async def _read(session: Session, asked: Asked, stream: Stream, *, is_only: bool = False) -> bool:
    """Prints one log, whole lines at a time; whether it could be read.

    The only log is printed as it was written; of several, the last lines are completed. When they are
    followed, a container that has not started yet is waited for.
    """
    from tidegate.kube.resource import PODS, ApiError

    path = PODS.path(stream.namespace, stream.pod, "log")
    query = {**asked.query, "container": stream.container}
    title = stream.title.encode() if asked.prefix else b""
    clock = session.client.clock
    deadline_s = clock.monotonic() + PATIENCE_S
    while True:
        try:
            pieces = session.client.stream(path, query=query, accept="*/*")
            async with aclosing(pieces) as opened:
                rest = b""
                async for piece in opened:
                    rest = _print(rest + piece, title)
                if rest:
                    click.echo(title + rest, nl=not is_only)
            return True
        except ApiError as error:
            is_waiting = asked.follow and "waiting to start" in error.message
            if not is_waiting or clock.monotonic() >= deadline_s:
                complain(error)
                return False
        await clock.sleep(LOOK_S)


def _print(text: bytes, title: bytes) -> bytes:
    """Prints the complete lines; what is left."""
    whole, newline, rest = text.rpartition(b"\n")
    if newline:
        lines = b"".join(title + one + b"\n" for one in whole.split(b"\n")) if title else whole + newline
        click.echo(lines, nl=False)
    return rest
