"""What a request says beside its path: its body in any of the formats clients send, and its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from aiohttp import web

from tidegate.base.problems import Problem
from tidegate.kube.responses import bad_request, unsupported_media
from tidegate.local.apiserver.http import protobuf
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.paths import flag, number
from tidegate.local.apiserver.refusals import invalid_options, version_required
from tidegate.local.apiserver.validation.object_metadata import REQUIRED
from tidegate.local.apiserver.validation.rules import TOO_LONG, forbidden, one_of, wrong
from tidegate.local.apiserver.writing.review import Decoding, pruned
from tidegate.local.apiserver.writing.verbs import Deletion, FieldValidation, Options, PatchType
from tidegate.local.objects import Object

JSON_TYPES = ("", "application/json", "text/json")
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")
PATCH_TYPES: dict[str, PatchType] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
}
APPLY_TYPE = "application/apply-patch+yaml"
WRITER_BYTES = 128
_VALIDATIONS: dict[str, FieldValidation] = {
    "": "Warn",
    "Warn": "Warn",
    "Strict": "Strict",
    "Ignore": "Ignore",
}
Propagation = Literal["Background", "Foreground", "Orphan"]
_PROPAGATIONS: dict[str, Propagation] = {
    "Background": "Background",
    "Foreground": "Foreground",
    "Orphan": "Orphan",
}
# Kinds that know no unconditional update, as custom resources do not.
_CONDITIONAL = (
    "customresourcedefinitions.apiextensions.k8s.io",
    "leases.coordination.k8s.io",
    "poddisruptionbudgets.policy",
)
TOO_DEEP = "the body of the request nests too deep"


def read_object(raw: bytes, content_type: str, message: str) -> dict[str, Any]:
    """The object in a body. `message` is the protobuf message of the resource ("" = none known).

    400 when it cannot be decoded, 415 for a format we do not read.
    """
    if not raw.strip():
        raise bad_request("the body of the request is empty; send the object as JSON")
    media_type = _media_type(content_type)
    body: Any
    if media_type in JSON_TYPES:
        body = _json(raw)
    elif media_type in YAML_TYPES:
        body = _yaml(raw)
    elif media_type == protobuf.MEDIA_TYPE:
        body = protobuf.decode(raw, message)
    else:
        raise unsupported_media(
            f"the body of the request was in an unknown format - accepted media types include: "
            f"application/json, application/yaml, {protobuf.MEDIA_TYPE}"
        )
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise bad_request(f"the body of the request is a {type(body).__name__}, not an object")
    return body


def read_patch(raw: bytes, content_type: str, kind: Kind) -> tuple[PatchType | Literal["apply"], Any]:
    """The patch in a body and its type; 415 for types we do not apply, naming what we do."""
    media_type = _media_type(content_type)
    if media_type == APPLY_TYPE:
        return "apply", _yaml(raw)
    if media_type not in PATCH_TYPES or (media_type.startswith("application/strategic") and kind.is_custom):
        offered = [name for name, type in PATCH_TYPES.items() if not (kind.is_custom and type == "strategic")]
        offered.append(APPLY_TYPE)
        raise unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(offered)
        )
    patch_type = PATCH_TYPES[media_type]
    patch = _json(raw)
    wanted = list if patch_type == "json" else dict
    if not isinstance(patch, wanted):
        raise bad_request(f"a {media_type} body must be {'a list' if wanted is list else 'an object'}")
    return patch_type, patch


def check_envelope(kind: Kind, name: str, body: dict[str, Any]) -> None:
    """What clients must say of an object, and callers inside this process need not. `name`: "" for a new one.

    400 for a custom resource without its kind, 422 for a replacement that names no version where the kind
    wants one.
    """
    for field in ("kind", "apiVersion"):
        if kind.is_custom and not body.get(field):
            wanted = kind.resource.kind
            raise bad_request(
                f"the object provided is unrecognized (must be of type {wanted}): {field} is missing"
            )
    meta = body.get("metadata")
    if not name or not isinstance(meta, dict | None):
        return
    if not (meta or {}).get("name"):
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if (kind.is_custom or kind.key in _CONDITIONAL) and not (meta or {}).get("resourceVersion"):
        raise version_required(kind, name)


def write_options(
    query: Mapping[str, str], verb: str, user_agent: str = "", content_type: str = ""
) -> Options:
    """`dryRun`, `fieldValidation`, `fieldManager` (else who the client says it is) and `force`;
    422 for values that mean nothing.
    """
    options, validation = f"{verb.capitalize()}Options", query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        problems = list(one_of("fieldValidation", validation, ("", *_VALIDATIONS)))
        raise invalid_options(options, problems)
    is_apply = verb == "patch" and _media_type(content_type) == APPLY_TYPE
    writer = query.get("fieldManager", "")
    problems = list(_writer_problems(writer, is_apply))
    if verb == "patch" and "force" in query and not is_apply:
        problems.append(forbidden("force", "may not be specified for non-apply patch"))
    if problems:
        raise invalid_options(options, problems)
    return Options(
        is_dry_run=_is_dry([query.get("dryRun", "")], options),
        field_validation=_VALIDATIONS[validation],
        writer=writer or user_agent.partition("/")[0][:WRITER_BYTES] or "unknown",
        is_forced=is_apply and flag(query, "force"),
    )


def _writer_problems(writer: str, is_apply: bool) -> Iterator[Problem]:
    if not writer and is_apply:
        yield Problem("fieldManager", "Required value: is required for apply patch", REQUIRED)
    if len(writer.encode()) > WRITER_BYTES:
        why = f"Too long: may not be more than {WRITER_BYTES} bytes"
        yield Problem("fieldManager", why, TOO_LONG)
    if not writer.isprintable():
        yield wrong("fieldManager", writer, "should only contain printable characters")


async def read_request(request: web.Request, kind: Kind) -> tuple[Object, Options, list[str]]:
    """What is asked and not stored: the object with the fields its kind has, how it is asked, and what there
    is to say about other fields."""
    options = write_options(request.query, "create")
    content_type = request.headers.get("Content-Type", "")
    body = read_object(await request.read(), content_type, protobuf.message_of(kind))
    return body, options, pruned(kind, body, Decoding(options.field_validation))


def read_deletion(
    raw: bytes, content_type: str, query: Mapping[str, str], validation: FieldValidation = "Warn"
) -> tuple[Deletion, Options]:
    """DeleteOptions from the body, where there is one, else from the query."""
    body = read_object(raw, content_type, "DeleteOptions") if raw.strip() else {}
    return deletion_of(body, query)


def deletion_of(body: dict[str, Any], query: Mapping[str, str]) -> tuple[Deletion, Options]:
    """DeleteOptions as values; what they do not say may stand in the query."""
    if body.get("kind") not in (None, "", "DeleteOptions"):
        raise bad_request(f"the body of a deletion is a {body['kind']}, not DeleteOptions")
    grace = body.get("gracePeriodSeconds")
    if grace is None:
        grace = number(query, "gracePeriodSeconds")
    if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int)):
        raise bad_request(f"gracePeriodSeconds: {grace!r} is not a whole number of seconds")
    if grace is not None and grace < 0:
        grace = 1
    preconditions = body.get("preconditions") or {}
    deletion = Deletion(
        propagation=_propagation(body, query),
        grace_s=grace,
        uid=str(preconditions.get("uid") or ""),
        resource_version=str(preconditions.get("resourceVersion") or ""),
    )
    return deletion, Options(
        is_dry_run=_is_dry([query.get("dryRun", ""), *(body.get("dryRun") or ())], "DeleteOptions")
    )


def _propagation(body: dict[str, Any], query: Mapping[str, str]) -> Propagation:
    policy = body.get("propagationPolicy") or query.get("propagationPolicy") or ""
    orphans = body.get("orphanDependents")
    if orphans is None and "orphanDependents" in query:
        orphans = flag(query, "orphanDependents")
    if policy and orphans is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        raise invalid_options("DeleteOptions", [wrong("propagationPolicy", policy, why)])
    if not policy:
        return "Orphan" if orphans else "Background"
    if policy not in _PROPAGATIONS:
        raise invalid_options("DeleteOptions", list(one_of("propagationPolicy", policy, _PROPAGATIONS)))
    return _PROPAGATIONS[policy]


def _is_dry(values: list[str], options: str) -> bool:
    given = {value for value in values if value}
    if given - {"All"}:
        problems = [problem for value in sorted(given) for problem in one_of("dryRun", value, ("All",))]
        raise invalid_options(options, problems)
    return bool(given)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f"the body of the request is not JSON: {error}") from error
    except RecursionError as error:
        raise bad_request(TOO_DEEP) from error


def _yaml(raw: bytes) -> Any:
    from tidegate.api.yamltext import Unreadable, documents

    try:
        found = [value for _, value in documents(raw.decode())]
    except (Unreadable, UnicodeDecodeError) as error:
        raise bad_request(f"the body of the request is not YAML: {error}") from error
    if len(found) > 1:
        raise bad_request(f"the body of the request holds {len(found)} YAML documents; send one at a time")
    return found[0] if found else None
