"""Protobuf bodies: decoded to what the same client would have sent as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.http import protobuf
from tidegate.local.apiserver.kinds import BUILT_IN


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def message(*fields: tuple[int, bytes | str | int]) -> bytes:
    return b"".join(field(number, value) for number, value in fields)


def enveloped(api_version: str, kind: str, body: bytes) -> bytes:
    return protobuf.MAGIC + message((1, message((1, api_version), (2, kind))), (2, body), (3, ""), (4, ""))


def decoded(name: str, body: bytes) -> dict[str, Any]:
    return protobuf.decode(enveloped("v1", "X", body), name)


META = message((1, "web"), (2, ""), (3, "ns"), (7, 0), (8, b""), (11, message((1, "app"), (2, "web"))))


def test_a_config_map() -> None:
    entry = message((1, "a.txt"), (2, "text"))
    binary = message((1, "b"), (2, b"\x00\xff"))
    raw = enveloped("v1", "ConfigMap", message((1, META), (2, entry), (3, binary), (4, 0)))
    assert protobuf.decode(raw, "core/v1.ConfigMap") == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "ns", "labels": {"app": "web"}},
        "data": {"a.txt": "text"},
        "binaryData": {"b": "AP8="},
        "immutable": False,
    }


def test_replicas_of_zero_survive_and_zeros_that_json_leaves_out_do_not() -> None:
    port = message((1, ""), (2, 0), (3, 80), (4, "TCP"))
    container = message((1, "c"), (2, "img"), (6, port), (8, b""), (16, 0))
    template = message((1, b""), (2, message((2, container), (11, 0))))
    body = decoded("apps/v1.Deployment", message((2, message((1, 0), (3, template), (4, b"")))))
    assert body["spec"] == {
        "replicas": 0,
        "template": {
            "metadata": {},
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "image": "img",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {},
                    }
                ]
            },
        },
        "strategy": {},
    }


def test_special_types_and_inlined_messages_read_as_in_json() -> None:
    probe = message((1, message((2, message((1, "/up"), (2, message((1, 1), (2, 0), (3, "web"))))))), (2, 5))
    limits = message((1, "cpu"), (2, message((1, "500m"))))
    secret_ref = message((4, message((1, message((1, "creds"))), (2, "key"), (3, 1))))
    env = message((1, "KEY"), (2, ""), (3, secret_ref))
    container = message((1, "c"), (7, env), (8, message((1, limits))), (10, probe))
    volume = message((1, "v"), (2, message((19, message((1, message((1, "cm"))), (3, 420))))))
    pod = decoded("core/v1.Pod", message((2, message((1, volume), (2, container), (4, 30), (5, -1)))))
    assert pod["spec"] == {
        "volumes": [{"name": "v", "configMap": {"name": "cm", "defaultMode": 420}}],
        "containers": [
            {
                "name": "c",
                "env": [
                    {
                        "name": "KEY",
                        "valueFrom": {"secretKeyRef": {"name": "creds", "key": "key", "optional": True}},
                    }
                ],
                "resources": {"limits": {"cpu": "500m"}},
                "livenessProbe": {"httpGet": {"path": "/up", "port": "web"}, "initialDelaySeconds": 5},
            }
        ],
        "terminationGracePeriodSeconds": 30,
        "activeDeadlineSeconds": -1,
    }


def test_moments_keep_their_precision() -> None:
    lease = message((2, message((1, "me"), (3, message((1, 1_700_000_000), (2, 123_456_000))))))
    body = decoded("coordination/v1.Lease", message((1, message((8, message((1, 1_700_000_000)))))) + lease)
    assert body["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert body["spec"] == {"holderIdentity": "me", "acquireTime": "2023-11-14T22:13:20.123456Z"}


def test_unknown_fields_are_skipped() -> None:
    raw = (
        message((1, META), (99, "x"), (98, 7))
        + varint(97 << 3 | 5)
        + b"1234"
        + varint(96 << 3 | 1)
        + b"12345678"
    )
    assert decoded("core/v1.Secret", raw)["metadata"]["name"] == "web"


def test_delete_options() -> None:
    raw = enveloped("v1", "DeleteOptions", message((1, 0), (2, message((1, "u"))), (4, "Orphan"), (5, "All")))
    assert protobuf.decode(raw, "DeleteOptions") == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u"},
        "propagationPolicy": "Orphan",
        "dryRun": ["All"],
    }


def test_every_built_in_kind_of_kubernetes_own_api_has_its_message() -> None:
    without = [kind.resource.kind for kind in BUILT_IN if not protobuf.message_of(kind)]
    assert without == ["APIService", "CustomResourceDefinition"]


def test_a_kind_without_a_message_is_told_to_send_json() -> None:
    with pytest.raises(ApiError, match="application/json") as refused:
        protobuf.decode(enveloped("x/v1", "X", b""), "")
    assert refused.value.code == 415


@given(st.binary(max_size=200))
def test_bytes_that_are_no_object_are_a_bad_request(raw: bytes) -> None:
    for body in (raw, enveloped("v1", "Pod", raw)):
        try:
            protobuf.decode(body, "core/v1.Pod")
        except ApiError as refused:
            assert refused.code == 400  # noqa: PT017 - most bytes are refused, some are an object
