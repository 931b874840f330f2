"""Server-side apply by real kubectls: conflicts, what goes, what client-side applies leave, dry runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parts.kubectls import Kubectl, apply, good
from parts.served import Served
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS
from tidegate.local.apiserver.writing.verbs import Target

pytestmark = pytest.mark.real

SERVER_SIDE = "--server-side"


def settings(**data: str) -> str:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}
    return json.dumps(body)


def deployment(**spec: Any) -> str:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    )


def found(served: Served, resource: Any, name: str) -> Any:
    return served.plane.objects.get(resource, "default", name)


def writers(body: Any) -> set[tuple[str, str]]:
    return {(one["manager"], one["operation"]) for one in body["metadata"].get("managedFields", ())}


async def test_what_is_no_longer_applied_goes(served: Served, kubectl: Kubectl) -> None:
    assert await apply(kubectl, settings(a="1", b="2"), SERVER_SIDE) == [
        "configmap/settings serverside-applied"
    ]
    before = found(served, CONFIG_MAPS, "settings")["metadata"]["resourceVersion"]
    await apply(kubectl, settings(a="1", b="2"), SERVER_SIDE)
    assert found(served, CONFIG_MAPS, "settings")["metadata"]["resourceVersion"] == before
    await apply(kubectl, settings(b="3"), SERVER_SIDE)
    assert found(served, CONFIG_MAPS, "settings")["data"] == {"b": "3"}


async def test_a_conflict_is_told_with_its_fields_until_it_is_forced(
    served: Served, kubectl: Kubectl
) -> None:
    await apply(kubectl, settings(a="1"), SERVER_SIDE, "--field-manager=first")
    code, _, error = await kubectl("apply", SERVER_SIDE, "-f", "-", stdin=settings(a="2"))
    assert code == 1
    assert 'Apply failed with 1 conflict: conflict with "first": .data.a' in error
    assert "--force-conflicts" in error
    await apply(kubectl, settings(a="2"), SERVER_SIDE, "--force-conflicts")
    assert found(served, CONFIG_MAPS, "settings")["data"] == {"a": "2"}
    assert writers(found(served, CONFIG_MAPS, "settings")) == {("kubectl", "Apply")}


async def test_client_side_applies_are_gone_on_from(served: Served, kubectl: Kubectl) -> None:
    """kubectl moves what it owned, so that fields that are no longer applied still go."""
    await apply(kubectl, settings(a="1", b="2"))
    await apply(kubectl, settings(a="5", b="2"), SERVER_SIDE)
    await apply(kubectl, settings(a="5"), SERVER_SIDE)
    left = found(served, CONFIG_MAPS, "settings")
    assert left["data"] == {"a": "5"}
    assert not {name for name, _ in writers(left)} & {"kubectl-client-side-apply", "before-first-apply"}
    await apply(kubectl, settings(a="6"))
    assert found(served, CONFIG_MAPS, "settings")["data"] == {"a": "6"}


async def test_replicas_that_something_scaled_stay(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, deployment(replicas=1))
    await good(kubectl, "scale", "deployment/web", "--replicas=4")
    await apply(kubectl, deployment(), SERVER_SIDE)
    await apply(kubectl, deployment(), SERVER_SIDE)
    assert found(served, DEPLOYMENTS, "web")["spec"]["replicas"] == 4


async def test_diff_and_dry_runs_leave_no_trace(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, settings(a="1"), SERVER_SIDE)
    before = found(served, CONFIG_MAPS, "settings")
    code, out, _ = await kubectl("diff", SERVER_SIDE, "-f", "-", stdin=settings(a="2"))
    assert code == 1
    assert '-  a: "1"' in out
    assert '+  a: "2"' in out
    assert await apply(kubectl, settings(a="2"), SERVER_SIDE, "--dry-run=server") == [
        "configmap/settings serverside-applied (server dry run)"
    ]
    await apply(kubectl, settings(b="2").replace('"settings"', '"new"'), SERVER_SIDE, "--dry-run=server")
    assert found(served, CONFIG_MAPS, "settings") == before
    assert found(served, CONFIG_MAPS, "new") is None


async def test_what_this_program_makes_is_followed_from_the_first_apply_on(
    served: Served, kubectl: Kubectl
) -> None:
    await served.plane.objects.create(
        CONFIG_MAPS, {"metadata": {"name": "settings", "namespace": "default"}, "data": {"a": "1", "b": "2"}}
    )
    assert writers(found(served, CONFIG_MAPS, "settings")) == set()
    await apply(kubectl, settings(a="1"), SERVER_SIDE)
    kept = found(served, CONFIG_MAPS, "settings")
    assert writers(kept) == {("kubectl", "Apply"), ("before-first-apply", "Update")}
    assert kept["data"] == {"a": "1", "b": "2"}


async def test_nobody_makes_by_an_apply_what_they_may_not_create(served: Served, kubectl: Kubectl) -> None:
    await good(kubectl, "create", "role", "patcher", "--verb=get,patch", "--resource=configmaps")
    await good(kubectl, "create", "rolebinding", "patcher", "--role=patcher", "--user=eve")
    code, _, error = await kubectl("apply", SERVER_SIDE, "--as=eve", "-f", "-", stdin=settings(a="1"))
    assert code == 1
    assert 'User "eve" cannot create resource "configmaps"' in error
    kind = served.plane.kinds.find("", "v1", "configmaps")
    assert kind is not None
    await served.plane.verbs.create(Target(kind, "default"), json.loads(settings(a="1")))
    await apply(kubectl, settings(a="1"), SERVER_SIDE, "--as=eve")
