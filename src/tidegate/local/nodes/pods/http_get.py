"""The `httpGet` of probes and hooks: one GET to a container, whose certificate nobody checks.

Source: Kubernetes documentation, "Configure Liveness, Readiness and Startup Probes", HTTP probes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from tidegate.local.nodes.pods.container_access import Access

REDIRECTS = 10
HEADER_LINES = 256
REDIRECTING = (301, 302, 303, 307, 308)
_DROPPED_WHEN_EMPTY = ("user-agent", "accept")


class NotTls(OSError):
    """Asked in TLS, and the server speaks without."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`elsewhere` is the host of a redirect that leads away, which is not followed."""

    code: int
    elsewhere: str = ""


def url(wanted: Mapping[str, Any], access: Access) -> str:
    """ValueError when the port has no such name."""
    scheme = str(wanted.get("scheme") or "HTTP").lower()
    host, port = str(wanted.get("host") or access.address), access.port(wanted.get("port"))
    path = str(wanted.get("path") or "/")
    return f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"


async def get(wanted: Mapping[str, Any], access: Access, agent: str, where: str = "") -> Answer:
    """The answer's status; redirects are followed as long as they stay at the host. Raises OSError."""
    place = where or url(wanted, access)
    host = urlsplit(place).hostname
    for _ in range(REDIRECTS):
        code, location = await _once(place, _headers(wanted, place, agent), access)
        if code not in REDIRECTING or not location:
            return Answer(code)
        place = urljoin(place, location)
        if urlsplit(place).hostname != host:
            return Answer(code, str(urlsplit(place).hostname))
    raise OSError(f'Get "{place}": stopped after {REDIRECTS} redirects')


def _headers(wanted: Mapping[str, Any], place: str, agent: str) -> list[tuple[str, str]]:
    """The defaults, and what the manifest sets, which takes their place; an empty one takes it away."""
    given = [(str(one["name"]), str(one.get("value", ""))) for one in wanted.get("httpHeaders") or []]
    names = {name.lower() for name, _ in given}
    defaults = [("Host", urlsplit(place).netloc), ("User-Agent", agent), ("Accept", "*/*")]
    headers = [(name, value) for name, value in defaults if name.lower() not in names]
    headers += [(name, value) for name, value in given if value or name.lower() not in _DROPPED_WHEN_EMPTY]
    return [*headers, ("Connection", "close")]


async def _once(place: str, headers: list[tuple[str, str]], access: Access) -> tuple[int, str]:
    parts = urlsplit(place)
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    try:
        reader, writer = await access.dial(parts.hostname or "", port, _unverified() if is_tls else None)
    except ssl.SSLError as error:
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            raise NotTls(f'Get "{place}": http: server gave HTTP response to HTTPS client') from error
        raise OSError(f'Get "{place}": tls: {error.reason}') from error
    except TimeoutError:
        raise
    except OSError as error:
        told = f"dial tcp {parts.hostname}:{port}: connect: {reason(error)}"
        raise OSError(f'Get "{place}": {told}') from error
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    try:
        writer.write("\r\n".join(lines).encode("utf-8", "replace"))
        await writer.drain()
        return await _head(reader)
    except (asyncio.LimitOverrunError, ValueError) as error:
        raise OSError(f'Get "{place}": malformed HTTP response') from error
    except TimeoutError:
        raise
    except OSError as error:
        raise OSError(f'Get "{place}": {reason(error)}') from error
    finally:
        writer.close()


async def _head(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status code and Location of a response; ValueError when it is none."""
    words = (await reader.readline()).split(None, 2)
    if not words:
        raise OSError("EOF")
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("no status line")
    location = ""
    for _ in range(HEADER_LINES):
        name, _, value = (await reader.readline()).decode("latin-1").partition(":")
        if not name.strip():
            break
        if name.lower() == "location":
            location = value.strip()
    return int(words[1]), location


def reason(error: OSError) -> str:
    """What the system says, in the words that Go has for it."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError):
        return "connection reset by peer"
    return (error.strerror or str(error) or type(error).__name__).lower()


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
