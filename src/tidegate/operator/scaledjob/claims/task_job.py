"""The Job of one message: what a claimed Job has that others have not.

The message comes in the environment of every container, or as a file from a Secret that goes with the Job. A
body is data: nothing of it is ever expanded, and nothing of it stands in a command.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.names import is_label_value, task_name
from tidegate.core.claims.expansion import doubled
from tidegate.core.claims.wishes import Wishes
from tidegate.core.control_annotations import ROUND
from tidegate.core.values import Task
from tidegate.kit.systems.claims import Delivery
from tidegate.operator.scaledjob import job_body

Object = dict[str, Any]

FINALIZER = "tidegate.dev/claim"
MESSAGE = "tidegate.dev/message"
ATTEMPT = "tidegate.dev/attempt"
MESSAGE_ID = "tidegate.dev/message-id"
BY_FILE = "tidegate.dev/claimed-file"
RECEIPT = "tidegate.dev/claim-receipt"

LONGEST_VARIABLE = 32 * 1024
"""Bytes of a body that a variable carries; longer ones come as a file."""

LARGEST = 2**20
"""Bytes of a body that a Secret carries; of larger ones only the identity comes."""

FOLDER = "/var/run/tidegate/task"
_VOLUME = "tidegate-task"
_FILE = "data"


def job(
    owner: ScaledJob, spec: Object, task: Task, delivery: Delivery, wishes: Wishes, model: str = ""
) -> Object:
    """The Job of this attempt. `spec` and `model` as those of other Jobs."""
    made = job_body.body(owner, spec, 0, 0, model)
    metadata, is_file = made["metadata"], comes_as_file(delivery, wishes)
    for key in (ROUND, job_body.ORDINAL):
        del metadata["annotations"][key]
    metadata["name"] = name_of(owner, task)
    metadata["finalizers"] = [FINALIZER]
    labels = {MESSAGE: task.id if is_label_value(task.id) else "", ATTEMPT: str(task.attempt)}
    metadata["labels"] |= labels
    metadata["annotations"] |= {MESSAGE_ID: task.id, **({BY_FILE: "true"} if is_file else {})}
    if delivery.receipt:
        metadata["annotations"][RECEIPT] = delivery.receipt
    template = made["spec"]["template"]
    template["metadata"]["labels"] |= labels
    pod = template["spec"]
    environment = _environment(task, delivery, is_file)
    mounts = [{"name": _VOLUME, "mountPath": FOLDER, "readOnly": True}] if is_file else []
    for group in ("initContainers", "containers"):
        if pod.get(group):
            pod[group] = [_with(container, environment, mounts) for container in pod[group]]
    if is_file:
        volume = {"name": _VOLUME, "secret": {"secretName": metadata["name"]}}
        pod["volumes"] = [*(pod.get("volumes") or ()), volume]
    return made


def name_of(owner: ScaledJob, task: Task) -> str:
    """The name of a message's Job: whoever creates it again finds it."""
    return task_name(owner.metadata.name, owner.metadata.uid, task.id, task.attempt)


def body_of(delivery: Delivery, wishes: Wishes) -> bytes:
    """The body as its Job gets it; what is not in the encoding that was named comes as it is."""
    if wishes.encoding != "base64":
        return delivery.body
    try:
        return base64.b64decode(b"".join(delivery.body.split()), validate=True)
    except ValueError:
        return delivery.body


def comes_as_file(delivery: Delivery, wishes: Wishes) -> bool:
    """Whether a body comes as a file: asked for, too long, or nothing that a variable can hold."""
    body = delivery.body
    if len(body) > LARGEST:
        return False
    return wishes.by == "file" or len(body) > LONGEST_VARIABLE or not _is_text(body)


def secret(made: Object, uid: str, delivery: Delivery) -> Object:
    """The Secret of a Job's file; it goes with the Job."""
    metadata = made["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {job_body.OWNER_LABEL: metadata["labels"][job_body.OWNER_LABEL]},
            "ownerReferences": [owner],
        },
        "type": "tidegate.dev/task",
        "immutable": True,
        "data": {_FILE: base64.b64encode(delivery.body).decode()},
    }


def task_of(found: Object) -> Task | None:
    """Which message a Job was claimed for; None for every other Job."""
    metadata = found["metadata"]
    id = (metadata.get("annotations") or {}).get(MESSAGE_ID)
    attempt = (metadata.get("labels") or {}).get(ATTEMPT, "")
    return Task(id, int(attempt)) if id and attempt.isdecimal() and len(attempt) < 10 else None


def is_guarded(found: Object) -> bool:
    """Whether our finalizer keeps it."""
    return FINALIZER in (found["metadata"].get("finalizers") or ())


def _is_text(body: bytes) -> bool:
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def _environment(task: Task, delivery: Delivery, is_file: bool) -> list[Object]:
    attributes = json.dumps(dict(delivery.attributes), ensure_ascii=False)
    values = {
        "KEDA_TASK_ID": doubled(task.id),
        "KEDA_TASK_ATTEMPT": str(task.attempt),
        "KEDA_TASK_ATTRIBUTES": doubled(attributes),
    }
    if is_file:
        values["KEDA_TASK_FILE"] = f"{FOLDER}/{_FILE}"
    elif len(delivery.body) <= LONGEST_VARIABLE:
        values["KEDA_TASK_DATA"] = doubled(delivery.body.decode())
    return [{"name": name, "value": value} for name, value in values.items()]


def _with(container: Object, environment: list[Object], mounts: list[Object]) -> Object:
    """The container with the message's variables before its own, in place of any of these names."""
    ours = {one["name"] for one in environment}
    own = [one for one in container.get("env") or () if one.get("name") not in ours]
    changed = {**container, "env": [*environment, *own]}
    if mounts:
        changed["volumeMounts"] = [*(container.get("volumeMounts") or ()), *mounts]
    return changed
