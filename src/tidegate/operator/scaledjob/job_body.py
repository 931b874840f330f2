"""The body of a Job that a ScaledJob creates.

Source: KEDA, "ScaledJob specification": labels, annotations and the pod template's defaults.
"""

from __future__ import annotations

from typing import Any

from tidegate import __version__
from tidegate.api.scaledjob import ScaledJob
from tidegate.base.names import job_name
from tidegate.core.claims.wishes import HELD
from tidegate.core.control_annotations import ROUND

Object = dict[str, Any]

OWNER_LABEL = "scaledjob.keda.sh/name"
GENERATION = "scaledjob.keda.sh/generation"
EXCLUDED_LABELS = "scaledjob.keda.sh/job-excluded-labels"
ORDINAL = "tidegate.dev/ordinal"
TEMPLATE = "tidegate.dev/template"
# Of no meaning on a Job, or large.
NOT_COPIED = {ROUND, TEMPLATE, HELD, "kubectl.kubernetes.io/last-applied-configuration"}


def bodies(owner: ScaledJob, spec: Object, round: int, count: int, model: str = "") -> list[Object]:
    """The Jobs of a round, by ordinal. `spec` is the wire shape of the JobSpec to use, `model` the uid of the
    Job that it was taken from.
    """
    return [body(owner, spec, round, ordinal, model) for ordinal in range(count)]


def body(owner: ScaledJob, spec: Object, round: int, ordinal: int, model: str = "") -> Object:
    """One Job: its name, and so its identity, follows from owner, round and ordinal."""
    metadata = owner.metadata
    excluded = {label.strip() for label in metadata.annotations.get(EXCLUDED_LABELS, "").split(",")}
    labels = {
        "app.kubernetes.io/name": metadata.name,
        "app.kubernetes.io/version": __version__,
        "app.kubernetes.io/part-of": metadata.name,
        "app.kubernetes.io/managed-by": "keda-operator",
        **{key: value for key, value in metadata.labels.items() if key not in excluded},
        OWNER_LABEL: metadata.name,
    }
    annotations = {
        **{key: value for key, value in metadata.annotations.items() if key not in NOT_COPIED},
        GENERATION: str(metadata.generation),
        ROUND: str(round),
        ORDINAL: str(ordinal),
        **({TEMPLATE: model} if model else {}),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(metadata.name, metadata.uid, round, ordinal),
            "namespace": metadata.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [
                {
                    "apiVersion": "keda.sh/v1alpha1",
                    "kind": "ScaledJob",
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": _job_spec(metadata.name, spec),
    }


def _job_spec(name: str, spec: Object) -> Object:
    template = spec.get("template") or {}
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), OWNER_LABEL: name}
    pod = template.get("spec") or {}
    return {
        **spec,
        "template": {
            **template,
            "metadata": {**metadata, "labels": labels},
            "spec": {**pod, "restartPolicy": pod.get("restartPolicy") or "OnFailure"},
        },
    }
