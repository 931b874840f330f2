"""What becomes of the flags and variables that KEDA's own programs are started with on a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.base.errors import Misconfigured
from tidegate.cli.migration.findings import Finding, Object
from tidegate.kube.client import Client
from tidegate.kube.resource import DEPLOYMENTS
from tidegate.runtime.settings import Given, Setting, read, table


@dataclass(frozen=True, slots=True)
class Program:
    """One of ours in place of one of KEDA's, which is known by its image."""

    image: str
    settings: type[Any]
    ignored: Sequence[Setting]


async def of_programs(
    client: Client, namespace: str, programs: Sequence[Program]
) -> AsyncIterator[tuple[str, list[Finding]]]:
    """Each of KEDA's Deployments there, with what is to be said of its settings."""
    for body in (await client.list(DEPLOYMENTS, namespace)).items:
        for container in body["spec"]["template"]["spec"]["containers"]:
            # registry/path/name:tag@digest
            image = str(container.get("image", "")).partition("@")[0]
            name = image.rpartition("/")[2].partition(":")[0]
            program = next((one for one in programs if one.image == name), None)
            if program is not None:
                about = f"Deployment {namespace}/{body['metadata']['name']}"
                yield about, list(_of_container(about, container, program))


def _of_container(about: str, container: Object, program: Program) -> Iterator[Finding]:
    known = {one.flag for one in (*table(program.settings).values(), *program.ignored)}
    given = _given(container, known)
    try:
        _, notices = read(program.settings, program.ignored, given)
    except ExceptionGroup as problems:
        for problem in problems.exceptions:
            if isinstance(problem, Misconfigured):
                field = problem.attempted.removeprefix("use ")
                yield Finding("fails", about, field, f"{problem.answer}; {problem.next_step}")
        return
    for notice in notices:
        field, _, text = notice.partition(" has no effect: ")
        yield Finding("no effect", about, field, text)
    for setting in table(program.settings).values():
        field = setting.flag if given.flags.get(setting.flag) else setting.variable
        is_given = bool(given.flags.get(setting.flag) or given.environment.get(setting.variable))
        if setting.fate == "other" and is_given:
            yield Finding("differs", about, field, setting.difference)


def _given(container: Object, known: Collection[str]) -> Given:
    """What the container's command line and variables say; what comes from elsewhere is not looked at."""
    flags: dict[str, list[str]] = {}
    rest = []
    for word in (str(one) for one in container.get("args") or ()):
        flag, equals, value = word.partition("=")
        if flag in known:
            flags.setdefault(flag, []).append(value if equals else "true")
        else:
            rest.append(word)
    variables = {one["name"]: str(one["value"]) for one in container.get("env") or () if one.get("value")}
    return Given(flags, variables, rest)
