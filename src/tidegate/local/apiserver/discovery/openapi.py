"""OpenAPI v3 documents: what kubectl reads before it applies, and what `kubectl explain` shows.

Built-in kinds are described by their fields and types alone; custom resources by their own schema.
No PATCH names strategic merge as a body: kubectl then merges built-ins by its own tables, which know
the merge keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from tidegate.kube.responses import encode
from tidegate.local.apiserver.discovery.api_groups import by_group
from tidegate.local.apiserver.kinds import Kind, Kinds
from tidegate.local.apiserver.validation.fields import table

V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
META = "V1ObjectMeta"
PLAIN_DESCRIPTION = (
    "The fields and types of this built-in kind; see the Kubernetes reference for their meaning."
)
# What the fields mean that every object has.
TOP = {
    "apiVersion": "Version of the schema of this object.",
    "kind": "Kind of this object.",
    "metadata": "Name, namespace, labels, annotations, owners: what every object has.",
    "spec": "What is wanted.",
    "status": "What is.",
}
Body = dict[str, Any]

_PLAIN: dict[str, Body] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "quantity": {"type": "string"},
    "any": {"x-kubernetes-preserve-unknown-fields": True},
}
_TYPE_NAME = re.compile(r"((?:[A-Z][a-z]+)*?V\d+(?:(?:alpha|beta)\d+)?)([A-Z]\w*)")


class Documents:
    """The documents of the kinds served now, made when they are asked for and kept until they change."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._revision = -1
        self._made: dict[str, bytes] = {}

    def index(self) -> Body:
        """Where each group version's document is; the hash changes with its content."""
        paths = {}
        for path, body in self._documents().items():
            digest = hashlib.sha256(body).hexdigest()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest.upper()[:32]}"}
        return {"paths": paths}

    def document(self, path: str) -> bytes | None:
        """The document at `api/v1` or `apis/<group>/<version>`; None when it is not served."""
        return self._documents().get(path)

    def _documents(self) -> dict[str, bytes]:
        if self._revision != self._kinds.revision:
            self._revision = self._kinds.revision
            self._made = {
                f"apis/{group}/{version}" if group else f"api/{version}": encode(document(kinds))
                for group, versions in by_group(self._kinds.all()).items()
                for version, kinds in versions.items()
            }
        return self._made


def document(kinds: Iterable[Kind]) -> Body:
    """The document of one group version."""
    schemas: dict[str, Body] = {}
    paths: dict[str, Body] = {}
    wanted = [META]
    for kind in kinds:
        root = _roots().get(kind.fields_key)
        if root is None or kind.is_custom:
            name = custom_name(kind)
            schemas[name] = _custom_schema(kind)
        else:
            name = type_name(root)
            schemas[name] = _root(root) | {
                "description": PLAIN_DESCRIPTION,
                "x-kubernetes-group-version-kind": [_gvk(kind)],
            }
            wanted += _named_in(root)
        paths |= _paths(kind, name)
    while wanted:
        type = wanted.pop()
        if type_name(type) not in schemas:
            schemas[type_name(type)] = _struct(type)
            wanted += _named_in(type)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Tidegate local API", "version": "v1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def custom_name(kind: Kind) -> str:
    """`sh.keda.v1alpha1.ScaledObject`: reversed group, version, kind."""
    resource = kind.resource
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def type_name(type: str) -> str:
    """The schema name of a built-in type; clients show the part after the last dot."""
    found = _TYPE_NAME.fullmatch(type)
    return f"io.k8s.api.{found[1].lower()}.{found[2]}" if found else f"io.k8s.api.{type}"


def _custom_schema(kind: Kind) -> Body:
    schema = dict(kind.schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **(schema.get("properties") or {}),
        "metadata": _told("metadata", _ref(META)),
    }
    schema["x-kubernetes-group-version-kind"] = [_gvk(kind)]
    return schema


def _root(type: str) -> Body:
    """A kind of Kubernetes' own: what its top fields are for is told, and nothing below."""
    fields = {name: _told(name, _schema(text)) for name, text in _types()[type].items()}
    return {"type": "object", "properties": fields}


def _told(name: str, schema: Body) -> Body:
    if name not in TOP:
        return schema
    return {"description": TOP[name], **({"allOf": [schema]} if "$ref" in schema else schema)}


def _struct(type: str) -> Body:
    return {"type": "object", "properties": {name: _schema(text) for name, text in _types()[type].items()}}


def _schema(text: str) -> Body:
    if text.startswith("["):
        return {"type": "array", "items": _schema(text[1:-1])}
    if text.startswith("{"):
        return {"type": "object", "additionalProperties": _schema(text[1:-1])}
    return _PLAIN.get(text) or _ref(text)


def _ref(type: str) -> Body:
    return {"$ref": f"#/components/schemas/{type_name(type)}"}


def _named_in(type: str) -> list[str]:
    """The types that a type's fields have."""
    names = (text.strip("[]{}") for text in _types()[type].values())
    return [name for name in names if name not in _PLAIN]


def _gvk(kind: Kind) -> Body:
    resource = kind.resource
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(kind: Kind, schema: str) -> dict[str, Body]:
    resource = kind.resource
    collection = resource.path("{namespace}" if resource.is_namespaced else "")
    answer = {
        "200": {
            "description": "OK",
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        }
    }

    def operation(action: str, *parameters: str) -> Body:
        return {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(kind),
            "parameters": [
                {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                for name in parameters
            ],
            "responses": answer,
        }

    writes = ("dryRun", "fieldManager", "fieldValidation")
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
        for name in (("namespace", "name") if resource.is_namespaced else ("name",))
    ]
    if kind.is_review:
        return {collection: {"post": operation("post", *writes), "parameters": in_path[:-1]}}
    everywhere = {resource.path(): {"get": operation("list")}} if resource.is_namespaced else {}
    return everywhere | {
        collection: {
            "get": operation("list"),
            "post": operation("post", *writes),
            "parameters": in_path[:-1],
        },
        f"{collection}/{{name}}": {
            "get": operation("get"),
            "put": operation("put", *writes),
            "patch": operation("patch", *writes, "force"),
            "delete": operation("delete", "dryRun"),
            "parameters": in_path,
        },
    }


def _roots() -> dict[str, str]:
    return table()[0]


def _types() -> dict[str, dict[str, str]]:
    return table()[1]
