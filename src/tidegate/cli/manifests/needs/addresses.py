"""Services that variables and triggers name by address: `redis:6379`, `amqp://rabbitmq.shop.svc/`.

A guess by the form of a value: a name of one word, or one that ends with a namespace, is of the cluster.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from tidegate.api.kinds import API_VERSION
from tidegate.api.validation.triggers import objects, part, text
from tidegate.cli.manifests.manifest_set import namespace_of
from tidegate.cli.manifests.needs.need import Need
from tidegate.kube.resource import SERVICES
from tidegate.local.unhonoured import pod_spec_of

Object = dict[str, Any]
_LENGTH_MAX = 1000
_LABEL = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_URL = re.compile(rf"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/@\s]*@)?({_NAME})(?:[:/?#].*)?")
_WITH_PORT = re.compile(rf"(?:\w+@)?({_NAME}):[0-9]{{2,5}}(?:/.*)?")
_ALONE = re.compile(_NAME)
_HOST_VARIABLE = re.compile(r"(?:.*_)?(?:HOST|HOSTNAME|ADDR|ADDRESS)")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_NOT_ADDRESSES = ("IMAGE", "CHOWN")
_OF_THE_MACHINE = ("localhost", "ip6-localhost", "host", "kubernetes")
_TOLD = "leads nowhere"
_INSTEAD = "add the Service to the files, or correct the name; nothing where it is no name of the cluster"


def addressed(key: str, body: Object, namespaces: Collection[str]) -> Iterator[Need]:
    """The Services that an object's values name; `namespaces` are those that a name may end with."""
    namespace = namespace_of(body)
    told: set[str] = set()
    for field, host in _hosts(key, body):
        place = service_of(host, namespace, namespaces)
        if place is not None and host not in told:
            told.add(host)
            yield Need(field, SERVICES, *place, _TOLD, _INSTEAD, runs=True)


def service_of(host: str, namespace: str, namespaces: Collection[str]) -> tuple[str, str] | None:
    """(namespace, name) of the Service that a name in a pod of `namespace` stands for; None for others."""
    labels = host.split(".")
    if "svc" in labels[2:]:
        end = labels.index("svc", 2)
        found = labels[end - 1], labels[end - 2]
    elif len(labels) == 2 and labels[1] in namespaces:
        found = labels[1], labels[0]
    elif len(labels) == 1 and host not in _OF_THE_MACHINE:
        return namespace, host
    else:
        return None
    return ("" if found[0] == "default" else found[0]), found[1]


def hosts_in(name: str, value: str) -> Iterator[str]:
    """The hosts that the value of a variable of this name seems to name."""
    if len(value) > _LENGTH_MAX or any(word in name.upper() for word in _NOT_ADDRESSES):
        return
    for one in value.split(","):
        match = _URL.fullmatch(one.strip()) or _WITH_PORT.fullmatch(one.strip())
        if match is None and _HOST_VARIABLE.fullmatch(name):
            match = _ALONE.fullmatch(one.strip())
        if match is not None:
            yield match[match.lastindex or 0]


def _hosts(key: str, body: Object) -> Iterator[tuple[str, str]]:
    """(field, host) of the variables of pods and ConfigMaps, and of the triggers' settings."""
    found = pod_spec_of(key, body)
    if found is not None:
        path, spec = found
        own = _of_the_pod(spec)
        for name in ("initContainers", "containers"):
            for index, container in enumerate(objects(spec, name)):
                for number, one in enumerate(objects(container, "env")):
                    field = f"{path}.{name}[{index}].env[{number}].value"
                    for host in hosts_in(text(one, "name"), text(one, "value")):
                        if host not in own:
                            yield field, host
    if key == "configmaps":
        for name, value in part(body, "data").items():
            if isinstance(value, str) and _VARIABLE.fullmatch(str(name)):
                yield from ((f"data.{name}", host) for host in hosts_in(name, value))
    if body["apiVersion"] == API_VERSION:
        for index, trigger in enumerate(objects(part(body, "spec"), "triggers")):
            for name, value in part(trigger, "metadata").items():
                # The autoscaler is in no namespace of theirs: one word alone is a name of something else.
                for host in hosts_in("", value) if isinstance(value, str) else ():
                    if "." in host:
                        yield f"spec.triggers[{index}].metadata.{name}", host


def _of_the_pod(spec: Object) -> set[str]:
    """Names that a pod has of itself."""
    aliases = (one.get("hostnames") for one in objects(spec, "hostAliases"))
    named = {name for some in aliases if isinstance(some, list) for name in some}
    return {text(spec, "hostname"), *(name for name in named if isinstance(name, str))}
