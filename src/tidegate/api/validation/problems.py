"""Everything that is refused about one of our objects, found without looking at the cluster.

Schema first, then the rules of KEDA's webhook that need nothing but the object. A trigger's own
parameters are not looked at: KEDA accepts them at admission, and so do we.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

from tidegate.api.decode import KINDS, kind_of
from tidegate.api.kinds import API_VERSION
from tidegate.api.meta import ObjectMeta
from tidegate.api.schema.generate import Schema, object_schema, wire_schema
from tidegate.api.schema.structural import apply_defaults, prune, validate
from tidegate.api.schema.value_checks import too_deep
from tidegate.api.validation.cloudeventsource import event_source_problems
from tidegate.api.validation.scaledjob import scaled_job_problems
from tidegate.api.validation.scaledobject import scaled_object_problems
from tidegate.api.validation.triggerauthentication import authentication_problems
from tidegate.api.validation.triggers import required, unsupported
from tidegate.api.wire import without_nulls
from tidegate.base.problems import Problem

_RULES: dict[str, Callable[[dict[str, Any]], Iterator[Problem]]] = {
    "ScaledObject": scaled_object_problems,
    "ScaledJob": scaled_job_problems,
    "TriggerAuthentication": authentication_problems,
    "ClusterTriggerAuthentication": authentication_problems,
    "CloudEventSource": event_source_problems,
    "ClusterCloudEventSource": event_source_problems,
}


def problems(body: dict[str, Any]) -> list[Problem]:
    """All of them, those of the schema first, each with its path and value. `body` is not changed.

    An update that only removes finalizers must not be asked: it is always allowed.
    """
    known = kind_of(body)
    if known is None:
        return [_unknown_kind(body)]
    kind = known.KIND.name
    if (deep := too_deep(body)) is not None:
        return [deep]
    schema = schema_of(kind)
    body = copy.deepcopy(body)
    prune(schema, body)
    apply_defaults(schema, body)
    return [*_metadata_problems(body), *validate(schema, body), *_RULES[kind](_properly_named(body))]


def _properly_named(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its replica bounds under their proper names, as `ScaledSpec` takes them."""
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return body
    own = {"minReplicaCount": spec.get("minReplicas"), "maxReplicaCount": spec.get("maxReplicas")}
    return {**body, "spec": {**{name: bound for name, bound in own.items() if bound is not None}, **spec}}


@functools.cache
def schema_of(kind: str) -> Schema:
    """The structural schema of one of our kinds; shared, not to be changed."""
    return object_schema(KINDS[kind])


@functools.cache
def metadata_schema() -> Schema:
    """The structural schema of the metadata of any object; shared, not to be changed."""
    return wire_schema(ObjectMeta)


def _metadata_problems(body: dict[str, Any]) -> list[Problem]:
    """What is ill-typed in the metadata; the rules of names and labels are the API server's."""
    metadata = body.get("metadata")
    if metadata is None:
        return [required("metadata", "give it a name")]
    if not isinstance(metadata, dict):
        return []
    return validate(metadata_schema(), without_nulls(metadata), "metadata")


def _unknown_kind(body: dict[str, Any]) -> Problem:
    kind = body.get("kind")
    known = KINDS.get(kind) if isinstance(kind, str) else None
    given = body.get("apiVersion")
    if known is not None:
        return unsupported("apiVersion", given, (known.KIND.api_version,))
    fitting = [name for name, one in KINDS.items() if one.KIND.api_version == given]
    if not fitting:
        return unsupported("apiVersion", given, (API_VERSION,))
    return unsupported("kind", kind, fitting)
