"""The hooks of a container's life: `postStart` and `preStop`.

Source: Kubernetes documentation, "Container Lifecycle Hooks".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tidegate.local.nodes.pods import http_get
from tidegate.local.nodes.pods.container_access import Access

AGENT = "kube-lifecycle/tidegate"


class HookFailed(Exception):
    """What a hook ended with; the message names no output, which may hold a secret."""


def hook_of(container: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    found = (container.get("lifecycle") or {}).get(name)
    return found if isinstance(found, Mapping) and found else None


async def run(hook: Mapping[str, Any], access: Access, slept_s: float = 0.0) -> None:
    """Returns when the hook has done its work; `HookFailed` when it could not.

    `slept_s` is what of a `sleep` has passed already. An HTTP answer of any status is good; a server
    without TLS that is asked with is asked again without, as a kubelet does.
    """
    try:
        if hook.get("exec"):
            code, _ = await access.run(list(hook["exec"].get("command") or []), None)
            if code != 0:
                raise HookFailed(f"exit code {code}")
        elif hook.get("httpGet"):
            wanted = hook["httpGet"]
            try:
                await http_get.get(wanted, access, AGENT)
            except http_get.NotTls:
                await http_get.get({**wanted, "scheme": "HTTP"}, access, AGENT)
        elif hook.get("sleep"):
            await asyncio.sleep(max(0.0, float(hook["sleep"].get("seconds") or 0) - slept_s))
        else:
            raise HookFailed("not a hook that can be run; use exec, httpGet or sleep")
    except (OSError, ValueError) as error:
        raise HookFailed(str(error)) from error
