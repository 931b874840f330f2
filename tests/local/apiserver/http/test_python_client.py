"""The official Python client against the served API."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client, config, dynamic, stream, watch

from parts.served import Served
from tidegate.kube.resource import CONFIG_MAPS, PODS

pytestmark = pytest.mark.real

Threaded = Callable[[Callable[[client.ApiClient], Any]], Any]


@pytest.fixture
def threaded(served: Served) -> Threaded:
    """Runs a function with a client of its own in a thread, while the server goes on here."""

    def call(function: Callable[[client.ApiClient], Any]) -> Any:
        with config.new_client_from_config(str(served.server.kubeconfig)) as api:
            try:
                return function(api)
            finally:
                # The client leaves kept connections to the garbage collector; a caught error may hold them.
                pools = api.rest_client.pool_manager.pools
                for key in tuple(pools.keys()):
                    pools[key].close()

    async def run(function: Callable[[client.ApiClient], Any]) -> Any:
        async with asyncio.timeout(20):
            return await asyncio.to_thread(call, function)

    return run


def config_map(name: str, **values: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=values)


async def test_create_read_patch_replace_list_delete(threaded: Threaded) -> None:
    def conversation(api: client.ApiClient) -> None:
        core = client.CoreV1Api(api)
        made = core.create_namespaced_config_map("default", config_map("x", a="1"))
        assert made.metadata.uid
        patched = core.patch_namespaced_config_map("x", "default", {"data": {"b": "2"}})
        assert patched.data == {"a": "1", "b": "2"}
        patched.data = {"c": "3"}
        assert core.replace_namespaced_config_map("x", "default", patched).data == {"c": "3"}
        with pytest.raises(client.ApiException) as refused:
            core.replace_namespaced_config_map("x", "default", patched)
        assert refused.value.status == 409
        listed = core.list_namespaced_config_map("default", label_selector="!none")
        assert [item.metadata.name for item in listed.items] == ["x"]
        core.delete_namespaced_config_map("x", "default")
        with pytest.raises(client.ApiException) as refused:
            core.read_namespaced_config_map("x", "default")
        assert (refused.value.status, refused.value.reason) == (404, "Not Found")

    await threaded(conversation)


async def test_workloads_and_their_scale(threaded: Threaded) -> None:
    container = client.V1Container(name="c", image="tool", command=["work"])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}), spec=client.V1PodSpec(containers=[container])
    )
    selector = client.V1LabelSelector(match_labels={"app": "web"})
    deployment = client.V1Deployment(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1DeploymentSpec(replicas=2, selector=selector, template=template),
    )

    def conversation(api: client.ApiClient) -> None:
        apps = client.AppsV1Api(api)
        apps.create_namespaced_deployment("default", deployment)
        scale = apps.read_namespaced_deployment_scale("web", "default")
        assert (scale.spec.replicas, scale.status.selector) == (2, "app=web")
        apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 0}})
        assert apps.read_namespaced_deployment("web", "default").spec.replicas == 0

    await threaded(conversation)


async def test_a_watch_delivers_changes_and_resumes(served: Served, threaded: Threaded) -> None:
    is_ready = threading.Event()

    def conversation(api: client.ApiClient) -> list[tuple[str, str]]:
        core = client.CoreV1Api(api)
        first = core.list_namespaced_config_map("default")
        is_ready.set()
        watcher = watch.Watch()
        seen = []
        for event in watcher.stream(
            core.list_namespaced_config_map,
            "default",
            resource_version=first.metadata.resource_version,
            timeout_seconds=10,
        ):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 3:
                watcher.stop()
        return seen

    running = asyncio.ensure_future(threaded(conversation))
    await asyncio.to_thread(is_ready.wait, 10)
    body = {"metadata": {"name": "x", "namespace": "default"}}
    await served.plane.objects.create(CONFIG_MAPS, body)
    await served.plane.objects.patch(CONFIG_MAPS, "default", "x", {"data": {"a": "1"}})
    await served.plane.objects.delete(CONFIG_MAPS, "default", "x")
    assert await running == [("ADDED", "x"), ("MODIFIED", "x"), ("DELETED", "x")]


@pytest.fixture
async def pod(served: Served) -> None:
    spec = {"containers": [{"name": "c", "image": "tool"}]}
    await served.plane.objects.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})


@pytest.mark.usefixtures("pod")
async def test_logs_and_exec(threaded: Threaded) -> None:
    def conversation(api: client.ApiClient) -> None:
        core = client.CoreV1Api(api)
        assert core.read_namespaced_pod_log("p", "default") == "default/p/c\none\ntwo\nthree\n"
        for command, expected in [
            (["echo", "hello"], ("hello\n", "", 0)),
            (["fail", "3"], ("", "it broke\n", 3)),
        ]:
            session = stream.stream(
                core.connect_get_namespaced_pod_exec,
                "p",
                "default",
                command=command,
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _preload_content=False,
            )
            try:
                session.run_forever(timeout=5)
                assert (session.read_stdout(), session.read_stderr(), session.returncode) == expected
            finally:
                session.sock.shutdown()  # once the server has closed, the client's close leaves its socket

    await threaded(conversation)


def definition() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "tides.sea.example"},
        "spec": {
            "group": "sea.example",
            "scope": "Namespaced",
            "names": {"plural": "tides", "kind": "Tide"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


async def test_custom_resources_through_both_dynamic_interfaces(threaded: Threaded) -> None:
    tide = {"apiVersion": "sea.example/v1", "kind": "Tide", "metadata": {"name": "t"}, "spec": {"a": 1}}

    def conversation(api: client.ApiClient) -> Iterator[Any]:
        client.ApiextensionsV1Api(api).create_custom_resource_definition(definition())
        custom = client.CustomObjectsApi(api)
        where = ("sea.example", "v1", "default", "tides")
        custom.create_namespaced_custom_object(*where, tide)
        custom.patch_namespaced_custom_object(*where, "t", {"spec": {"b": 2}})
        assert custom.get_namespaced_custom_object(*where, "t")["spec"] == {"a": 1, "b": 2}
        tides = dynamic.DynamicClient(api).resources.get(api_version="sea.example/v1", kind="Tide")
        found = tides.get(name="t", namespace="default")
        assert found.spec.b == 2
        return found.to_dict()

    assert (await threaded(conversation))["metadata"]["name"] == "t"
