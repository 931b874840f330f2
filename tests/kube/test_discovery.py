"""From kinds and words to resources."""

from __future__ import annotations

import pytest
from aiohttp import web

from tidegate.kube.discovery import Discovery
from tidegate.kube.resource import DEPLOYMENTS, PODS, SCALED_OBJECTS, ApiError

CORE = [
    {"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True, "shortNames": ["po"]},
    {"name": "pods/log", "kind": "Pod", "namespaced": True},
    {"name": "namespaces", "singularName": "", "kind": "Namespace", "namespaced": False},
]
APPS = [
    {"name": "deployments", "kind": "Deployment", "namespaced": True, "shortNames": ["deploy"]},
    {
        "name": "deployments/scale",
        "kind": "Scale",
        "group": "autoscaling",
        "version": "v1",
        "namespaced": True,
    },
]
KEDA = [
    {"name": "scaledobjects", "singularName": "scaledobject", "kind": "ScaledObject", "namespaced": True}
    | {"shortNames": ["so"], "categories": ["all"]},
]


@pytest.fixture
def served(api):
    lists = {"/api/v1": CORE, "/apis/apps/v1": APPS, "/apis/keda.sh/v1alpha1": KEDA}

    async def answer(request):
        if request.path == "/apis":
            groups = [
                {"preferredVersion": {"groupVersion": path.removeprefix("/apis/")}}
                for path in lists
                if path.startswith("/apis/")
            ]
            return web.json_response({"kind": "APIGroupList", "groups": groups})
        if request.path in lists:
            return web.json_response({"kind": "APIResourceList", "resources": lists[request.path]})
        return None

    api.refuse = answer
    return lists


@pytest.mark.parametrize(
    ("api_version", "kind", "resource"),
    [
        ("v1", "Pod", PODS),
        ("apps/v1", "Deployment", DEPLOYMENTS),
        ("keda.sh/v1alpha1", "ScaledObject", SCALED_OBJECTS),
    ],
)
async def test_a_kind_becomes_its_resource(served, client, api_version, kind, resource):
    assert await Discovery(client).resolve(api_version, kind) == resource


async def test_a_kind_of_the_cluster_is_not_namespaced(served, client):
    assert not (await Discovery(client).resolve("v1", "Namespace")).is_namespaced


async def test_what_is_known_is_not_asked_again(served, client, api):
    discovery = Discovery(client)
    for _ in range(3):
        await discovery.resolve("apps/v1", "Deployment")
    assert len(api.requests) == 1


@pytest.mark.parametrize(("api_version", "kind"), [("apps/v1", "Toaster"), ("no.example/v1", "Toaster")])
async def test_what_is_not_served_is_asked_for_again_each_time(served, client, api, api_version, kind):
    discovery = Discovery(client)
    for _ in range(2):
        with pytest.raises(ApiError, match=f"does not serve {kind} of {api_version}") as caught:
            await discovery.resolve(api_version, kind)
        assert caught.value.reason == "NotFound"
    assert len(api.requests) == 2


async def test_a_kind_that_is_defined_later_is_found(served, client):
    discovery = Discovery(client)
    await discovery.resolve("apps/v1", "Deployment")
    served["/apis/apps/v1"].append({"name": "toasters", "kind": "Toaster", "namespaced": True})
    assert (await discovery.resolve("apps/v1", "Toaster")).plural == "toasters"
    served["/apis/apps/v1"].pop()


async def test_only_what_has_a_scale_can_be_scaled(served, client):
    discovery = Discovery(client)
    assert (await discovery.served("apps/v1", "Deployment", "scale")).resource == DEPLOYMENTS
    with pytest.raises(ApiError, match="with the subresource scale"):
        await discovery.served("v1", "Pod", "scale")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("po", "Pod"),
        ("Pods", "Pod"),
        ("ns", None),
        ("namespace", "Namespace"),
        ("so", "ScaledObject"),
        ("scaledobjects.keda.sh", "ScaledObject"),
        ("deployments.keda.sh", None),
        ("deploy", "Deployment"),
    ],
)
async def test_users_words_are_understood(served, client, word, kind):
    discovery = Discovery(client)
    if kind is not None:
        assert (await discovery.named(word)).resource.kind == kind
    else:
        with pytest.raises(ApiError, match="does not serve"):
            await discovery.named(word)
