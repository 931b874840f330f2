"""Answers as clients of the Kubernetes API expect them: Status bodies, JSON, warnings, content types."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from tidegate.kube.resource import ApiError

JSON_TYPE = "application/json"
STREAM = web.RequestKey("stream", web.StreamResponse)
# Some clients (aiohttp among them) refuse a header line of 8190 bytes; a character may take four.
_WARNING_MAX = 1000
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an Accept header asks for. `shape` is "", "Table", "PartialObjectMetadata[List]" …"""

    shape: str = ""
    group: str = ""
    version: str = ""
    media_type: str = JSON_TYPE


def accepted(header: str, shapes: Iterable[tuple[str, str, str]] = ()) -> Accepted:
    """The first entry of an Accept header that we can serve; plain JSON if there is none.

    `shapes` are the (as, group, version) we offer beside plain JSON.
    """
    offered = set(shapes)
    for entry in header.split(","):
        media_type, *parameters = [part.strip() for part in entry.split(";")]
        values = dict(part.split("=", 1) for part in parameters if "=" in part)
        shape = values.get("as", "")
        if media_type not in (JSON_TYPE, "application/*", "*/*"):
            continue
        if not shape:
            return Accepted()
        group, version = values.get("g", ""), values.get("v", "")
        if (shape, group, version) in offered:
            return Accepted(shape, group, version, f"{JSON_TYPE};g={group};v={version};as={shape}")
    return Accepted()


def status_body(error: ApiError) -> dict[str, Any]:
    """The Status object of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        "code": error.code,
        # Also when there is nothing to say: kubectl debug, for one, reads them without looking.
        "details": error.details,
    }


def encode(body: Any) -> bytes:
    """JSON bytes of a plain value."""
    return _encoder.encode(body)


def json_answer(
    body: Any, *, status: int = 200, warnings: Iterable[str] = (), media_type: str = JSON_TYPE
) -> web.Response:
    """An answer of JSON; `body` may already be encoded. Each warning becomes a header kubectl prints."""
    response = web.Response(
        body=body if isinstance(body, bytes) else encode(body),
        status=status,
        headers={"Content-Type": media_type, "Cache-Control": "no-cache, private"},
    )
    for warning in dict.fromkeys(warnings):
        response.headers.add("Warning", f"299 - {_quoted(warning)}")
    return response


def tag_of(raw: bytes) -> str:
    """What stands for a document: another one has another."""
    return hashlib.sha256(raw).hexdigest()[:32].upper()


def kept_answer(request: web.Request, body: Any, media_type: str = JSON_TYPE) -> web.Response:
    """An answer of JSON that a client may keep: 304 when it already has this one."""
    raw = body if isinstance(body, bytes) else encode(body)
    tag = f'"{tag_of(raw)}"'
    if request.headers.get("If-None-Match", "") == tag:
        response = web.Response(status=304)
    else:
        response = json_answer(raw, media_type=media_type)
    response.headers["ETag"] = tag
    response.headers["Vary"] = "Accept"
    return response


def failure_answer(error: ApiError, warnings: Iterable[str] = ()) -> web.Response:
    """The answer that carries an error's Status; 401 and 429/503 get the headers HTTP wants."""
    response = json_answer(status_body(error), status=error.code, warnings=warnings)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tidegate"'
    if retry_after := error.details.get("retryAfterSeconds"):
        response.headers["Retry-After"] = str(retry_after)
    return response


async def open_stream(request: web.Request, media_type: str) -> web.StreamResponse:
    """An answer that is written piece by piece. From here on an error can only cut it off."""
    response = web.StreamResponse(headers={"Content-Type": media_type, "Cache-Control": "no-cache, private"})
    await response.prepare(request)
    request[STREAM] = response
    return response


def cut_off(request: web.Request) -> web.StreamResponse | None:
    """The streamed answer of a request that broke in its middle, its connection dropped; None if unopened."""
    stream = request.get(STREAM)
    if stream is not None and request.transport is not None:
        request.transport.abort()
    return stream


def success_body(details: Mapping[str, Any]) -> dict[str, Any]:
    """The Success Status that answers a completed deletion."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": dict(details),
    }


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def not_allowed(message: str) -> ApiError:
    return ApiError(405, "MethodNotAllowed", message)


def unsupported_media(message: str) -> ApiError:
    return ApiError(415, "UnsupportedMediaType", message)


def not_offered(message: str) -> ApiError:
    """501 for a part of the API that this server does not have; clients show the message."""
    return ApiError(501, "NotImplemented", message)


def _quoted(text: str) -> str:
    """A quoted-string of HTTP: one line, printable, and no longer than clients read in a header."""
    line = " ".join(text.split())
    if len(line) > _WARNING_MAX:
        line = line[: _WARNING_MAX - 1] + "…"
    printable = "".join(character if character.isprintable() else "?" for character in line)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
