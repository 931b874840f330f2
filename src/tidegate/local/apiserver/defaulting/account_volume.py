"""The volume by which a Pod's containers have the token of their ServiceAccount, as Kubernetes adds it. Pure.

Source: Kubernetes documentation, "Managing Service Accounts: ServiceAccount admission controller".
"""

from __future__ import annotations

from typing import Any

from tidegate.local.api_access import ACCOUNT_FOLDER
from tidegate.local.objects import AUTHORITY, Object

PREFIX = "kube-api-access-"
# Kubelets ask for a little more than an hour: it tells these tokens from those that somebody asked for.
LIFE_S = 3607
_MODE = 0o644


def mount_account(spec: dict[str, Any], account: Object, name: str) -> None:
    """Mounts the token into every container that has nothing there, in place; `name` is for a new volume.

    The Pod's own `automountServiceAccountToken` comes first, then the account's.
    """
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None:
        wanted = account.get("automountServiceAccountToken")
    if wanted is False:
        return
    volumes = spec.get("volumes") or []
    known = next((one["name"] for one in volumes if str(one.get("name", "")).startswith(PREFIX)), None)
    mount = {"name": known or name, "readOnly": True, "mountPath": ACCOUNT_FOLDER}
    is_needed = False
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        mounts = container.get("volumeMounts") or []
        if all(one.get("mountPath") != ACCOUNT_FOLDER for one in mounts):
            container["volumeMounts"] = [*mounts, dict(mount)]
            is_needed = True
    if is_needed and known is None:
        spec["volumes"] = [*volumes, {"name": name, "projected": _projected()}]


def _projected() -> dict[str, Any]:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": LIFE_S, "path": "token"}},
            {"configMap": {"name": AUTHORITY, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
        ],
        "defaultMode": _MODE,
    }
