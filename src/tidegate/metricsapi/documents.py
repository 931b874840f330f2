"""What the API says of itself: its group, its one resource, its shapes. Values only.

The names of metrics are never listed: a ScaledObject has them, and its HPA knows them.
"""

from __future__ import annotations

from typing import Any

GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ExternalMetricValueList"
DISCOVERY = "apidiscovery.k8s.io"
AGGREGATED = (("APIGroupDiscoveryList", DISCOVERY, "v2"), ("APIGroupDiscoveryList", DISCOVERY, "v2beta1"))
ROOT = f"/apis/{API_VERSION}"
OPENAPI_V3 = f"apis/{API_VERSION}"

Body = dict[str, Any]

_VERSION: Body = {"groupVersion": API_VERSION, "version": VERSION}
_GROUP: Body = {"name": GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}


def group_list() -> Body:
    """APIGroupList, the old answer of `/apis`."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]}


def group() -> Body:
    """APIGroup of the one group."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_GROUP}


def resources() -> Body:
    """APIResourceList of the one version."""
    one = {"name": "externalmetrics", "singularName": "", "namespaced": True, "kind": KIND, "verbs": ["get"]}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": [one]}


def aggregated(version: str) -> Body:
    """APIGroupDiscoveryList, as the aggregator asks for it."""
    resource = {
        "resource": "externalmetrics",
        "responseKind": {"group": GROUP, "version": VERSION, "kind": KIND},
        "scope": "Namespaced",
        "singularResource": "",
        "verbs": ["get"],
    }
    versions = [{"version": VERSION, "resources": [resource], "freshness": "Current"}]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{DISCOVERY}/{version}",
        "metadata": {},
        "items": [{"metadata": {"name": GROUP, "creationTimestamp": None}, "versions": versions}],
    }


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


_PATH = f"{ROOT}/namespaces/{{namespace}}/{{metricName}}"
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
    text, kind = {"type": "string"}, {"group": GROUP, "version": VERSION, "kind": KIND}
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
