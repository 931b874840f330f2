"""From the words and files of a command line to resources and objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Misconfigured
from tidegate.base.spelling import nearest
from tidegate.cli.cluster.session import Session
from tidegate.kube.discovery import Served, find
from tidegate.kube.resource import ApiError, Resource

if TYPE_CHECKING:
    from tidegate.cli.manifests.files import Document


@dataclass(frozen=True, slots=True)
class Target:
    """One object by name. `place` is where a manifest names it, "" on the command line."""

    resource: Resource
    namespace: str
    name: str
    place: str = ""

    def __str__(self) -> str:
        return f"{word(self.resource)}/{self.name}"


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on a command line: types, or (type, name) pairs; never both."""

    types: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What a command is about: whole types, or single objects; never both."""

    resources: tuple[Resource, ...] = ()
    targets: tuple[Target, ...] = ()


def word(resource: Resource) -> str:
    """`deployment.apps`, `pod`: the kind as it is printed before names."""
    return f"{resource.kind.lower()}.{resource.group}" if resource.group else resource.kind.lower()


def parse_words(words: Sequence[str]) -> Words:
    """`TYPE[,TYPE] [NAME …]` or `TYPE/NAME …`; Misconfigured for a mixture or an empty part."""
    if any("/" in one for one in words):
        pairs = [tuple(one.split("/")) for one in words]
        if any(len(pair) != 2 or not all(pair) for pair in pairs):
            raise Misconfigured(
                f"read {' '.join(words)!r}",
                answer="types and names are mixed in two ways",
                next_step="write TYPE NAME… or TYPE/NAME…",
            )
        return Words(pairs=tuple((one.lower(), name) for one, name in pairs))
    if not words:
        return Words()
    types = tuple(dict.fromkeys(words[0].lower().split(",")))
    if "" in types:
        raise Misconfigured(
            f"read {words[0]!r}", answer="a type is empty", next_step="write TYPE,TYPE without blanks"
        )
    if len(words) == 1:
        return Words(types)
    return Words(pairs=tuple((one, name) for one in types for name in dict.fromkeys(words[1:])))


async def select(session: Session, words: Sequence[str], files: Sequence[str] = ()) -> Selection:
    """What the words or the files name; Misconfigured when there is neither, or both."""
    if bool(words) == bool(files):
        answer = "both types and -f are given" if words else "neither a type nor -f is given"
        raise Misconfigured(
            "tell which objects are meant", answer=answer, next_step="give a type such as scaledjobs, or -f"
        )
    if files:
        from tidegate.cli.manifests.files import load

        documents = load(tuple(files), is_for_reading=True)
        return Selection(targets=tuple([await target(session, document) for document in documents]))
    parsed = parse_words(words)
    served = await session.discovery.all()
    resources = tuple(dict.fromkeys(one for text in parsed.types for one in look_up(served, text)))
    targets = [
        Target(one, session.namespace if one.is_namespaced else "", name)
        for text, name in parsed.pairs
        for one in look_up(served, text)
    ]
    return Selection(resources, tuple(targets))


def look_up(served: Sequence[Served], text: str) -> list[Resource]:
    """The resource that goes by this name, or those of the category (`all`).

    Misconfigured, with names that are near, where there is neither.
    """
    found = find(served, text)
    if found is not None:
        return [found.resource]
    members = [one.resource for one in served if text in one.categories]
    if members:
        return members
    near = nearest(text, _names(served))
    next_step = f"did you mean {near}?" if near else "try pods, deployments, jobs, scaledjobs"
    answer = "the server does not serve it"
    raise Misconfigured(f"find the type {text!r}", answer=answer, next_step=next_step)


def _names(served: Iterable[Served]) -> list[str]:
    return list(dict.fromkeys(one.resource.plural for one in served))


async def target(session: Session, document: Document) -> Target:
    """The object that a manifest is about; ApiError `NotFound` where its kind is not served."""
    body = document.body
    resource = await session.discovery.resolve(body["apiVersion"], body["kind"])
    name, namespace = place_of(body, session) if resource.is_namespaced else (name_of(body), "")
    return Target(resource, namespace, name, document.place)


def name_of(body: dict[str, Any]) -> str:
    """metadata.name; ApiError `Invalid` where there is none."""
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise ApiError(422, "Invalid", f"{body['kind']}: metadata.name: give it a name")
    return name


def place_of(body: dict[str, Any], session: Session) -> tuple[str, str]:
    """Name and namespace of a namespaced object; ApiError where -n names another one."""
    name = name_of(body)
    written = body["metadata"].get("namespace") or session.namespace
    if session.is_namespace_given and written != session.namespace:
        message = (
            f'{body["kind"]} "{name}": metadata.namespace is "{written}", but -n says "{session.namespace}": '
            "leave out one of the two"
        )
        raise ApiError(400, "BadRequest", message)
    return name, written
