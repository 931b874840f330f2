"""Everything to say about the objects of manifest files, each remark with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tidegate.base.problems import Problem

if TYPE_CHECKING:
    from tidegate.cli.manifests.files import Document, Read, Spot
    from tidegate.cli.manifests.manifest_set import ManifestSet

_KEDA_1 = "keda.k8s.io"
_GROUPS = ("keda.sh", "eventing.keda.sh")
Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say about one place. Errors are refused or keep the object from scaling.

    `object` (`ScaledObject/web`) and `field` are empty for what could not be read; `instead` is a way out,
    where it is not part of the text.
    """

    level: Level
    spot: Spot
    object: str
    text: str
    field: str = ""
    code: str = ""
    instead: str = ""

    @property
    def place(self) -> str:
        """`file.yaml:12`; with the column where a text is no YAML."""
        spot = self.spot
        return str(spot) if not self.object else f"{spot.file}:{spot.line}"

    def __str__(self) -> str:
        said = [self.place, self.level, self.object, self.field, self.text]
        return ": ".join(one for one in said if one)


def remarks_of(found: Read, more: Iterable[Remark] = ()) -> list[Remark]:
    """All remarks on the files and those that others have (`more`), in the order of files and lines."""
    from tidegate.cli.manifests.conflicts import conflicts
    from tidegate.cli.manifests.manifest_set import ManifestSet

    manifests = ManifestSet(found.documents)
    remarks = [Remark("error", one.spot, "", one.text, code="Unreadable") for one in found.wrong]
    for document in found.documents:
        remarks += remarks_about(document, manifests)
    remarks += [_remark("error", *one) for one in conflicts(found.documents)]
    remarks += more
    files = {name: index for index, name in enumerate(found.files)}
    return sorted(remarks, key=lambda one: (files.get(one.spot.file, -1), one.spot.line, one.spot.column))


def is_ours(body: dict[str, Any]) -> bool:
    """Whether it is of one of KEDA's kinds; others are left to the server."""
    from tidegate.api.decode import kind_of

    return kind_of(body) is not None


def is_reviewed(body: dict[str, Any]) -> bool:
    """Whether it is looked at: it is of one of KEDA's kinds, or would be, or what a workload is made of."""
    from tidegate.cli.manifests.builtin_checks import is_checked

    return is_ours(body) or _group(body) in (*_GROUPS, _KEDA_1) or is_checked(body)


def _group(body: dict[str, Any]) -> str:
    return str(body.get("apiVersion", "")).partition("/")[0]


def remarks_about(document: Document, manifests: ManifestSet) -> Iterator[Remark]:
    """Everything to say about one object; nothing about kinds that are left to the server."""
    from tidegate.api.validation.advice import advice, unknown_field
    from tidegate.api.validation.problems import problems
    from tidegate.api.yamltext import oddities
    from tidegate.cli.manifests.builtin_checks import builtin_problems
    from tidegate.cli.manifests.server_checks import refused
    from tidegate.local.apiserver.writing.admission import together

    body = document.body
    if not is_ours(body):
        yield from (_remark("error", document, problem) for problem in builtin_problems(body))
        if _group(body) == _KEDA_1:
            problem = Problem(
                "apiVersion", f"{_KEDA_1} is of KEDA 1; write keda.sh/v1alpha1, and compare the fields"
            )
            yield _remark("error", document, problem)
        elif _group(body) in _GROUPS:
            # Of our group, but no kind or version that exists: a misspelling, not somebody else's business.
            for problem in problems(body):
                yield _remark(
                    "error", document, replace(problem, message=problem.message + advice(body, problem))
                )
        return
    unknown, found = refused(body)
    more, notices = _reviewed(body, manifests)
    is_authentication = body["kind"].endswith("TriggerAuthentication")
    more = [replace(one, message=one.message + advice(body, one)) for one in more]
    if not found and not unknown:
        more = [_with_outcome(one, is_authentication=is_authentication) for one in more]
    found = [
        replace(one, message=one.message + advice(body, one, document.text_of(one.path))) for one in found
    ]
    strange = [unknown_field(body, path) for path in unknown if not _is_below(path, found)]
    for problem in together(together(found, more), strange):
        yield _remark("error", document, problem)
    told = {problem.path for problem in (*found, *more)}
    if document.node is not None:
        notices += [Problem(path, text) for path, text in oddities(document.node)]
    yield from (_remark("warning", document, notice) for notice in notices if notice.path not in told)


def _is_below(path: str, problems: Iterable[Problem]) -> bool:
    return any(path.startswith((f"{one.path}.", f"{one.path}[")) for one in problems)


def _with_outcome(problem: Problem, *, is_authentication: bool) -> Problem:
    """The problem, which no admission refuses, with what comes of it."""
    from tidegate.review.manifest import NO_METRIC_TYPE

    outcome = "it does not scale as written"
    if is_authentication:
        outcome = "triggers that refer to it never scale"
    elif problem.message == NO_METRIC_TYPE:
        outcome = "the object is never Ready, and KEDA makes no Jobs for it"
    elif problem.path.startswith("spec.triggers["):
        outcome = "this trigger never scales"
    return replace(problem, message=f"{problem.message} (admitted, but {outcome})")


def _reviewed(body: dict[str, Any], manifests: ManifestSet) -> tuple[list[Problem], list[Problem]]:
    """(problems, notices) of what the object means, as far as it can be read."""
    from tidegate.api.eventing.cloudeventsource import CloudEventSource, ClusterCloudEventSource
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.cli.manifests.admission import reviewed
    from tidegate.cli.manifests.references import of_authentication, of_triggers
    from tidegate.cli.manifests.server_checks import readable
    from tidegate.review.notices.event_sources import event_source_notices

    found = readable(body)
    if found is None:
        return [], []
    object, part = found
    if isinstance(object, CloudEventSource | ClusterCloudEventSource):
        return [], [one for one in event_source_notices(object) if not part.is_lost(one)]
    shown = manifests.shown_to(body)
    if isinstance(object, ScaledObject | ScaledJob):
        template = manifests.template_of(body)
        problems, notices = reviewed(object, template)
        if isinstance(object, ScaledJob):
            template = object.spec.job_target_ref.template
        referred = of_triggers(object, template, shown)
    else:
        problems, notices = [], tuple(manifests.unread_parameters(body, object))
        referred = of_authentication(object, shown)
    return (
        [one for one in (*problems, *referred.problems) if not part.is_lost(one)],
        [one for one in (*notices, *referred.notices) if not part.is_lost(one)],
    )


def _remark(level: Level, document: Document, problem: Problem) -> Remark:
    spot = document.spot_of(problem.path)
    return Remark(level, spot, subject_of(document.body), problem.message, problem.path, problem.reason)


def subject_of(body: dict[str, Any]) -> str:
    """`ScaledObject/web`."""
    metadata = body.get("metadata") or {}
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return f"{body['kind']}/{name}"
