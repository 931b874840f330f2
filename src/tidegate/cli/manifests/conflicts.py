"""Objects of the files that contradict each other: one that is there twice, a workload that two scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.triggers import part, text
from tidegate.base.problems import Problem
from tidegate.cli.manifests.files import Document
from tidegate.cli.manifests.manifest_set import name_of, namespace_of
from tidegate.cli.manifests.server_checks import readable
from tidegate.review.hpa import hpa_name
from tidegate.review.ownership import hpa_problems, neighbour_problems, workload_of

Found = tuple[Document, Problem]


def conflicts(documents: Sequence[Document]) -> Iterator[Found]:
    """Each contradiction at the later object, with the place of the other.

    Objects without a namespace are taken to be in one, the same.
    """
    yield from _twins(documents)
    objects = [(one, found) for one in documents if (found := _scaled_object(one.body)) is not None]
    yield from _neighbours(objects)
    hpas = [one for one in documents if one.body["kind"] == "HorizontalPodAutoscaler"]
    for document, object in objects:
        for other in hpas:
            if namespace_of(other.body) == namespace_of(document.body):
                for problem in hpa_problems(object, [_plain(other.body)]):
                    yield document, _beside(problem, other)


def _twins(documents: Sequence[Document]) -> Iterator[Found]:
    seen: dict[tuple[str, ...], Document] = {}
    for document in documents:
        body, name = document.body, name_of(document.body)
        group = str(body["apiVersion"]).rpartition("/")[0]
        first = seen.setdefault((group, str(body["kind"]), namespace_of(body), name), document)
        if name and first.place != document.place:
            message = "the object is here twice, and the last that is applied counts; rename or remove one"
            problem = Problem("metadata.name", f'Duplicate value: "{name}": {message}', "FieldValueDuplicate")
            yield document, _beside(problem, first)


def _neighbours(objects: Sequence[tuple[Document, ScaledObject]]) -> Iterator[Found]:
    seen: dict[tuple[str, Any], tuple[Document, ScaledObject]] = {}
    for document, object in objects:
        namespace = namespace_of(document.body)
        words = (namespace, workload_of(object)), (namespace, hpa_name(object))
        others = {one[0].place: one for word in words if (one := seen.get(word)) is not None}
        for other, neighbour in others.values():
            for problem in neighbour_problems(object, [neighbour]):
                yield document, _beside(problem, other)
        for word in words:
            seen.setdefault(word, (document, object))


def _beside(problem: Problem, other: Document) -> Problem:
    return replace(problem, message=f"{problem.message} ({other.place})")


def _scaled_object(body: dict[str, Any]) -> ScaledObject | None:
    """The object, if it says what it scales and how it is called."""
    if body["kind"] != "ScaledObject" or not name_of(body):
        return None
    if not text(part(body, "spec", "scaleTargetRef"), "name"):
        return None
    found = readable(body)
    return found[0] if found is not None and isinstance(found[0], ScaledObject) else None


def _plain(hpa: dict[str, Any]) -> dict[str, Any]:
    """An HPA of a file as a server would give it, right or wrong."""
    metadata = part(hpa, "metadata")
    owners = metadata.get("ownerReferences")
    return {
        "metadata": {
            "name": name_of(hpa),
            "annotations": part(metadata, "annotations"),
            "ownerReferences": [one for one in owners if isinstance(one, dict)]
            if isinstance(owners, list)
            else [],
        },
        "spec": {"scaleTargetRef": part(hpa, "spec", "scaleTargetRef")},
    }
