"""The token of its ServiceAccount in every container of a Pod, unless somebody does not want it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tidegate.kube.resource import PODS, SERVICE_ACCOUNTS
from tidegate.local.apiserver.defaulting.account_volume import mount_account

PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"
OWN = {"name": "own", "mountPath": PLACE}


@pytest.mark.parametrize(
    ("of_pod", "of_account", "is_mounted"),
    [
        (None, None, True),
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (False, True, False),
        (False, None, False),
    ],
)
def test_the_pod_says_first_and_then_the_account(
    of_pod: bool | None, of_account: bool | None, is_mounted: bool
) -> None:
    spec: dict[str, Any] = {"containers": [{"name": "c"}]}
    account: dict[str, Any] = {}
    for body, value in ((spec, of_pod), (account, of_account)):
        if value is not None:
            body["automountServiceAccountToken"] = value
    mount_account(spec, account, "kube-api-access-x")
    assert ("volumes" in spec) is ("volumeMounts" in spec["containers"][0]) is is_mounted


def test_every_container_has_it_but_one_with_a_mount_of_its_own_there() -> None:
    spec: dict[str, Any] = {
        "initContainers": [{"name": "i"}],
        "containers": [{"name": "a", "volumeMounts": [OWN]}, {"name": "b"}],
        "volumes": [{"name": "own", "emptyDir": {}}],
    }
    mount_account(spec, {}, "kube-api-access-x")
    mount = {"name": "kube-api-access-x", "readOnly": True, "mountPath": PLACE}
    assert [one["volumeMounts"] for one in (*spec["initContainers"], *spec["containers"])] == [
        [mount],
        [OWN],
        [mount],
    ]
    assert [volume["name"] for volume in spec["volumes"]] == ["own", "kube-api-access-x"]


def test_a_volume_that_no_container_needs_is_not_added() -> None:
    spec: dict[str, Any] = {"containers": [{"name": "a", "volumeMounts": [OWN]}], "volumes": []}
    mount_account(spec, {}, "kube-api-access-x")
    assert spec["volumes"] == []


def test_a_copied_pod_keeps_the_volume_it_came_with() -> None:
    spec: dict[str, Any] = {
        "containers": [{"name": "a"}],
        "volumes": [{"name": "kube-api-access-old", "emptyDir": {}}],
    }
    mount_account(spec, {}, "kube-api-access-x")
    assert [volume["name"] for volume in spec["volumes"]] == ["kube-api-access-old"]
    assert spec["containers"][0]["volumeMounts"][0]["name"] == "kube-api-access-old"


async def test_a_stored_pod_says_how_its_token_comes(api: Any) -> None:
    spec = (await api.create(PODS, api.pod("p")))["spec"]
    (volume,) = spec["volumes"]
    assert re.fullmatch("kube-api-access-[a-z0-9]{5}", volume["name"])
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
    }
    assert spec["containers"][0]["volumeMounts"] == [
        {"name": volume["name"], "readOnly": True, "mountPath": PLACE}
    ]


async def test_a_pod_without_its_account_is_refused(api: Any) -> None:
    error = await api.refusal(api.create(PODS, api.pod("p", serviceAccountName="none")))
    assert (error.code, error.reason, error.message) == (
        403,
        "Forbidden",
        'pods "p" is forbidden: error looking up service account default/none: serviceaccount "none" not '
        "found",
    )
    account = {"metadata": {"name": "none"}, "automountServiceAccountToken": False}
    await api.create(SERVICE_ACCOUNTS, account)
    spec = (await api.create(PODS, api.pod("p", serviceAccountName="none")))["spec"]
    assert "volumes" not in spec


@pytest.mark.parametrize(
    ("token", "path"),
    [
        ({"expirationSeconds": 599, "path": "t"}, "expirationSeconds"),
        ({"expirationSeconds": 2**32 + 1, "path": "t"}, "expirationSeconds"),
        ({"path": "../t"}, "path"),
        ({"path": "/t"}, "path"),
    ],
)
async def test_a_token_that_cannot_be_is_named(api: Any, token: dict[str, Any], path: str) -> None:
    volume = {"name": "v", "projected": {"sources": [{"serviceAccountToken": token}]}}
    error = await api.refusal(api.create(PODS, api.pod("p", volumes=[volume])))
    (cause,) = error.details["causes"]
    assert cause["field"] == f"spec.volumes[0].projected.sources[0].serviceAccountToken.{path}"
