"""Who we are, at the moment of a request: tokens that rotate, plugins that print them."""

from __future__ import annotations

import asyncio
import base64
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tidegate.base.errors import Denied, Misconfigured
from tidegate.kube.config import Config, ExecPlugin
from tidegate.runtime.clock import Clock

# The kubelet renews a token when 80 % of its life, an hour at least, has passed.
_TOKEN_FILE_S = 60.0
_PLUGIN_S = 60.0
_PLUGIN_BYTES = 1 << 20
_EXPIRY_MARGIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a request carries, and the client certificate of its connection (PEM, or empty)."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


class Credentials:
    """The identity of now. `renew` forgets what was learned, after the server has refused it."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._known: Identity | None = None
        self._until_s = float("inf")
        self._expires: datetime | None = None
        self._lock = asyncio.Lock()

    async def identity(self) -> Identity:
        """Denied or Misconfigured where there is none to be had."""
        async with self._lock:
            if self._known is None or self._is_over():
                self._known = await self._learn()
            return self._known

    def renew(self) -> bool:
        """Whether asking again may bring another identity."""
        may_change = self._config.exec is not None or bool(self._config.token_file)
        if may_change:
            self._known = None
        return may_change

    def _is_over(self) -> bool:
        if self._expires is not None and self._clock.now() >= self._expires - _EXPIRY_MARGIN:
            return True
        return self._clock.monotonic() >= self._until_s

    async def _learn(self) -> Identity:
        config = self._config
        self._expires = None
        self._until_s = float("inf")
        if config.exec is not None and not config.token and not config.token_file:
            return await self._ask_plugin(config.exec)
        headers = {}
        if config.token_file:
            self._until_s = self._clock.monotonic() + _TOKEN_FILE_S
            headers["Authorization"] = f"Bearer {_read_token(config.token_file)}"
        elif config.token:
            headers["Authorization"] = f"Bearer {config.token}"
        elif config.username:
            pair = base64.b64encode(f"{config.username}:{config.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return Identity(headers, config.certificate, config.key)

    async def _ask_plugin(self, plugin: ExecPlugin) -> Identity:
        status = await _run(plugin, _exec_request(plugin, self._config))
        token = status.get("token")
        certificate = str(status.get("clientCertificateData") or "").encode()
        if not token and not certificate:
            raise _plugin_error(plugin, "it printed neither a token nor a certificate")
        if status.get("expirationTimestamp"):
            try:
                self._expires = datetime.fromisoformat(str(status["expirationTimestamp"]))
            except ValueError as error:
                raise _plugin_error(plugin, "its expirationTimestamp is not a time") from error
        return Identity(
            {"Authorization": f"Bearer {token}"} if token else {},
            certificate or self._config.certificate,
            str(status.get("clientKeyData") or "").encode() or self._config.key,
        )


def _read_token(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        answer = error.strerror or type(error).__name__
        raise Denied("read the token", on=file, answer=answer, next_step="check the token's file") from error


def _exec_request(plugin: ExecPlugin, config: Config) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.wants_cluster:
        spec["cluster"] = {"server": config.server, "insecure-skip-tls-verify": config.is_insecure}
        if config.authority:
            spec["cluster"]["certificate-authority-data"] = base64.b64encode(config.authority).decode()
    body = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    return msgspec.json.encode(body).decode()


async def _run(plugin: ExecPlugin, exec_info: str) -> dict[str, Any]:
    """The `status` that the plugin printed."""
    environ = os.environ | dict(plugin.env) | {"KUBERNETES_EXEC_INFO": exec_info}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise Misconfigured(
            f"run the credential plugin {plugin.command}",
            answer=error.strerror or type(error).__name__,
            next_step=plugin.install_hint or "install it, or repair users[].user.exec of the kubeconfig",
        ) from error
    try:
        async with asyncio.timeout(_PLUGIN_S):
            printed, complaint = await process.communicate()
    except TimeoutError:
        raise _plugin_error(plugin, f"it did not end within {_PLUGIN_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2][:300]
        raise _plugin_error(plugin, f"exit code {process.returncode}: {last}")
    try:
        body = msgspec.json.decode(printed[:_PLUGIN_BYTES])
        status = body["status"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise _plugin_error(plugin, "it did not print an ExecCredential") from error
    return status if isinstance(status, dict) else {}


def _plugin_error(plugin: ExecPlugin, answer: str) -> Denied:
    attempted = f"get credentials from the plugin {plugin.command}"
    return Denied(attempted, answer=answer, next_step="run it by hand and log in again")
