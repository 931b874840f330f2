"""What the API says of itself: its groups, their resources, their shapes. Values only.

The names of metrics are never listed: a ScaledObject has them, and its HPA knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DISCOVERY = "apidiscovery.k8s.io"
AGGREGATED = (("APIGroupDiscoveryList", DISCOVERY, "v2"), ("APIGroupDiscoveryList", DISCOVERY, "v2beta1"))

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """A group in its one version, with its resources: plural, singular and kind of each."""

    name: str
    version: str
    resources: tuple[tuple[str, str, str], ...]

    @property
    def api_version(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def root(self) -> str:
        return f"/apis/{self.api_version}"


KIND = "ExternalMetricValueList"
EXTERNAL = Group("external.metrics.k8s.io", "v1beta1", (("externalmetrics", "", KIND),))
EXPLAIN = Group(
    "explain.tidegate.dev",
    "v1alpha1",
    (
        ("explainedscaledobjects", "explainedscaledobject", "ExplainedScaledObject"),
        ("explainedscaledjobs", "explainedscaledjob", "ExplainedScaledJob"),
    ),
)
GROUPS = (EXTERNAL, EXPLAIN)
OPENAPI_V3 = EXTERNAL.root.strip("/")


def group_list() -> Body:
    """APIGroupList, the old answer of `/apis`."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_described(one) for one in GROUPS]}


def group(one: Group) -> Body:
    """APIGroup of a group."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_described(one)}


def resources(one: Group) -> Body:
    """APIResourceList of its one version."""
    listed = [
        {"name": plural, "singularName": singular, "namespaced": True, "kind": kind, "verbs": ["get"]}
        for plural, singular, kind in one.resources
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": one.api_version,
        "resources": listed,
    }


def aggregated(version: str) -> Body:
    """APIGroupDiscoveryList, as the aggregator asks for it."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{DISCOVERY}/{version}",
        "metadata": {},
        "items": [_discovered(one) for one in GROUPS],
    }


def _discovered(one: Group) -> Body:
    found = [
        {
            "resource": plural,
            "responseKind": {"group": one.name, "version": one.version, "kind": kind},
            "scope": "Namespaced",
            "singularResource": singular,
            "verbs": ["get"],
        }
        for plural, singular, kind in one.resources
    ]
    versions = [{"version": one.version, "resources": found, "freshness": "Current"}]
    return {"metadata": {"name": one.name, "creationTimestamp": None}, "versions": versions}


def _described(one: Group) -> Body:
    version = {"groupVersion": one.api_version, "version": one.version}
    return {"name": one.name, "versions": [version], "preferredVersion": version}


def version(ours: str) -> Body:
    """`/version`."""
    major, minor = (*ours.split("."), "")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{ours}+tidegate",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }


def openapi_v2(ours: str) -> Body:
    """Swagger of the one path."""
    return {
        "swagger": "2.0",
        "info": {"title": "Tidegate external metrics", "version": ours},
        "paths": {
            _PATH: {
                "get": {
                    "operationId": _OPERATION,
                    "produces": ["application/json"],
                    "parameters": [{**one, "type": "string"} for one in _PARAMETERS],
                    "responses": {"200": {"description": "OK", "schema": {"$ref": f"#/definitions/{_LIST}"}}},
                }
            }
        },
        "definitions": _schemas("#/definitions/"),
    }


def openapi_v3_index(tag: str) -> Body:
    """`/openapi/v3`: where the one document is; `tag` changes with it."""
    return {"paths": {OPENAPI_V3: {"serverRelativeURL": f"/openapi/v3/{OPENAPI_V3}?hash={tag}"}}}


def openapi_v3(ours: str) -> Body:
    """OpenAPI of the one path."""
    schema = {"$ref": f"#/components/schemas/{_LIST}"}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Tidegate external metrics", "version": ours},
        "paths": {
            _PATH: {
                "parameters": [{**one, "schema": {"type": "string"}} for one in _PARAMETERS],
                "get": {
                    "operationId": _OPERATION,
                    "responses": {
                        "200": {"description": "OK", "content": {"application/json": {"schema": schema}}}
                    },
                },
            }
        },
        "components": {"schemas": _schemas("#/components/schemas/")},
    }


_PATH = f"{EXTERNAL.root}/namespaces/{{namespace}}/{{metricName}}"
_OPERATION = "listNamespacedExternalMetricValue"
_ONE, _LIST = (
    f"io.k8s.metrics.pkg.apis.external_metrics.v1beta1.ExternalMetricValue{end}" for end in ("", "List")
)
_PARAMETERS: list[Body] = [
    {"name": "namespace", "in": "path", "required": True, "description": "that of the ScaledObject"},
    {"name": "metricName", "in": "path", "required": True, "description": "a metric of the ScaledObject"},
    {
        "name": "labelSelector",
        "in": "query",
        "description": "names the ScaledObject: scaledobject.keda.sh/name=<name>",
    },
]


def _schemas(place: str) -> Body:
    text, kind = {"type": "string"}, {"group": EXTERNAL.name, "version": EXTERNAL.version, "kind": KIND}
    item = {
        "type": "object",
        "required": ["metricName", "metricLabels", "timestamp", "value"],
        "properties": {
            "metricName": text,
            "metricLabels": {"type": "object", "additionalProperties": text},
            "timestamp": {"type": "string", "format": "date-time"},
            "window": {"type": "integer", "format": "int64"},
            "value": text,
        },
    }
    listed = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": text,
            "kind": text,
            "metadata": {"type": "object"},
            "items": {"type": "array", "items": {"$ref": f"{place}{_ONE}"}},
        },
        "x-kubernetes-group-version-kind": [kind],
    }
    return {_ONE: item, _LIST: listed}
