from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tidegate.kube.resource import CONFIG_MAPS, EVENTS, NAMESPACES, NODES, PODS, ApiError, Resource
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.storage.database import read_journal
from tidegate.local.objects import AUTHORITY, Change


@pytest.fixture
def objects(plane: Any) -> Any:
    return plane.objects


def config_map(name: str = "a", namespace: str = "default", **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, **meta}, "data": {"k": "v"}}


async def test_every_answer_is_a_copy_of_its_own(objects: Any) -> None:
    body = config_map()
    made = await objects.create(CONFIG_MAPS, body)
    assert "uid" not in body["metadata"]
    made["data"]["k"] = "changed"
    read = objects.get(CONFIG_MAPS, "default", "a")
    read["data"]["k"] = "changed too"
    objects.list(CONFIG_MAPS)[0]["data"]["k"] = "and again"
    assert objects.get(CONFIG_MAPS, "default", "a")["data"] == {"k": "v"}


async def test_what_is_not_there_is_none_to_read_and_an_error_to_write(objects: Any) -> None:
    assert objects.get(CONFIG_MAPS, "default", "none") is None
    assert objects.list(Resource("nowhere.org", "v1", "things", "Thing")) == []
    for call in (
        objects.update(CONFIG_MAPS, config_map("none")),
        objects.patch(CONFIG_MAPS, "default", "none", {}),
        objects.delete(CONFIG_MAPS, "default", "none"),
        objects.create(Resource("nowhere.org", "v1", "things", "Thing"), config_map()),
    ):
        with pytest.raises(ApiError) as caught:
            await call
        assert caught.value.code == 404


async def test_a_field_that_our_own_writers_invent_is_an_error(objects: Any) -> None:
    with pytest.raises(ApiError, match="unknown field"):
        await objects.create(CONFIG_MAPS, {**config_map(), "dta": {}})


async def test_lists_are_sorted_and_chosen_by_namespace_and_labels(objects: Any) -> None:
    await objects.create(NAMESPACES, {"metadata": {"name": "team"}})
    await objects.create(CONFIG_MAPS, config_map("b", labels={"app": "x", "tier": "1"}))
    await objects.create(CONFIG_MAPS, config_map("a", labels={"app": "x"}))
    await objects.create(CONFIG_MAPS, config_map("c", "team", labels={"app": "x", "tier": "1"}))

    def names(**chosen: Any) -> list[str]:
        return [body["metadata"]["name"] for body in objects.list(CONFIG_MAPS, **chosen)]

    assert names() == ["a", "b", "c", AUTHORITY]
    assert names(namespace="default") == ["a", "b"]
    assert names(labels={"app": "x", "tier": "1"}) == ["b", "c"]
    assert names(namespace="team", labels={"tier": "2"}) == []


async def test_owned_objects_come_with_their_kind(objects: Any) -> None:
    owner = {"apiVersion": "v1", "kind": "Node", "name": "local", "uid": "u-9"}
    await objects.create(CONFIG_MAPS, config_map(ownerReferences=[owner]))
    found = objects.owned("u-9")
    assert [(resource.api_version, resource.kind, body["metadata"]["name"]) for resource, body in found] == [
        ("v1", "ConfigMap", "a")
    ]
    assert found[0][0] == CONFIG_MAPS
    assert objects.owned("u-0") == []


