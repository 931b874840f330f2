"""The served API, asked as any HTTP client would."""

from __future__ import annotations

import asyncio
import io
import stat
from typing import Any

import aiohttp
import msgspec
import pytest

from parts.served import Served
from tidegate.base.errors import Misconfigured
from tidegate.local.apiserver.http.server import Listen, Server
from tidegate.runtime.clock import SystemClock

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}


def config_map(name: str, labels: dict[str, str] | None = None, **values: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": values}


def definition(version_names: tuple[str, ...] = ("v1",)) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {"replicas": {"type": "integer"}, "word": {"type": "string"}},
            },
            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "tides.sea.example"},
        "spec": {
            "group": "sea.example",
            "scope": "Namespaced",
            "names": {"plural": "tides", "kind": "Tide", "shortNames": ["td"], "categories": ["all"]},
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": index == 0,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                        },
                    },
                    "additionalPrinterColumns": [
                        {"name": "Word", "type": "string", "jsonPath": ".spec.word"}
                    ],
                }
                for index, name in enumerate(version_names)
            ],
        },
    }


async def make_definition(served: Served) -> None:
    status, body, _ = await served.call(
        "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition()
    )
    assert status == 201, body


# -- who is let in -------------------------------------------------------------------------------


async def test_without_a_token_only_health_and_the_version_are_told(served: Served) -> None:
    for path in ("/api", MAPS, "/openapi/v2", "/explain/scaledobjects/a/b", "/nonsense"):
        async with served.session.get(served.server.url + path) as response:
            body = await response.json()
            assert (response.status, body["reason"]) == (403, "Forbidden")
            assert 'User "system:anonymous" cannot' in body["message"]
    for path in ("/healthz", "/livez", "/readyz"):
        async with served.session.get(served.server.url + path) as response:
            assert (response.status, await response.text()) == (200, "ok")
    async with served.session.get(served.server.url + "/version") as response:
        assert response.status == 200


@pytest.mark.parametrize("name", ["kubernetes.default.svc", "kubernetes", "localhost"])
async def test_the_server_is_who_pods_call(served: Served, name: str) -> None:
    status, _, _ = await served.call("GET", "/version", server_hostname=name, headers={"Host": name})
    assert status == 200


@pytest.mark.parametrize("token", ["wrong", "a.b.c", "e30.e30.e30", "sécret", "."])
async def test_a_token_that_is_none_is_told_nothing_not_even_health(served: Served, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("/healthz", MAPS):
        status, body, _ = await served.call("GET", path, headers=headers)
        assert (status, body["reason"], body["message"]) == (401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}],
    ids=["another site's page", "a rebound name", "a sandboxed page"],
)
async def test_what_a_browser_sends_is_refused_even_with_the_token(
    served: Served, headers: dict[str, str]
) -> None:
    status, body, _ = await served.call("GET", MAPS, headers=headers)
    assert (status, body["reason"]) == (403, "Forbidden")


