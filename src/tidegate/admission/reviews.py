"""AdmissionReview v1 on the wire: what the API server asks, and what it is answered. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem

API_VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"

# The API server cuts a warning at 256 characters of its own, and drops what is above 4 KiB in all.
_WARNINGS_MAX = 4000
_DENIAL_MAX = 8000

Object = dict[str, Any]


_NOTHING = msgspec.Raw(b"null")


class _Request(msgspec.Struct, rename="camel"):
    uid: str
    operation: str
    namespace: str | None = ""
    name: str | None = ""
    dry_run: bool | None = False
    object: msgspec.Raw = _NOTHING
    old_object: msgspec.Raw = _NOTHING


class _Review(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    request: _Request


_reviews = msgspec.json.Decoder(_Review)


@dataclass(frozen=True, slots=True)
class Question:
    """One write that is asked about. `old` is None for a creation, `new` for a deletion."""

    uid: str
    operation: str
    namespace: str
    name: str
    is_dry_run: bool
    new: Object | None
    old: Object | None

    @property
    def action(self) -> str:
        """KEDA's word for the operation, as its counters have it."""
        return self.operation.lower()


def read_review(body: bytes) -> Question:
    """The question in an AdmissionReview. Malformed names what is no such thing; the body is not repeated."""
    attempted = "read an AdmissionReview"
    try:
        review = _reviews.decode(body)
        request = review.request
        new, old = _object(request.object), _object(request.old_object)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(attempted, answer=_shape(error)) from error
    if (review.api_version, review.kind) != (API_VERSION, KIND):
        raise Malformed(attempted, answer=f"it is not one of {API_VERSION}")
    if not request.uid:
        raise Malformed(attempted, answer="its request has no uid")
    namespace, name = request.namespace or "", request.name or ""
    if new is not None:
        new = _placed(new, namespace, name)
    return Question(request.uid, request.operation, namespace, name, bool(request.dry_run), new, old)


def allowed(uid: str, warnings: Sequence[str] = ()) -> bytes:
    """The write may go on; kubectl shows the warnings."""
    response: Object = {"uid": uid, "allowed": True}
    if warnings:
        response["warnings"] = _bounded(warnings)
    return _answer(response)


def denied(uid: str, problems: Sequence[Problem]) -> bytes:
    """The write is refused for all of these; the API server puts the webhook's name before them."""
    listed = [str(one) for one in problems]
    message = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    if len(message) > _DENIAL_MAX:
        message = f"{message[: _DENIAL_MAX - 1]}…"
    causes = [{"reason": one.reason, "message": one.message, "field": one.path} for one in problems[:50]]
    status = {
        "status": "Failure",
        "code": 403,
        "reason": "Forbidden",
        "message": message,
        "details": {"causes": causes},
    }
    return _answer({"uid": uid, "allowed": False, "status": status})


def _answer(response: Object) -> bytes:
    return msgspec.json.encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _bounded(warnings: Iterable[str]) -> list[str]:
    """As many as travel; the last says how many do not."""
    listed = list(warnings)
    kept: list[str] = []
    room = _WARNINGS_MAX
    for index, one in enumerate(listed):
        room -= len(one.encode())
        if room < 0:
            return [*kept, f"and {len(listed) - index} more: `tidegate validate` shows all"]
        kept.append(one)
    return kept


def _object(raw: msgspec.Raw) -> Object | None:
    found = msgspec.json.decode(raw)
    if found is not None and not isinstance(found, dict):
        raise msgspec.ValidationError("its object is none")
    return found


def _placed(new: Object, namespace: str, name: str) -> Object:
    """The object under the name and in the namespace of the request: both may be missing in itself."""
    metadata = new.get("metadata")
    if not isinstance(metadata, dict):
        return new
    place = {key: text for key, text in (("namespace", namespace), ("name", name)) if text}
    return {**new, "metadata": {**place, **{key: one for key, one in metadata.items() if one != ""}}}


def _shape(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it nests too deep"
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "it is not JSON"