async def test_subscribers_hear_of_each_commit_in_order_with_the_state_before(objects: Any) -> None:
    heard: list[Change] = []
    objects.subscribe([CONFIG_MAPS, NAMESPACES], heard.append)
    await objects.create(NAMESPACES, {"metadata": {"name": "team"}})
    await objects.create(CONFIG_MAPS, config_map())
    await objects.patch(CONFIG_MAPS, "default", "a", {"data": {"k": "w"}})
    await objects.patch(CONFIG_MAPS, "default", "a", {"data": {"k": "w"}})
    await objects.delete(CONFIG_MAPS, "default", "a")
    assert [(change.type, change.resource.kind) for change in heard] == [
        ("ADDED", "Namespace"),
        ("ADDED", "ConfigMap"),  # every namespace has one
        ("ADDED", "ConfigMap"),
        ("MODIFIED", "ConfigMap"),
        ("DELETED", "ConfigMap"),
    ]
    assert heard[2].previous is None
    assert heard[3].previous is not None
    assert heard[3].previous["data"] == {"k": "v"}
    assert heard[4].object["data"] == {"k": "w"}
    versions = [int(change.object["metadata"]["resourceVersion"]) for change in heard]
    assert versions == sorted(set(versions))


async def test_a_subscriber_that_fails_keeps_nobody_else_from_the_news(objects: Any) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said["message"]))
    heard: list[Change] = []

    def broken(change: Change) -> None:
        raise RuntimeError("broken")

    objects.subscribe([CONFIG_MAPS], broken)
    objects.subscribe([CONFIG_MAPS], heard.append)
    await objects.create(CONFIG_MAPS, config_map())
    assert len(heard) == 1
    assert complaints == ["a subscriber to configmaps failed"]


async def test_a_change_carries_what_the_writer_was_answered(objects: Any) -> None:
    heard: list[Change] = []
    objects.subscribe([CONFIG_MAPS], heard.append)
    made = await objects.create(CONFIG_MAPS, config_map())
    assert heard[0].object == made


async def test_the_same_news_raises_a_count_and_other_news_is_another_event(objects: Any, clock: Any) -> None:
    about = await objects.create(CONFIG_MAPS, config_map())
    for _ in range(3):
        await objects.event(about, "Warning", "Failed", "it broke", "tests")
        clock.move(30)
    await objects.event(about, "Normal", "Healed", "it works", "tests")
    events = {body["reason"]: body for body in objects.list(EVENTS, "default")}
    assert events["Failed"]["count"] == 3
    assert events["Failed"]["firstTimestamp"] == "2026-01-31T08:00:00Z"
    assert events["Failed"]["lastTimestamp"] == "2026-01-31T08:01:00Z"
    assert events["Healed"]["count"] == 1
    involved = events["Failed"]["involvedObject"]
    assert (involved["kind"], involved["name"], involved["uid"]) == (
        "ConfigMap",
        "a",
        about["metadata"]["uid"],
    )
    assert events["Failed"]["source"] == {"component": "tests"}


async def test_the_same_news_told_at_once_is_counted_all_the_same(objects: Any) -> None:
    about = await objects.create(CONFIG_MAPS, config_map())
    await asyncio.gather(*(objects.event(about, "Normal", "Ran", "ran", "tests") for _ in range(10)))
    assert [body["count"] for body in objects.list(EVENTS, "default")] == [10]


async def test_an_event_about_something_without_a_namespace_stands_in_default(objects: Any) -> None:
    node = objects.get(NODES, "", "local")
    await objects.event(node, "Normal", "Ready", "x" * 2000, "tests")
    (event,) = objects.list(EVENTS, "default")
    assert event["involvedObject"]["name"] == "local"
    assert len(event["message"]) == 1024


async def test_an_event_about_a_name_that_events_may_not_bear_is_told_all_the_same(objects: Any) -> None:
    role = {"apiVersion": "v1", "kind": "ClusterRole", "metadata": {"name": "system:Node_x", "uid": "u"}}
    await objects.event(role, "Normal", "Seen", "seen", "tests")
    (event,) = objects.list(EVENTS, "default")
    assert event["involvedObject"]["name"] == "system:Node_x"
    assert event["metadata"]["name"].startswith("system-node-x.")


async def test_news_from_a_namespace_that_ends_is_dropped(objects: Any) -> None:
    await objects.create(NAMESPACES, {"metadata": {"name": "team"}})
    about = await objects.create(CONFIG_MAPS, config_map(namespace="team"))
    await objects.delete(NAMESPACES, "", "team")
    await objects.event(about, "Normal", "Ending", "it ends", "tests")
    assert objects.list(EVENTS, "team") == []


