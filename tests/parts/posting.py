"""Objects posted to an API as people post them, by their kind."""

from __future__ import annotations

import json
from typing import Any

from parts.conversation import Answer, Talk
from tidegate.local.apiserver.kinds import BUILT_IN


async def posted(talk: Talk, body: dict[str, Any]) -> Answer:
    """The answer to a POST; what was made is gone again. `the-namespace` is that of the conversation."""
    body = json.loads(json.dumps(body).replace("the-namespace", talk.namespace))
    group, _, version = body["apiVersion"].rpartition("/")
    [kind] = [
        one
        for one in BUILT_IN
        if (one.resource.group, one.resource.version, one.resource.kind) == (group, version, body["kind"])
    ]
    where = {"group": body["apiVersion"] if group else ""}
    answer = await talk.post(talk.path(kind.resource.plural, **where), body, fieldValidation="Strict")
    if answer.status == 201:
        path = talk.path(kind.resource.plural, body["metadata"]["name"], **where)
        await talk.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
        if answer.body["metadata"].get("finalizers"):
            await talk.patch(path, {"metadata": {"finalizers": None}})
    return answer
