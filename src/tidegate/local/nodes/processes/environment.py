"""A container's environment, command and arguments as values. Pure: what it refers to is passed in.

Order of variables: the few of the server, those of Services, `envFrom` (later sources win), `env` (wins;
may refer to earlier names). `$(VAR)` is expanded from what stands before it, `$$` is a literal `$`, and a
reference to nothing stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from tidegate.base.bytetext import to_bytes
from tidegate.base.quantity import parse_quantity
from tidegate.local.nodes.processes.pod_naming import pod_names
from tidegate.local.nodes.processes.service_links import service_variables

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
REFERENCE = re.compile(r"\$(\$|\(([^()$]+)\))")
ESCAPES = {
    "\\": "\\\\", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r",
    "\t": "\\t", "\v": "\\v",
}  # fmt: skip
KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class Incomplete(Exception):
    """Something that the Pod refers to is missing (or cannot be read); it may still appear."""


@dataclass(frozen=True, slots=True)
class Refers:
    """What references may resolve to: ConfigMaps, Secrets and Services of the namespace (and the Service
    `kubernetes`), and the machine's size.
    """

    find_config_map: Callable[[str], Mapping[str, Any] | None]
    find_secret: Callable[[str], Mapping[str, Any] | None]
    cpu: Decimal = Decimal(1)
    memory_bytes: int = 0
    find_services: Callable[[], Iterable[Mapping[str, Any]]] = tuple

    def config_map(self, name: str) -> dict[str, bytes] | None:
        body = self.find_config_map(name)
        if body is None:
            return None
        values = {key: str(value).encode() for key, value in (body.get("data") or {}).items()}
        return values | _decoded(f'ConfigMap "{name}"', body.get("binaryData"))

    def secret(self, name: str) -> dict[str, bytes] | None:
        body = self.find_secret(name)
        return None if body is None else _decoded(f'Secret "{name}"', body.get("data"))


def _decoded(whose: str, values: Mapping[str, str] | None) -> dict[str, bytes]:
    result = {}
    for key, value in (values or {}).items():
        try:
            result[key] = to_bytes(value)
        except ValueError as error:
            raise Incomplete(f"{whose}: the value of {key} is not base64") from error
    return result


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with its `$(VAR)` references."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return REFERENCE.sub(value, text)


def environment(
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    refers: Refers,
    inherited: Mapping[str, str],
    api: tuple[str, int] | None = None,
) -> dict[str, str]:
    """All variables of the container. Raises `Incomplete` for a ConfigMap, Secret or key that is missing.

    `api` is where a pod on the machine's network finds the API; None: by its Service.
    """
    variables = {name: inherited[name] for name in INHERITED if name in inherited}
    variables |= service_variables(pod, refers.find_services())
    if api is not None:
        variables |= api_variables(*api)
    variables["HOSTNAME"] = pod_names(pod).kernel
    for source in container.get("envFrom") or []:
        for key, text in _source(source, refers).items():
            variables[f"{source.get('prefix') or ''}{key}"] = text
    for entry in container.get("env") or []:
        if entry.get("valueFrom"):
            found = _value_from(entry["valueFrom"], pod, container, refers)
            if found is not None:
                variables[entry["name"]] = found
        else:
            variables[entry["name"]] = expand(str(entry.get("value") or ""), variables)
    return {name: value for name, value in variables.items() if name and "\0" not in value}


def api_variables(host: str, port: int) -> dict[str, str]:
    """Where the API itself listens: on the machine's network ordinary users may not listen on the port that
    its Service has, and the Service's own address may lead nowhere.
    """
    return {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
        "KUBERNETES_PORT": f"tcp://{host}:{port}",
    }


def _source(source: Mapping[str, Any], refers: Refers) -> dict[str, str]:
    for kind, look in (("configMapRef", refers.config_map), ("secretRef", refers.secret)):
        reference = source.get(kind)
        if not reference:
            continue
        values = look(reference["name"])
        if values is None and not reference.get("optional"):
            shown = "configmap" if kind == "configMapRef" else "secret"
            raise Incomplete(f'{shown} "{reference["name"]}" not found')
        return {
            key: _text(value, f"{kind} {reference['name']}", key) for key, value in (values or {}).items()
        }
    return {}


def _text(value: bytes, whose: str, key: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Incomplete(f"{whose}: the value of {key} is not text, mount it as a file instead") from error


def _value_from(
    wanted: Mapping[str, Any], pod: Mapping[str, Any], container: Mapping[str, Any], refers: Refers
) -> str | None:
    for kind, shown, look in (
        ("configMapKeyRef", "configmap", refers.config_map),
        ("secretKeyRef", "secret", refers.secret),
    ):
        if reference := wanted.get(kind):
            name, key = reference.get("name", ""), reference["key"]
            values = look(name)
            if values is not None and key in values:
                return _text(values[key], f'{shown} "{name}"', key)
            if reference.get("optional"):
                return None
            if values is None:
                raise Incomplete(f'{shown} "{name}" not found')
            raise Incomplete(f"couldn't find key {key} in {shown} {name}")
    if wanted.get("fieldRef"):
        return field_value(pod, wanted["fieldRef"]["fieldPath"])
    if wanted.get("resourceFieldRef"):
        return resource_value(pod, container, wanted["resourceFieldRef"], refers)
    return None


def field_value(pod: Mapping[str, Any], path: str) -> str:
    """What a `fieldRef` names, "" when the Pod has no such label, annotation or field value."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    if keyed := KEYED.match(path):
        return str((metadata.get(keyed[1]) or {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        values = metadata.get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{_quoted(str(value))}"' for key, value in sorted(values.items()))
    fields = {
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace"),
        "metadata.uid": metadata.get("uid"),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.hostIP": status.get("hostIP") or "127.0.0.1",
        "status.hostIPs": status.get("hostIP") or "127.0.0.1",
        "status.podIP": status.get("podIP"),
        "status.podIPs": status.get("podIP"),
    }
    if path not in fields:
        raise Incomplete(f"fieldRef {path}: no such field is offered; known: {', '.join(sorted(fields))}")
    return str(fields[path] or "")


def _quoted(text: str) -> str:
    """As Go quotes a text: what cannot be printed by its number."""
    signs = []
    for sign in text:
        if sign in ESCAPES:
            signs.append(ESCAPES[sign])
        elif sign.isprintable():
            signs.append(sign)
        elif ord(sign) < 0x80:
            signs.append(f"\\x{ord(sign):02x}")
        else:
            signs.append(f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}")
    return "".join(signs)


def resource_value(
    pod: Mapping[str, Any], container: Mapping[str, Any], wanted: Mapping[str, Any], refers: Refers
) -> str:
    """A request or limit in units of the divisor, rounded up; without a limit, the machine's size."""
    if name := wanted.get("containerName"):
        every = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
        container = next((one for one in every if one["name"] == name), container)
    side, _, resource = str(wanted["resource"]).partition(".")
    resources = container.get("resources") or {}
    found = (resources.get(side) or {}).get(resource)
    if found is None and side == "requests":
        found = (resources.get("limits") or {}).get(resource)
    if found is not None:
        amount = parse_quantity(str(found))
    elif side == "requests":
        amount = Decimal(0)
    else:
        amount = {"cpu": refers.cpu, "memory": Decimal(refers.memory_bytes)}.get(resource, Decimal(0))
    divisor = parse_quantity(str(wanted.get("divisor") or "1")) or Decimal(1)
    return str(int((amount / divisor).to_integral_value(ROUND_CEILING)))


def command_line(container: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The container's command and args, expanded; both may be empty (the image decides then)."""

    def words(value: Sequence[Any] | None) -> list[str]:
        return [expand(str(word), variables) for word in value or []]

    return words(container.get("command")), words(container.get("args"))
