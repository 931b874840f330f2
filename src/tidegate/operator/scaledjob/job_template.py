"""What the Jobs of a ScaledJob are made from: the template written inline, or the spec of the Job it names.

A template wins over a name. Jobs made from a named Job carry its uid: where another Job has taken its
place since, they are of the previous version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import TidegateError
from tidegate.core.values import NoTemplate
from tidegate.kube.resource import JOBS
from tidegate.operator.cluster.informers import Informers

Object = dict[str, Any]

# What a Job gets from its own controller, and a template must not hand on.
OWN_LABELS = {
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
}
OWN_FIELDS = ("selector", "suspend", "manualSelector")


@dataclass(frozen=True, slots=True)
class Template:
    """The wire shape of a JobSpec; `uid` is that of the Job it was taken from, "" for one written inline."""

    spec: Object
    uid: str = ""

    @property
    def pods(self) -> Object | None:
        """The pod template."""
        return self.spec.get("template")


def template_of(informers: Informers, object: ScaledJob) -> Template | NoTemplate:
    """What the object's Jobs are made from now, or why none can be made."""
    reference, namespace = object.spec.job_target_ref, object.metadata.namespace
    if not reference.model:
        return Template(reference.job_spec())
    try:
        found = informers.get(JOBS, namespace, reference.model)
    except TidegateError as error:
        return NoTemplate(error.kind, str(error))
    if found is None:
        return NoTemplate(
            "Misconfigured",
            f"jobTargetRef names the Job {namespace}/{reference.model}, which does not exist; "
            "create it (with suspend: true), or write the template inline",
        )
    spec = {key: value for key, value in found["spec"].items() if key not in OWN_FIELDS}
    template = dict(spec.get("template") or {})
    metadata = dict(template.get("metadata") or {})
    labels = metadata.get("labels") or {}
    metadata["labels"] = {key: value for key, value in labels.items() if key not in OWN_LABELS}
    return Template({**spec, "template": {**template, "metadata": metadata}}, found["metadata"]["uid"])