async def test_the_directory_and_the_kubeconfig_are_private(served: Served) -> None:
    assert stat.S_IMODE(served.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(served.server.kubeconfig.stat().st_mode) == 0o600


async def test_a_port_in_use_is_a_clear_error(served: Served) -> None:
    port = int(served.server.url.rpartition(":")[2])
    second = Server(served.plane, served.pods, served.directory, SystemClock(), Listen(port))
    with pytest.raises(Misconfigured, match=f"127.0.0.1:{port}.*--port"):
        await second.start()
    await second.stop()


# -- discovery -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_aggregated_discovery_in_both_versions(served: Served, version: str) -> None:
    accept = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList,application/json"
    _, core, response = await served.call("GET", "/api", headers={"Accept": accept})
    assert core["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert f"v={version}" in response.headers["Content-Type"]
    resources = {item["resource"]: item for item in core["items"][0]["versions"][0]["resources"]}
    assert resources["pods"]["shortNames"] == ["po"]
    assert {sub["subresource"] for sub in resources["pods"]["subresources"]} >= {"log", "exec", "status"}
    _, rest, _ = await served.call("GET", "/apis", headers={"Accept": accept})
    assert "apps" in {item["metadata"]["name"] for item in rest["items"]}


async def test_the_old_discovery_tells_the_same_resources(served: Served) -> None:
    _, versions, _ = await served.call("GET", "/api")
    assert versions["versions"] == ["v1"]
    _, groups, _ = await served.call("GET", "/apis")
    found = {
        (group["name"], version["version"]) for group in groups["groups"] for version in group["versions"]
    }
    kinds = served.plane.kinds.all()
    assert found == {(kind.resource.group, kind.resource.version) for kind in kinds if kind.resource.group}
    names = set()
    for group, version in [*found, ("", "v1")]:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        _, listed, _ = await served.call("GET", path)
        names |= {(group, item["name"]) for item in listed["resources"] if "/" not in item["name"]}
    assert names == {(kind.resource.group, kind.resource.plural) for kind in kinds}


async def test_a_known_answer_is_not_sent_again(served: Served) -> None:
    _, _, response = await served.call("GET", "/apis")
    status, body, _ = await served.call("GET", "/apis", headers={"If-None-Match": response.headers["ETag"]})
    assert (status, body) == (304, b"")


async def test_a_definition_brings_its_group_and_takes_it_away(served: Served) -> None:
    index_before = (await served.call("GET", "/openapi/v3"))[1]["paths"]
    assert (await served.call("GET", "/apis/sea.example/v1"))[0] == 404
    await make_definition(served)
    _, listed, _ = await served.call("GET", "/apis/sea.example/v1")
    assert {item["name"] for item in listed["resources"]} == {"tides", "tides/status", "tides/scale"}
    index = (await served.call("GET", "/openapi/v3"))[1]["paths"]
    assert set(index) - set(index_before) == {"apis/sea.example/v1"}
    _, document, _ = await served.call("GET", index["apis/sea.example/v1"]["serverRelativeURL"])
    schema = document["components"]["schemas"]["example.sea.v1.Tide"]
    assert set(schema["properties"]["spec"]["properties"]) == {"replicas", "word"}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tides.sea.example"
    assert (await served.call("DELETE", path))[0] == 200
    for _ in range(100):
        if (await served.call("GET", "/apis/sea.example/v1"))[0] == 404:
            break
        await asyncio.sleep(0.02)
    assert (await served.call("GET", "/apis/sea.example"))[0] == 404


async def test_openapi_says_that_patches_validate_fields_and_leaves_merging_to_kubectl(
    served: Served,
) -> None:
    _, index, _ = await served.call("GET", "/openapi/v3")
    for entry in index["paths"].values():
        _, document, _ = await served.call("GET", entry["serverRelativeURL"])
        patches = [path["patch"] for path in document["paths"].values() if "patch" in path]
        assert patches or all(set(path) <= {"post", "parameters"} for path in document["paths"].values())
        for patch in patches:
            assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
            assert "requestBody" not in patch


async def test_every_reference_in_a_document_leads_somewhere(served: Served) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    for path in (await served.call("GET", "/openapi/v3"))[1]["paths"]:
        _, document, _ = await served.call("GET", f"/openapi/v3/{path}")
        known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert references(document) <= known


async def test_openapi_v2_is_an_empty_document(served: Served) -> None:
    status, body, response = await served.call("GET", "/openapi/v2")
    assert (status, body) == (200, b"")
    expected = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    assert response.headers["Content-Type"] == expected


# -- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/nonsense", 404, "NotFound"),
        ("GET", "/apis/nosuch.example/v1/things", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/nodes", 404, "NotFound"),
        ("GET", "/api/v1/pods/alone", 404, "NotFound"),
        ("GET", f"{MAPS}/missing", 404, "NotFound"),
        ("GET", f"{MAPS}/missing/scale", 404, "NotFound"),
        ("PATCH", "/api/v1/namespaces/default/pods/p/ephemeralcontainers", 404, "NotFound"),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/a/token", 404, "NotFound"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 422, "Invalid"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, "MethodNotAllowed"),
        ("POST", "/apis/authorization.k8s.io/v1/localsubjectaccessreviews", 405, "MethodNotAllowed"),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", 400, "BadRequest"),
        ("POST", "/api/v1/configmaps", 405, "MethodNotAllowed"),
        ("PUT", MAPS, 405, "MethodNotAllowed"),
        ("POST", "/version", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
        ("GET", f"{MAPS}?limit=ten", 400, "BadRequest"),
        ("GET", f"{MAPS}?labelSelector=a%3D%3D%3Db", 400, "BadRequest"),
        ("GET", f"{MAPS}?continue=nonsense", 400, "BadRequest"),
        ("GET", "/api/v1/namespaces/default/pods/p/portforward", 404, "NotFound"),
        ("POST", "/api/v1/namespaces/default/pods/p/attach", 404, "NotFound"),
    ],
)
async def test_a_refusal_is_a_status(served: Served, method: str, path: str, code: int, reason: str) -> None:
    status, body, _ = await served.call(method, path, {} if method in ("POST", "PUT") else None)
    assert (status, body["code"], body["reason"], body["kind"]) == (code, code, reason, "Status")
    assert body["message"]
    assert isinstance(body["details"], dict), "clients read them without looking whether they are there"


@pytest.mark.parametrize(
    ("content_type", "raw", "code"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"", 400),
        ("application/yaml", b"a: [", 400),
        ("application/yaml", b"a: !!bool x", 400),
        ("application/yaml", b"a: !!binary eA==", 400),
        ("application/yaml", b"a: b\n---\na: c", 400),
        ("application/yaml", b"a: " + b"[" * 5000, 400),
        ("application/json", b'{"data":' + b"[" * 50_000, 400),
        ("application/json", b'{"data":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400),
        ("application/vnd.kubernetes.protobuf", b"k8s\x00\xff\xff", 400),
        ("application/cbor", b"\xa0", 415),
        ("application/x-www-form-urlencoded", b"a=b", 415),
        ("application/json", b'{"data":{"x":"' + b"x" * (4 * 1024 * 1024) + b'"}}', 413),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_body_that_cannot_be_read(served: Served, content_type: str, raw: bytes, code: int) -> None:
    headers = {"Content-Type": content_type}
    status, body, _ = await served.call("POST", MAPS, data=io.BytesIO(raw), headers=headers)
    assert (status, body["code"]) == (code, code)


@pytest.mark.parametrize("content_type", ["application/json", "application/yaml", None])
async def test_bodies_in_every_format_clients_send(served: Served, content_type: str | None) -> None:
    raw = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"b"}}'
    headers = {"Content-Type": content_type} if content_type else {}
    skip = ["Content-Type"] if content_type is None else None
    status, body, _ = await served.call("POST", MAPS, data=raw, headers=headers, skip_auto_headers=skip)
    assert (status, body["data"]) == (201, {"a": "b"})


async def test_patches_of_custom_resources_are_not_strategic(served: Served) -> None:
    await make_definition(served)
    tide = {"apiVersion": "sea.example/v1", "kind": "Tide", "metadata": {"name": "t"}, "spec": {"word": "a"}}
    path = "/apis/sea.example/v1/namespaces/default/tides"
    assert (await served.call("POST", path, tide))[0] == 201
    for content_type, code in [
        ("application/strategic-merge-patch+json", 415),
        ("application/json", 415),
        ("application/merge-patch+json", 200),
    ]:
        patch = {"spec": {"word": "b"}}
        status, body, _ = await served.call(
            "PATCH", f"{path}/t", patch, headers={"Content-Type": content_type}
        )
        assert status == code, body


async def test_unknown_fields_warn_or_refuse_as_asked(served: Served) -> None:
    body = config_map("x") | {"colour": "red"}
    status, _, response = await served.call("POST", f"{MAPS}?fieldValidation=Warn", body)
    assert (status, response.headers.getall("Warning")) == (201, ['299 - "unknown field \\"colour\\""'])
    body = config_map("y") | {"colour": "red"}
    status, answer, _ = await served.call("POST", f"{MAPS}?fieldValidation=Strict", body)
    assert (status, 'unknown field "colour"' in answer["message"]) == (400, True)
    status, _, response = await served.call("POST", f"{MAPS}?fieldValidation=Ignore", body)
    assert (status, "Warning" in response.headers) == (201, False)


# -- lists and their shapes ----------------------------------------------------------------------


async def test_a_scale_is_read_and_written_through_its_own_path(served: Served) -> None:
    await make_definition(served)
    path = "/apis/sea.example/v1/namespaces/default/tides"
    tide = {
        "apiVersion": "sea.example/v1",
        "kind": "Tide",
        "metadata": {"name": "t"},
        "spec": {"replicas": 2},
    }
    await served.call("POST", path, tide)
    _, scale, _ = await served.call("GET", f"{path}/t/scale")
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 2})
    scale["spec"]["replicas"] = 5
    assert (await served.call("PUT", f"{path}/t/scale", scale))[0] == 200
    assert (await served.call("PUT", f"{path}/t/scale", scale))[0] == 409
    status, body, _ = await served.call("PATCH", f"{path}/t/scale", {"spec": {"replicas": 0}}, headers=MERGE)
    assert (status, body["spec"]) == (200, {})
    _, tide, _ = await served.call("GET", f"{path}/t")
    assert tide["spec"]["replicas"] == 0


