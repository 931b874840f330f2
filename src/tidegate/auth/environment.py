"""The environment of a container as its pod template says it, without running it.

What only a node or an image knows (fieldRef, resourceFieldRef, variables of the image) is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.auth.lookup import Reader, named
from tidegate.base.errors import Misconfigured, TidegateError
from tidegate.base.expansion import expand
from tidegate.kube.resource import CONFIG_MAPS, SECRETS, Resource


@dataclass(slots=True)
class Environment:
    """Variables of one container. Some may be known to fail; only who asks for them fails with them.

    `lost` are the `envFrom` sources that could not be read: a variable found nowhere else may
    have come from there. `absent` are variables that their pod template allows to be missing; with
    `is_open` an optional `envFrom` source is missing, so that any of them may be.
    """

    container: str = ""
    values: dict[str, str] = field(default_factory=dict, repr=False)
    failures: dict[str, TidegateError] = field(default_factory=dict)
    lost: list[TidegateError] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    is_open: bool = False

    def get(self, name: str) -> str | None:
        """The value, None for a variable that is not set. Raises the error that hides it."""
        if name in self.values:
            return self.values[name]
        if name in self.failures:
            raise self.failures[name]
        if self.lost and name not in self.left_out:
            raise self.lost[0]
        return None

    def may_be_absent(self, name: str) -> bool:
        """Whether the pod template says `optional` of where the variable comes, or may come, from."""
        return self.is_open or name in self.absent

    def why_not_set(self, name: str) -> str:
        """A sentence about a variable for which `get` answers None."""
        if not self.container:
            return f'variable "{name}" is not set: the scale target has no containers'
        if name in self.left_out:
            source = self.left_out[name]
            return (
                f'variable "{name}" of container {self.container} comes from {source}, which is not read here'
            )
        return f'variable "{name}" is not set in container {self.container}'

    def put(self, name: str, value: str | TidegateError) -> None:
        self.values.pop(name, None)
        self.failures.pop(name, None)
        if isinstance(value, str):
            self.values[name] = value
        else:
            self.failures[name] = value


def find_container(template: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    """The container of that name, the first for an empty name; None if there are no containers.

    Init containers never count. Misconfigured when there is no container of that name.
    """
    containers: list[dict[str, Any]] = ((template or {}).get("spec") or {}).get("containers") or []
    if not containers:
        return None
    if not name:
        return containers[0]
    for container in containers:
        if container.get("name") == name:
            return container
    raise Misconfigured(
        "read the environment of the scale target",
        answer=f'couldn\'t find container with name "{name}" on Target object',
        next_step=f"name one of {', '.join(str(one.get('name')) for one in containers)}",
    )


def container_environment(
    reader: Reader, namespace: str, container: Mapping[str, Any], secret_namespace: str | None = None
) -> Environment:
    """The variables of `container`: `envFrom` in order, then `env` in order, later ones win.

    With `secret_namespace`, Secrets of other namespaces are out of reach and count as not set.
    """
    found = Environment(container=str(container.get("name", "")))
    for source in container.get("envFrom") or ():
        for resource, ref in ((CONFIG_MAPS, "configMapRef"), (SECRETS, "secretRef")):
            if source.get(ref) and _may_read(resource, namespace, secret_namespace):
                _add_all(found, reader, resource, namespace, source[ref], source.get("prefix") or "")
    for variable in container.get("env") or ():
        _add_one(found, reader, namespace, variable, secret_namespace)
    return found


def _may_read(resource: Resource, namespace: str, secret_namespace: str | None) -> bool:
    return resource != SECRETS or secret_namespace is None or secret_namespace == namespace


def _add_all(
    found: Environment,
    reader: Reader,
    resource: Resource,
    namespace: str,
    ref: Mapping[str, Any],
    prefix: str,
) -> None:
    name = str(ref.get("name", ""))
    try:
        values = reader.values(resource, namespace, name)
        if values is None:
            if ref.get("optional") is True:
                found.is_open = True
                return
            raise Misconfigured(
                "resolve the environment of the scale target",
                answer=f"there is no {named(resource, namespace, name)}",
                next_step="create it, correct the reference or mark it optional",
            )
    except TidegateError as error:
        found.lost.append(error)
        return
    for key, value in values.items():
        found.put(f"{prefix}{key}", value)


def _add_one(
    found: Environment,
    reader: Reader,
    namespace: str,
    variable: Mapping[str, Any],
    secret_namespace: str | None,
) -> None:
    name, source = str(variable.get("name", "")), variable.get("valueFrom") or {}
    try:
        if not source:
            found.put(name, expand(str(variable.get("value") or ""), found.get))
            return
        for resource, ref in ((SECRETS, "secretKeyRef"), (CONFIG_MAPS, "configMapKeyRef")):
            if source.get(ref) and _may_read(resource, namespace, secret_namespace):
                value = _key_value(reader, resource, namespace, source[ref])
                if value is not None:
                    found.put(name, value)
                else:
                    found.absent.add(name)
                return
    except TidegateError as error:
        found.put(name, error)
        return
    found.left_out[name] = next(iter(source))


def _key_value(
    reader: Reader, resource: Resource, namespace: str, ref: Mapping[str, Any]
) -> str | TidegateError | None:
    """The value of one key, or its error; None where it is optional and not there."""
    name, key = str(ref.get("name", "")), str(ref.get("key", ""))
    values = reader.values(resource, namespace, name)
    if values is not None and key in values:
        return values[key]
    if ref.get("optional") is True:
        return None
    where = named(resource, namespace, name)
    raise Misconfigured(
        "resolve the environment of the scale target",
        answer=f"there is no {where}" if values is None else f'{where} has no key "{key}"',
        next_step="create it, correct the reference or mark it optional",
    )
