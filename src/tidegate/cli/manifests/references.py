"""What the references of an object come to among the files: authentications, Secrets, variables.

Only what the files show is judged: what is not in them may be in the cluster. A name that is not there
while a near one is, is told.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.triggers import AuthenticationRef
from tidegate.api.validation.triggers import part
from tidegate.auth.environment import container_environment, find_container
from tidegate.auth.lookup import Reader
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint, nearest
from tidegate.cli.manifests.lookup import as_stored
from tidegate.cli.manifests.sources import application_problems, key_vault_problems, vault_problems
from tidegate.kube.resource import Resource
from tidegate.local.apiserver.validation.fields import prune_template
from tidegate.review.notices.annotations import allowed_namespaces_notices

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """The objects of the files that one object can refer to: those of its namespace, and of the cluster."""

    bodies: dict[tuple[str, str], Object]

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        found = self.bodies.get((resource.kind, name))
        if found is None:
            return None
        stored = as_stored(found)
        return {**stored, "data": part(stored, "data")}

    def names(self, kind: str) -> list[str]:
        return [name for one, name in self.bodies if one == kind]

    def keys(self, kind: str, name: str) -> list[str] | None:
        """The keys of a Secret or ConfigMap, None where it is not in the files."""
        body = self.bodies.get((kind, name))
        if body is None:
            return None
        return [*part(body, "data"), *part(body, "stringData" if kind == "Secret" else "binaryData")]


@dataclass(slots=True)
class Findings:
    problems: list[Problem]
    notices: list[Problem]

    def misspelt(self, path: str, kind: str, name: str, known: Iterable[str]) -> None:
        """A notice where the files have no such object, but one with a near name."""
        known = list(known)
        if name not in known and nearest(name, known) is not None:
            text = f'the files have no {kind} "{name}"{hint(name, known)}'
            self.notices.append(Problem(path, text, "FieldValueNotFound"))


def of_triggers(object: ScaledObject | ScaledJob, template: Object | None, shown: Shown) -> Findings:
    """What is wrong with the workload, the authentications and the variables that the object names."""
    found = Findings([], [])
    if isinstance(object, ScaledObject):
        target = object.spec.scale_target_ref
        kind = target.kind or "Deployment"
        found.misspelt("spec.scaleTargetRef.name", kind, target.name, shown.names(kind))
    for index, trigger in enumerate(object.spec.triggers):
        ref = trigger.authentication_ref
        if ref is not None and not shown.keys("Secret", ref.name):
            kind = _kind(ref)
            path = f"spec.triggers[{index}].authenticationRef.name"
            found.misspelt(path, kind, ref.name, shown.names(kind))
    if template is not None:
        found.problems += _variables(object, template, shown)
    return found


def _kind(ref: AuthenticationRef) -> str:
    return "ClusterTriggerAuthentication" if ref.is_cluster else "TriggerAuthentication"


def _variables(object: ScaledObject | ScaledJob, template: Object, shown: Shown) -> Iterator[Problem]:
    """Variables that the container of the template has not, as far as the files can tell."""
    is_job = isinstance(object, ScaledJob)
    spec = object.spec if isinstance(object, ScaledJob) else object.spec.scale_target_ref
    named = {
        (index, key): name.strip()
        for index, trigger in enumerate(object.spec.triggers)
        for key, name in trigger.metadata.items()
        if key.endswith("FromEnv") and name.strip()
    }
    if not named or prune_template(copy.deepcopy(template), "").problems:
        return
    try:
        container = find_container(template, spec.env_source_container_name or "")
    except TidegateError as error:
        path = "spec.envSourceContainerName" if is_job else "spec.scaleTargetRef.envSourceContainerName"
        yield Problem(path, f"{error.answer}; {error.next_step}", "FieldValueNotFound")
        return
    if container is None:
        return
    environment = container_environment(Reader(shown), object.metadata.namespace or "", container)
    known = [*environment.values, *environment.failures]
    for (index, key), name in named.items():
        path = f"spec.triggers[{index}].metadata.{key}"
        is_other = object.spec.triggers[index].authentication_ref is not None
        try:
            is_there = environment.get(name) is not None or environment.may_be_absent(name) or is_other
        except TidegateError as error:
            if not error.answer.startswith("there is no "):
                yield Problem(path, error.answer, "FieldValueNotFound")
            continue
        if not is_there:
            yield Problem(path, environment.why_not_set(name) + hint(name, known), "FieldValueNotFound")


def of_authentication(object: TriggerAuthentication | ClusterTriggerAuthentication, shown: Shown) -> Findings:
    """Keys that the Secrets of the files have not, and what is told of the sources that are fetched."""
    found = Findings([], [])
    found.notices += allowed_namespaces_notices(object)
    if object.spec.hashi_corp_vault is not None:
        found.problems += vault_problems(object.spec.hashi_corp_vault)
    if object.spec.azure_key_vault is not None:
        found.problems += key_vault_problems(object.spec.azure_key_vault)
    if object.spec.azure_service_principal is not None:
        found.problems += application_problems(object.spec.azure_service_principal)
    if isinstance(object, ClusterTriggerAuthentication):
        return found
    for field, kind in (("secretTargetRef", "Secret"), ("configMapTargetRef", "ConfigMap")):
        is_secret = kind == "Secret"
        targets = object.spec.secret_target_ref if is_secret else object.spec.config_map_target_ref
        for index, target in enumerate(targets or ()):
            path = f"spec.{field}[{index}]"
            keys = shown.keys(kind, target.name)
            if keys is None:
                found.misspelt(f"{path}.name", kind, target.name, shown.names(kind))
            elif target.key not in keys:
                has = ", ".join(sorted(keys)) or "none"
                text = f'{kind} "{target.name}" has no key "{target.key}" (it has: {has})'
                text += hint(target.key, keys)
                found.problems.append(Problem(f"{path}.key", text, "FieldValueNotFound"))
    return found
