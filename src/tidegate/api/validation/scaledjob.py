"""What is refused about a ScaledJob: the triggers' rules, its name, and the template of its Jobs.

KEDA's CRD carries the whole schema of a Job's template. Ours keeps the template as it is written
and checks what would keep a Job from ever starting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.api.schema.structural import validate
from tidegate.api.validation.triggers import Object, invalid, objects, part, required, text, trigger_problems
from tidegate.base.names import is_dns_label, is_label_value
from tidegate.base.problems import Problem

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNT = {"type": "integer", "minimum": 0}
_KEY = {"type": "object", "required": ["key"], "properties": {"key": _TEXT, "name": _TEXT}}
_ENV = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "value": _TEXT,
        "valueFrom": {"type": "object", "properties": {"secretKeyRef": _KEY, "configMapKeyRef": _KEY}},
    },
}
_PORT = {
    "type": "object",
    "required": ["containerPort"],
    "properties": {"containerPort": {"type": "integer", "minimum": 1, "maximum": 65535}},
}
_CONTAINER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "image": _TEXT,
        "command": _TEXTS,
        "args": _TEXTS,
        "workingDir": _TEXT,
        "env": {"type": "array", "items": _ENV},
        "envFrom": {"type": "array", "items": {"type": "object"}},
        "ports": {"type": "array", "items": _PORT},
        "volumeMounts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "mountPath"],
                "properties": {"name": _TEXT, "mountPath": _TEXT},
            },
        },
    },
}
_CONTAINERS = {"type": "array", "items": _CONTAINER}
_TEMPLATE: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "metadata": {
            "type": "object",
            "properties": {
                "labels": {"type": "object", "additionalProperties": _TEXT},
                "annotations": {"type": "object", "additionalProperties": _TEXT},
            },
        },
        "spec": {
            "type": "object",
            "required": ["containers"],
            "properties": {
                "containers": {**_CONTAINERS, "minItems": 1},
                "initContainers": _CONTAINERS,
                "restartPolicy": {"type": "string", "enum": ["OnFailure", "Never"]},
                "terminationGracePeriodSeconds": _COUNT,
                "serviceAccountName": _TEXT,
                "volumes": {
                    "type": "array",
                    "items": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
                },
            },
        },
    },
}
_PATH = "spec.jobTargetRef"


def scaled_job_problems(body: Object) -> Iterator[Problem]:
    spec = part(body, "spec")
    yield from trigger_problems(spec)
    yield from job_name_problems(text(part(body, "metadata"), "name"))
    target = spec.get("jobTargetRef")
    if not isinstance(target, dict):
        return
    if isinstance(target.get("template"), dict):
        yield from _template_problems(target["template"])
    elif not text(target, "name") and target.get("template") is None:
        yield required(
            f"{_PATH}.template", "a pod template, or apiVersion, kind and name of a Job to take it from"
        )


def job_name_problems(name: str) -> Iterator[Problem]:
    if not is_label_value(name):
        message = "must be no more than 63 characters: its Jobs carry it as a label"
        yield invalid("metadata.name", name, message)


def _template_problems(template: Object) -> Iterator[Problem]:
    path = f"{_PATH}.template"
    spec = part(template, "spec")
    if spec.get("restartPolicy") == "":
        # As good as none: it becomes OnFailure.
        template = {**template, "spec": {key: spec[key] for key in spec if key != "restartPolicy"}}
    yield from validate(_TEMPLATE, template, path)
    volumes = {text(volume, "name") for volume in objects(spec, "volumes")}
    seen: set[str] = set()
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(objects(spec, kind)):
            where, name = f"{path}.spec.{kind}[{index}]", text(container, "name")
            if name and not is_dns_label(name):
                yield invalid(f"{where}.name", name, "must be lower case letters, digits and -, at most 63")
            if name and name in seen:
                yield Problem(f"{where}.name", f'Duplicate value: "{name}"', "FieldValueDuplicate")
            seen.add(name)
            for place, mount in enumerate(objects(container, "volumeMounts")):
                volume = text(mount, "name")
                if volume and volume not in volumes:
                    message = f'Not found: "{volume}": no volume of this name in {path}.spec.volumes'
                    yield Problem(f"{where}.volumeMounts[{place}].name", message)