# -- the rest ------------------------------------------------------------------------------------


async def test_requests_are_counted_by_verb_and_resource(served: Served) -> None:
    await served.call("POST", MAPS, config_map("x"))
    await served.call("GET", MAPS)
    await served.call("GET", f"{MAPS}/x")
    await served.call("PATCH", f"{MAPS}/x", {"data": {"a": "b"}}, headers=MERGE)
    await served.call("GET", "/apis")
    assert served.server.requests == {
        ("create", "configmaps"): 1,
        ("list", "configmaps"): 1,
        ("get", "configmaps"): 1,
        ("patch", "configmaps"): 1,
        ("get", "/apis"): 1,
    }


async def test_external_metrics_are_asked_of_whoever_knows_them(served: Served) -> None:
    asked = []

    async def external_metric(namespace: str, name: str, selector: str) -> dict[str, Any]:
        asked.append((namespace, name, selector))
        return {"kind": "ExternalMetricValueList", "items": [{"metricName": name, "value": "7"}]}

    server = Server(
        served.plane, served.pods, served.directory, SystemClock(), external_metric=external_metric
    )
    await server.start()
    try:
        first, served.server = served.server, server
        base = "/apis/external.metrics.k8s.io/v1beta1"
        _, body, _ = await served.call("GET", f"{base}/namespaces/ns/s0-redis-jobs?labelSelector=a%3Db")
        assert body["items"] == [{"metricName": "s0-redis-jobs", "value": "7"}]
        assert asked == [("ns", "s0-redis-jobs", "a=b")]
        _, listed, _ = await served.call("GET", base)
        assert [item["name"] for item in listed["resources"]] == ["externalmetrics"]
        assert (await served.call("GET", f"{base}/pods"))[0] == 404
        served.server = first
        assert (await served.call("GET", base))[0] == 404
    finally:
        await server.stop()


async def test_stopping_ends_what_is_being_streamed(served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.token}"}
    async with served.session.get(served.server.url + MAPS + "?watch=1", headers=headers) as response:
        assert response.status == 200
        await asyncio.wait_for(served.server.stop(), 5)
        assert await response.content.read() == b""
    with pytest.raises(aiohttp.ClientConnectionError):
        await served.call("GET", "/version")


async def test_bodies_of_lists_are_valid_json_even_when_empty(served: Served) -> None:
    _, raw, response = await served.call("GET", "/api/v1/namespaces/nowhere/secrets")
    assert (response.status, raw["items"], raw["kind"]) == (200, [], "SecretList")
    assert msgspec.json.encode(raw)
