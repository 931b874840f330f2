"""One rule of a role: what it allows, and what a rule must say to hold all that another allows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tidegate.local.apiserver.authorization.access import Access

ALL = "*"


class Rule(NamedTuple):
    """A PolicyRule. A rule about resources has `groups` and `resources`, one about paths `urls`."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def allows(self, access: Access) -> bool:
        """Whether the request is one of those that the rule is about."""
        if not _has(self.verbs, access.verb):
            return False
        if access.path:
            return any(_url_holds(url, access.path) for url in self.urls)
        return (
            _has(self.groups, access.group)
            and self._is_about(access)
            and (not self.names or access.name in self.names)
        )

    def _is_about(self, access: Access) -> bool:
        if _has(self.resources, access.full_resource):
            return True
        return bool(access.subresource) and f"*/{access.subresource}" in self.resources

    def as_body(self) -> dict[str, list[str]]:
        """As JSON has it; empty parts are left out."""
        parts = {
            "verbs": self.verbs,
            "apiGroups": self.groups,
            "resources": self.resources,
            "resourceNames": self.names,
            "nonResourceURLs": self.urls,
        }
        return {name: list(values) for name, values in parts.items() if values}

    def __str__(self) -> str:
        parts = {
            "APIGroups": self.groups,
            "Resources": self.resources,
            "NonResourceURLs": self.urls,
            "ResourceNames": self.names,
            "Verbs": self.verbs,
        }
        return "{" + ", ".join(f"{name}:{quoted(values)}" for name, values in parts.items() if values) + "}"


def quoted(values: Iterable[str]) -> str:
    """A list as Go prints it in messages: `["a" "b"]`."""
    return "[" + " ".join(json.dumps(value, ensure_ascii=False) for value in values) + "]"


def rule_of(body: Mapping[str, Any]) -> Rule:
    """The rule that a stored role says; lists that are not there are empty."""
    names = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    return Rule(*(tuple(body.get(name) or ()) for name in names))


def rules_of(role: Mapping[str, Any]) -> tuple[Rule, ...]:
    """All rules of a Role or ClusterRole."""
    return tuple(rule_of(body) for body in role.get("rules") or ())


def uncovered(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What `wanted` allows and none of `held` does, in its smallest parts.

    A part names one verb of one thing, so that it is held by one rule or by none.
    """
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(own, part) for own in held)]


def described(missing: Iterable[Rule]) -> list[str]:
    """Rules as people read them: those that differ in their verbs only stand together."""
    verbs: dict[Rule, list[str]] = {}
    for rule in missing:
        verbs.setdefault(rule._replace(verbs=()), []).extend(rule.verbs)
    return sorted(str(rule._replace(verbs=tuple(found))) for rule, found in verbs.items())


def _parts(rule: Rule) -> Iterator[Rule]:
    for group in rule.groups:
        for resource in rule.resources:
            for verb in rule.verbs:
                if not rule.names:
                    yield Rule((verb,), (group,), (resource,))
                for name in rule.names:
                    yield Rule((verb,), (group,), (resource,), (name,))
    for url in rule.urls:
        for verb in rule.verbs:
            yield Rule(verbs=(verb,), urls=(url,))


def _covers(own: Rule, part: Rule) -> bool:
    """Whether a rule allows all of a part."""
    if not _has(own.verbs, part.verbs[0]):
        return False
    if part.urls:
        return any(_url_holds(url, part.urls[0]) for url in own.urls)
    resource = part.resources[0]
    slash = resource.find("/")
    is_about = _has(own.resources, resource) or (slash > 0 and f"*{resource[slash:]}" in own.resources)
    return (
        is_about
        and _has(own.groups, part.groups[0])
        and (not own.names or (bool(part.names) and part.names[0] in own.names))
    )


def _has(values: tuple[str, ...], value: str) -> bool:
    return value in values or ALL in values


def _url_holds(url: str, path: str) -> bool:
    """`/metrics` is that path alone, `/metrics/*` all below it, `*` all there are."""
    return url in (path, ALL) or (url.endswith(ALL) and path.startswith(url.rstrip(ALL)))