async def test_events_expire_an_hour_after_they_last_happened(plane: Any, clock: Any, api: Any) -> None:
    about = await plane.objects.create(CONFIG_MAPS, config_map())
    await plane.objects.event(about, "Normal", "Old", "old", "tests")
    await plane.objects.event(about, "Normal", "Repeated", "repeated", "tests")
    running = asyncio.create_task(plane.run())
    await asyncio.sleep(0)
    clock.move(3000)
    await plane.objects.event(about, "Normal", "Repeated", "repeated", "tests")
    await asyncio.sleep(0.01)
    assert len(plane.objects.list(EVENTS)) == 2
    clock.move(700)
    await api.until(lambda: len(plane.objects.list(EVENTS)) == 1)
    assert plane.objects.list(EVENTS)[0]["reason"] == "Repeated"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_events_leave_no_line_in_the_journal(objects: Any, tmp_path: Any) -> None:
    about = await objects.create(CONFIG_MAPS, config_map())
    await objects.event(about, "Normal", "Ran", "ran", "tests")
    assert {line.resource for line in read_journal(tmp_path / "state" / "state.db")} == {
        "namespaces",
        "serviceaccounts",
        "nodes",
        "configmaps",
        *(f"{one}.rbac.authorization.k8s.io" for one in ("roles", "rolebindings", "clusterroles")),
        "clusterrolebindings.rbac.authorization.k8s.io",
    }


async def test_the_default_objects_are_made_once(plane: Any, tmp_path: Any, clock: Any) -> None:
    version = plane.reads.version
    await plane.close()
    again = await open_plane(tmp_path / "state", clock)
    assert again.reads.version == version
    names = [body["metadata"]["name"] for body in again.objects.list(NAMESPACES)]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    node = again.objects.get(NODES, "", "local")
    assert node["status"]["conditions"][0]["type"] == "Ready"
    await again.close()


async def test_the_node_tells_of_this_machine_now_and_since_when(
    plane: Any, tmp_path: Any, clock: Any
) -> None:
    node = plane.objects.get(NODES, "", "local")
    (ready,) = node["status"]["conditions"]
    assert ready["lastHeartbeatTime"] == ready["lastTransitionTime"] == "2026-01-31T08:00:00Z"
    # What an older version left there, and what a user wrote beside it.
    old = {"type": "Ready", "status": "True", "reason": "TidegateReady"}
    full = {"type": "DiskPressure", "status": "False"}
    was = {"nodeInfo": {"kubeletVersion": "old"}, "conditions": [old, full]}
    await plane.objects.patch(NODES, "", "local", {"status": was}, "status")
    clock.move(60)
    for moment in ("2026-01-31T08:01:00Z", "2026-01-31T08:02:00Z"):
        await plane.close()
        plane = await open_plane(tmp_path / "state", clock)
        status = plane.objects.get(NODES, "", "local")["status"]
        assert [one["type"] for one in status["conditions"]] == ["DiskPressure", "Ready"]
        ready = status["conditions"][1]
        assert (ready["lastHeartbeatTime"], ready["lastTransitionTime"]) == (moment, "2026-01-31T08:01:00Z")
        assert status["nodeInfo"]["kubeletVersion"] != "old"
        assert {one["type"]: one["address"] for one in status["addresses"]}["InternalIP"] == "127.0.0.1"
        clock.move(60)
    await plane.close()


async def test_pods_are_listed_as_they_are_on_the_wire(objects: Any, api: Any) -> None:
    body = api.pod()
    body["metadata"]["namespace"] = "default"
    made = await objects.create(PODS, body)
    assert made == msgspec.json.decode(api.plane.reads.get(api.kind(PODS), "default", "worker").body)
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
