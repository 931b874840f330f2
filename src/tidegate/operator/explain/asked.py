"""What an explanation is asked of, as paths name it: `<plural>/<namespace>/<name>`."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, ApiError, Resource

_EXPLAINED = {one.plural: one for one in (SCALED_OBJECTS, SCALED_JOBS)}


def asked(parts: Sequence[str]) -> tuple[Resource, str, str]:
    """Kind, namespace and name; ApiError `NotFound` where the path names no such object."""
    if len(parts) != 3 or parts[0] not in _EXPLAINED:
        raise ApiError(404, "NotFound", "explain takes scaledobjects or scaledjobs, a namespace and a name")
    plural, namespace, name = parts
    return _EXPLAINED[plural], namespace, name
