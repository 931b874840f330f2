from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tidegate.base.problems import Problem
from tidegate.kube.resource import CONFIG_MAPS, CRDS, SERVICES, Resource
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.writing.verbs import Deletion, Options


def widget(name: str = "w", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"size": 1, **spec}}


@pytest.fixture
async def widgets(api: Any) -> Any:
    """The API with widgets defined."""
    await api.create(CRDS, api.definition())
    return api


@pytest.fixture
async def upkeep(plane: Any) -> Any:
    task = asyncio.create_task(plane.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_kind_is_served_as_soon_as_its_definition_is_answered(api: Any) -> None:
    assert api.plane.kinds.of(api.WIDGETS) is None
    revision = api.plane.kinds.revision
    made = await api.create(CRDS, api.definition())
    conditions = {condition["type"]: condition["status"] for condition in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert made["status"]["storedVersions"] == ["v1"]
    kind = api.kind(api.WIDGETS)
    assert kind.is_custom
    assert (kind.short_names, kind.singular_name, kind.list_name) == (("wd",), "widget", "WidgetList")
    assert [sub.name for sub in kind.subresources] == ["status", "scale"]
    assert api.plane.kinds.revision > revision
    assert api.plane.kinds.named("example.org/v1", "Widget") == kind


async def test_a_kind_is_served_again_after_a_restart(widgets: Any, tmp_path: Any, clock: Any) -> None:
    await widgets.create(widgets.WIDGETS, widget())
    await widgets.plane.close()
    again = await open_plane(tmp_path / "state", clock)
    assert again.kinds.of(widgets.WIDGETS) is not None
    assert again.objects.get(widgets.WIDGETS, "default", "w")
    await again.close()


async def test_a_change_of_the_definition_changes_what_is_served(widgets: Any) -> None:
    target = widgets.target(CRDS, "widgets.example.org")
    revision = widgets.plane.kinds.revision
    await widgets.plane.verbs.patch(target, "merge", {"metadata": {"labels": {"a": "b"}}})
    assert widgets.plane.kinds.revision == revision
    await widgets.plane.verbs.patch(target, "merge", {"spec": {"names": {"shortNames": ["wdg"]}}})
    assert widgets.kind(widgets.WIDGETS).short_names == ("wdg",)
    assert widgets.plane.kinds.revision == revision + 1


async def test_a_custom_object_is_pruned_defaulted_and_has_a_generation(widgets: Any) -> None:
    target = widgets.target(widgets.WIDGETS)
    body = {**widget(weight=3), "extra": 1, "status": {"ready": 5}}
    written = await widgets.plane.verbs.create(target, body, Options())
    made = msgspec.json.decode(written.body)
    assert made["spec"] == {"size": 1, "colour": "red"}
    assert "status" not in made
    assert made["metadata"]["generation"] == 1
    assert sorted(written.warnings) == ['unknown field "extra"', 'unknown field "spec.weight"']
    error = await widgets.refusal(widgets.create(widgets.WIDGETS, widget("x", weight=3)))
    assert (error.code, error.message) == (400, 'strict decoding error: unknown field "spec.weight"')


async def test_all_that_the_schema_refuses_comes_at_once(widgets: Any) -> None:
    body = widget("No_Good", size=0, colour=7)
    error = await widgets.refusal(widgets.create(widgets.WIDGETS, body))
    assert error.code == 422
    fields = [cause["field"] for cause in error.details["causes"]]
    assert fields == ["metadata.name", "spec.size", "spec.colour"]
    assert error.details["group"] == "example.org"


async def test_the_status_of_a_custom_object_is_written_apart_and_checked(widgets: Any) -> None:
    await widgets.create(widgets.WIDGETS, widget())
    status = widgets.target(widgets.WIDGETS, "w", "status")
    patch = widgets.plane.verbs.patch
    changed = msgspec.json.decode(
        (await patch(status, "merge", {"status": {"ready": 1}, "spec": {"size": 9}})).body
    )
    assert changed["status"] == {"ready": 1}
    assert changed["spec"]["size"] == 1
    assert changed["metadata"]["generation"] == 1
    error = await widgets.refusal(patch(status, "merge", {"status": {"ready": "all"}}))
    assert error.code == 422
    main = status._replace(subresource="")
    changed = msgspec.json.decode(
        (await patch(main, "merge", {"spec": {"size": 2}, "status": {"ready": 7}})).body
    )
    assert changed["status"] == {"ready": 1}
    assert changed["metadata"]["generation"] == 2


async def test_strategic_patches_are_not_for_custom_objects(widgets: Any) -> None:
    await widgets.create(widgets.WIDGETS, widget())
    error = await widgets.refusal(
        widgets.plane.verbs.patch(widgets.target(widgets.WIDGETS, "w"), "strategic", {})
    )
    assert (error.code, error.reason) == (415, "UnsupportedMediaType")


async def test_each_version_shows_the_same_objects_as_its_own(api: Any) -> None:
    body = api.definition()
    versions = body["spec"]["versions"]
    versions.append({**versions[0], "name": "v2", "storage": False})
    versions.append({**versions[0], "name": "v0", "storage": False, "served": False})
    await api.create(CRDS, body)
    second = Resource("example.org", "v2", "widgets", "Widget")
    assert api.plane.kinds.of(Resource("example.org", "v0", "widgets", "Widget")) is None
    assert [kind.resource.version for kind in api.plane.kinds.custom("widgets.example.org")] == ["v1", "v2"]
    made = await api.create(second, widget())
    assert made["apiVersion"] == "example.org/v2"
    row = api.plane.reads.get(api.kind(api.WIDGETS), "default", "w")
    shown = {v: msgspec.json.decode(api.plane.reads.body(api.kind(v), row)) for v in (api.WIDGETS, second)}
    assert shown[api.WIDGETS]["apiVersion"] == "example.org/v1"
    assert shown[second]["apiVersion"] == "example.org/v2"
    written = await api.plane.verbs.patch(api.target(second, "w"), "merge", {"spec": {"size": 3}})
    assert msgspec.json.decode(written.body)["apiVersion"] == "example.org/v2"
    assert api.get(api.WIDGETS, "w")["spec"]["size"] == 3


async def test_what_a_definition_asks_for_and_does_not_get_is_said(api: Any) -> None:
    rule = {"x-kubernetes-validations": [{"rule": "self.size > 1"}]}
    schema = {"type": "object", "properties": {"spec": {"type": "object", **rule}}}
    body = api.definition(schema={"openAPIV3Schema": schema})
    body["spec"]["conversion"] = {"strategy": "Webhook"}
    written = await api.plane.verbs.create(api.target(CRDS), body)
    assert len(written.warnings) == 2
    assert "CEL rules" in written.warnings[1]


async def test_a_deleted_definition_takes_its_objects_along(widgets: Any, upkeep: Any) -> None:
    for number in range(3):
        await widgets.create(widgets.WIDGETS, widget(f"w{number}"))
    target = widgets.target(CRDS, "widgets.example.org")
    assert not (await widgets.plane.verbs.delete(target)).is_removed
    error = await widgets.refusal(widgets.create(widgets.WIDGETS, widget("late")))
    assert error.code == 405
    await widgets.until(lambda: not widgets.exists(CRDS, "widgets.example.org"))
    assert widgets.plane.kinds.of(widgets.WIDGETS) is None
    assert widgets.plane.store.rows("widgets.example.org") == []
    await widgets.create(CRDS, widgets.definition())
    await widgets.create(widgets.WIDGETS, widget())


async def test_a_deleted_definition_waits_for_objects_that_are_held(widgets: Any, upkeep: Any) -> None:
    body = widget()
    body["metadata"]["finalizers"] = ["example.org/busy"]
    await widgets.create(widgets.WIDGETS, body)
    crd = widgets.target(CRDS, "widgets.example.org")
    held = widgets.target(widgets.WIDGETS, "w")
    await widgets.plane.verbs.delete(crd)
    await widgets.until(lambda: "deletionTimestamp" in widgets.get(widgets.WIDGETS, "w")["metadata"])
    definition = widgets.get(CRDS, "widgets.example.org")
    assert "Terminating" in {condition["type"] for condition in definition["status"]["conditions"]}
    await widgets.plane.verbs.patch(held, "merge", {"metadata": {"finalizers": None}})
    await widgets.until(lambda: not widgets.exists(CRDS, "widgets.example.org"))


async def test_a_deletion_that_a_crash_interrupted_goes_on_after_the_restart(
    widgets: Any, tmp_path: Any, clock: Any
) -> None:
    await widgets.create(widgets.WIDGETS, widget())
    await widgets.plane.verbs.delete(widgets.target(CRDS, "widgets.example.org"))
    await widgets.plane.close()
    again = await open_plane(tmp_path / "state", clock)
    running = asyncio.create_task(again.run())
    await widgets.until(lambda: again.objects.get(CRDS, "", "widgets.example.org") is None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await again.close()


async def test_admissions_are_asked_in_order_and_their_problems_join_the_schemas(
    tmp_path: Any, clock: Any, api: Any
) -> None:
    asked: list[tuple[str, str, bool, bool]] = []

    def first(operation: str, kind: Any, new: Any, old: Any) -> Any:
        asked.append((operation, kind.resource.kind, new is not None, old is not None))
        return [], ["think twice"] if kind.is_custom else []

    def second(operation: str, kind: Any, new: Any, old: Any) -> Any:
        if new is None or not kind.is_custom:
            return [], []
        doubled = [Problem("spec.size", "said twice")] if new["spec"]["size"] == 0 else []
        refused = [Problem("spec.mood", "is bad")] if new["metadata"]["name"] == "bad" else []
        return [*doubled, *refused], []

    plane = await open_plane(tmp_path / "other", clock, admissions=[first, second])
    there = type(api)(plane)
    await there.create(CRDS, api.definition())
    asked.clear()
    written = await plane.verbs.create(there.target(api.WIDGETS), widget())
    assert written.warnings == ("think twice",)
    error = await api.refusal(plane.verbs.create(there.target(api.WIDGETS), widget("bad", size=0)))
    assert [cause["field"] for cause in error.details["causes"]] == ["spec.size", "spec.mood"]
    await plane.verbs.patch(there.target(api.WIDGETS, "w"), "merge", {"spec": {"size": 2}})
    await plane.verbs.patch(there.target(api.WIDGETS, "w", "status"), "merge", {"status": {"ready": 2}})
    await plane.verbs.delete(there.target(api.WIDGETS, "w"), Deletion())
    assert asked == [
        ("CREATE", "Widget", True, False),
        ("CREATE", "Widget", True, False),
        ("UPDATE", "Widget", True, True),
        ("DELETE", "Widget", False, True),
    ]
    await plane.close()


async def test_rules_that_came_later_do_not_keep_a_deleted_object_from_going(
    tmp_path: Any, clock: Any, api: Any
) -> None:
    is_strict = False

    def admit(operation: str, kind: Any, new: Any, old: Any) -> Any:
        is_refused = is_strict and kind.is_custom and new is not None
        return [Problem("spec", "no longer allowed")] if is_refused else [], []

    plane = await open_plane(tmp_path / "other", clock, admissions=[admit])
    there = type(api)(plane)
    await there.create(CRDS, api.definition())
    body = widget()
    body["metadata"]["finalizers"] = ["example.org/busy"]
    await there.create(api.WIDGETS, body)
    is_strict = True
    narrow = api.definition(schema={"openAPIV3Schema": {"type": "object", "required": ["other"]}})
    await plane.verbs.update(there.target(CRDS, "widgets.example.org"), narrow)
    target, let_go = there.target(api.WIDGETS, "w"), {"metadata": {"finalizers": None}}
    assert (await api.refusal(plane.verbs.patch(target, "merge", let_go))).code == 422
    await plane.verbs.delete(target)
    assert (await plane.verbs.patch(target, "merge", let_go)).is_removed
    await plane.close()


async def test_a_scale_is_read_from_and_written_into_the_object(widgets: Any) -> None:
    await widgets.create(widgets.WIDGETS, widget(size=4))
    status = widgets.target(widgets.WIDGETS, "w", "status")
    await widgets.plane.verbs.patch(status, "merge", {"status": {"ready": 3, "names": "app=w"}})
    scale = msgspec.json.decode(widgets.plane.reads.scale(widgets.kind(widgets.WIDGETS), "default", "w"))
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 4}
    assert scale["status"] == {"replicas": 3, "selector": "app=w"}
    target = widgets.target(widgets.WIDGETS, "w", "scale")
    written = await widgets.plane.verbs.update(target, {**scale, "spec": {"replicas": 5}})
    assert msgspec.json.decode(written.body)["spec"] == {"replicas": 5}
    body = widgets.get(widgets.WIDGETS, "w")
    assert body["spec"] == {"size": 5, "colour": "red"}
    assert body["metadata"]["generation"] == 2
    error = await widgets.refusal(widgets.plane.verbs.update(target, {**scale, "spec": {"replicas": 6}}))
    assert error.reason == "Conflict"
    await widgets.plane.verbs.patch(target, "merge", {"spec": {"replicas": 7}})
    assert widgets.get(widgets.WIDGETS, "w")["spec"]["size"] == 7
    for bad in (-1, "x", True, 1.5):
        error = await widgets.refusal(widgets.plane.verbs.patch(target, "merge", {"spec": {"replicas": bad}}))
        assert error.code == 422
    error = await widgets.refusal(widgets.plane.verbs.patch(target, "merge", {"spec": {"replicas": 0}}))
    assert error.code == 422, "the object's own rules hold: a widget has at least size 1"


async def test_the_selector_of_a_deployments_scale_is_text(api: Any) -> None:
    from tidegate.kube.resource import DEPLOYMENTS

    await api.create(DEPLOYMENTS, api.deployment(replicas=3))
    scale = msgspec.json.decode(api.plane.reads.scale(api.kind(DEPLOYMENTS), "default", "web"))
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    target = api.target(DEPLOYMENTS, "web", "scale")
    await api.plane.verbs.patch(target, "merge", {"spec": {"replicas": 0}})
    assert api.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 0
    for resource in (CONFIG_MAPS, SERVICES):
        error = await api.refusal(api.plane.verbs.update(api.target(resource, "web", "scale"), {}))
        assert error.code == 404
