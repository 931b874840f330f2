"""Objects that show parts of this program: what writes and deletions of clients make of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tidegate.kube.resource import CRDS, DEPLOYMENTS, NAMESPACES, SERVICES, ApiError
from tidegate.local.apiserver.writing.verbs import Deletion, Options, Written
from tidegate.local.objects import BUILT_IN, Object

CLIENT = Options(writer="kubectl")
CRD_NAME = "tides.example.com"


def deployment(image: str = "ours") -> Object:
    labels = {"app": "sea"}
    return {
        "metadata": {"name": "sea", "namespace": "own", "labels": {"app": "sea"}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    }


def definition(field: str = "ours") -> Object:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {field: {"type": "string"}}}},
        "x-kubernetes-validations": [{"rule": "has(self.spec)"}],
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "tides", "singular": "tide", "kind": "Tide", "listKind": "TideList"},
            "versions": [version],
        },
    }


def marked(body: Object) -> Object:
    body["metadata"]["labels"] = {**body["metadata"].get("labels", {}), BUILT_IN: "shown"}
    return body


@pytest.fixture
async def kept(api: Any) -> Any:
    service = {"metadata": {"name": "sea", "namespace": "own"}, "spec": {"ports": [{"port": 80}]}}
    await api.plane.keep(
        [
            (NAMESPACES, marked({"metadata": {"name": "own"}})),
            (DEPLOYMENTS, marked(deployment())),
            (SERVICES, marked(service)),
            (CRDS, marked(definition())),
        ]
    )
    return api


def at(api: Any, resource: Any = DEPLOYMENTS, name: str = "sea") -> Any:
    kind = api.plane.kinds.of(resource)
    namespace = "own" if kind.resource.is_namespaced else ""
    return api.target(resource, name)._replace(namespace=namespace)


def seen(api: Any, resource: Any = DEPLOYMENTS, name: str = "sea") -> Any:
    return api.plane.objects.get(resource, at(api, resource, name).namespace, name)


def image(found: Object) -> str:
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


async def test_a_second_start_writes_nothing(kept: Any) -> None:
    version = kept.plane.reads.version
    await kept.plane.keep([(DEPLOYMENTS, marked(deployment())), (CRDS, marked(definition()))])
    assert kept.plane.reads.version == version


async def test_another_version_of_this_program_brings_its_own_parts(kept: Any) -> None:
    await kept.plane.keep([(DEPLOYMENTS, marked(deployment("newer")))])
    assert image(seen(kept)) == "newer"


async def test_a_part_that_cannot_become_what_it_is_to_be_is_made_anew(kept: Any) -> None:
    body = marked(deployment("newer"))
    labels = {"app": "sea", "other": "selector"}
    body["spec"]["selector"]["matchLabels"] = body["spec"]["template"]["metadata"]["labels"] = labels
    before = seen(kept)["metadata"]["uid"]
    await kept.plane.keep([(DEPLOYMENTS, body)])
    found = seen(kept)
    assert (image(found), found["spec"]["selector"]["matchLabels"]) == ("newer", labels)
    assert found["metadata"]["uid"] != before
    assert found["metadata"]["labels"][BUILT_IN] == "shown"


async def test_a_part_is_created_once_and_stays_what_it_is(kept: Any) -> None:
    body = deployment("theirs")
    body["metadata"]["labels"]["team"] = "blue"
    written: Written = await kept.plane.verbs.create(at(kept), body, CLIENT)
    assert written.is_created
    [told] = written.warnings
    assert told.startswith("the Deployment sea shows a part of this program and stays as it is")
    found = seen(kept)
    assert (image(found), found["metadata"]["labels"]["team"]) == ("ours", "blue")
    with pytest.raises(ApiError) as refused:
        await kept.plane.verbs.create(at(kept), deployment("theirs"), CLIENT)
    assert refused.value.reason == "AlreadyExists"


async def test_a_dry_run_installs_nothing(kept: Any) -> None:
    dry = Options(writer="kubectl", is_dry_run=True)
    await kept.plane.verbs.create(at(kept), deployment("theirs"), dry)
    assert seen(kept)["metadata"]["labels"][BUILT_IN] == "shown"


@pytest.mark.parametrize("type", ["merge", "strategic"])
async def test_a_patch_changes_labels_alone(kept: Any, type: str) -> None:
    generation = seen(kept)["metadata"]["generation"]
    patch = {"metadata": {"labels": {"team": "blue"}}, "spec": {"replicas": 7}}
    written = await kept.plane.verbs.patch(at(kept), type, patch, CLIENT)
    assert len(written.warnings) == 1
    found = seen(kept)
    assert (found["spec"]["replicas"], found["metadata"]["labels"]["team"]) == (1, "blue")
    assert found["metadata"]["generation"] == generation
    written = await kept.plane.verbs.patch(at(kept), type, {"metadata": {"annotations": {"a": "b"}}}, CLIENT)
    assert written.warnings == ()


async def test_a_scale_of_a_part_is_answered_with_what_it_has(kept: Any) -> None:
    target = at(kept)._replace(subresource="scale")
    written = await kept.plane.verbs.patch(target, "merge", {"spec": {"replicas": 0}}, CLIENT)
    assert b'"replicas":1' in written.body
    assert seen(kept)["spec"]["replicas"] == 1


async def test_appliers_are_never_in_conflict_about_a_part(kept: Any) -> None:
    for writer, wanted in (("one", "a"), ("other", "b")):
        body = {**deployment(wanted), "apiVersion": "apps/v1", "kind": "Deployment"}
        written = await kept.plane.verbs.apply(at(kept), body, Options(writer=writer))
        assert len(written.warnings) == 1
    assert image(seen(kept)) == "ours"
    assert "managedFields" not in seen(kept)["metadata"]


async def test_a_part_that_is_deleted_is_there_again_in_the_same_moment(kept: Any) -> None:
    await kept.plane.verbs.create(at(kept), deployment("theirs"), CLIENT)
    uid = seen(kept)["metadata"]["uid"]
    version = kept.plane.reads.version
    written = await kept.plane.verbs.delete(at(kept), Deletion(), CLIENT)
    assert written.is_removed
    assert written.warnings == ("the Deployment sea shows a part of this program and is there again at once",)
    found = seen(kept)
    assert found["metadata"]["uid"] != uid
    assert (found["metadata"]["labels"][BUILT_IN], image(found)) == ("shown", "ours")
    assert kept.plane.reads.version == version + 2


async def test_a_definition_that_is_deleted_keeps_its_objects(kept: Any) -> None:
    resource = kept.plane.kinds.custom(CRD_NAME)[0].resource
    await kept.plane.objects.create(resource, {"metadata": {"name": "high", "namespace": "default"}})
    uid = seen(kept, CRDS, CRD_NAME)["metadata"]["uid"]
    written = await kept.plane.verbs.delete(at(kept, CRDS, CRD_NAME), Deletion(), CLIENT)
    assert written.is_removed
    assert seen(kept, CRDS, CRD_NAME)["metadata"]["uid"] != uid
    assert kept.plane.kinds.of(resource) is not None
    assert kept.plane.objects.get(resource, "default", "high") is not None


async def test_a_definition_is_not_replaced(kept: Any) -> None:
    written = await kept.plane.verbs.create(at(kept, CRDS, CRD_NAME), definition("theirs"), CLIENT)
    [told] = written.warnings
    assert told.startswith(f"the definition of {CRD_NAME} is this program's own and stays as it is")
    assert "theirs" not in str(seen(kept, CRDS, CRD_NAME))


async def test_a_namespace_comes_again_with_all_parts_in_it(kept: Any) -> None:
    uid = seen(kept, NAMESPACES, "own")["metadata"]["uid"]
    await kept.plane.verbs.delete(at(kept, NAMESPACES, "own"), Deletion(), CLIENT)
    for resource in (DEPLOYMENTS, SERVICES):
        await kept.plane.objects.delete(resource, "own", "sea")
        assert seen(kept, resource) is None, "nothing is made in a namespace that ends"
    ended = seen(kept, NAMESPACES, "own")
    ended["spec"]["finalizers"] = []
    await kept.plane.objects.update(NAMESPACES, ended, "finalize")
    await asyncio.sleep(0)
    assert seen(kept, NAMESPACES, "own")["metadata"]["uid"] != uid
    assert seen(kept) is not None
    assert seen(kept, SERVICES) is not None


async def test_a_part_that_is_gone_with_its_namespace_can_be_deleted_all_the_same(kept: Any) -> None:
    await kept.plane.verbs.delete(at(kept, NAMESPACES, "own"), Deletion(), CLIENT)
    first = (await kept.plane.verbs.delete(at(kept), Deletion(), CLIENT)).body
    assert seen(kept) is None
    again = await kept.plane.verbs.delete(at(kept), Deletion(), CLIENT)
    assert again.is_removed
    # A client waits until the object with this identity is gone, and not for the one that comes.
    assert uid_in(again.body) not in ("", uid_in(first))
    with pytest.raises(ApiError) as caught:
        await kept.plane.verbs.delete(at(kept), Deletion(uid=uid_in(first)), CLIENT)
    assert caught.value.code == 404


def uid_in(body: bytes) -> str:
    return str(json.loads(body)["metadata"].get("uid", ""))
