"""Events, which are objects that expire, and namespaces, which are emptied before they go."""

from __future__ import annotations

from typing import Any

import pytest

from parts.conversation import TABLE, Talk


def event(talk: Talk, name: str = "e", **fields: Any) -> dict[str, Any]:
    about = {"kind": "ConfigMap", "name": "x", "namespace": talk.namespace}
    plain = {"involvedObject": about, "reason": "R", "message": "m", "type": "Normal"}
    return {"metadata": {"name": name}, **plain, **fields}


async def test_an_event_is_counted_up_by_its_writer(talk: Talk) -> None:
    made = await talk.made(talk.path("events"), event(talk, count=1))
    assert (made["reason"], made["involvedObject"]["name"], made["count"]) == ("R", "x", 1)
    patch = {"count": 2, "lastTimestamp": "2026-01-01T00:00:00Z"}
    patched = await talk.patch(talk.path("events", "e"), patch)
    assert (patched.status, patched.body["count"]) == (200, 2)


@pytest.mark.parametrize("namespace", ["other", ""], ids=["another's", "none"])
async def test_an_event_stands_beside_what_it_is_about(talk: Talk, namespace: str) -> None:
    about = {"kind": "ConfigMap", "name": "x", **({"namespace": namespace} if namespace else {})}
    answer = await talk.post(talk.path("events"), event(talk, involvedObject=about))
    assert (answer.status, answer.reason) == (422, "Invalid")
    fields = [cause["field"] for cause in answer.body["details"]["causes"]]
    assert fields == ["involvedObject.namespace"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("involvedObject.name=x", ["a", "b"]),
        ("involvedObject.kind=ConfigMap,type=Warning", ["b"]),
        ("reason!=R", ["b"]),
        ("source=k", ["b"]),
        ("reportingComponent=rc", ["a"]),
        ("involvedObject.uid=u", []),
    ],
)
async def test_events_are_chosen_by_what_they_tell(talk: Talk, selector: str, expected: list[str]) -> None:
    await talk.made(talk.path("events"), event(talk, "a", reportingComponent="rc", reportingInstance="i"))
    other = event(talk, "b", type="Warning", reason="S", source={"component": "k"})
    await talk.made(talk.path("events"), other)
    listed = await talk.get(talk.path("events"), fieldSelector=selector)
    assert sorted(item["metadata"]["name"] for item in listed.body["items"]) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"source": {"component": "k", "host": "h"}, "count": 3}, ("k, h", 3, "m")),
        ({"source": {"component": "k"}, "message": "  two\nlines \n"}, ("k", 1, "two\nlines")),
        ({"reportingComponent": "a.b/rc", "reportingInstance": "i"}, ("a.b/rc, i", 1, "m")),
    ],
)
async def test_an_event_is_printed(talk: Talk, fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    await talk.made(talk.path("events"), event(talk, **fields))
    table = (await talk.get(talk.path("events", "e"), accept=TABLE)).body
    names = [column["name"] for column in table["columnDefinitions"]]
    row = dict(zip(names, table["rows"][0]["cells"], strict=True))
    assert (row["Source"], row["Count"], row["Message"]) == expected
    assert (row["Object"], row["Reason"], row["Type"]) == ("configmap/x", "R", "Normal")


async def test_a_namespace_is_labelled_and_keeps_its_finalizer(talk: Talk) -> None:
    name = f"{talk.token}-n"
    path = f"/api/v1/namespaces/{name}"
    made = await talk.made("/api/v1/namespaces", {"metadata": {"name": name}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
    made["spec"] = {}
    assert (await talk.put(path, made)).body["spec"] == {"finalizers": ["kubernetes"]}
    gone = await talk.delete(path)
    assert (gone.status, gone.body["status"]["phase"]) == (200, "Terminating")
    assert "deletionGracePeriodSeconds" not in gone.body["metadata"]


async def test_nothing_new_comes_into_a_namespace_that_goes(talk: Talk) -> None:
    name = f"{talk.token}-n"
    path = f"/api/v1/namespaces/{name}"
    await talk.made("/api/v1/namespaces", {"metadata": {"name": name}})
    held = {"metadata": {"name": "held", "finalizers": ["example.org/held"]}}
    await talk.made(f"{path}/configmaps", held)
    await talk.delete(path)
    late = await talk.post(f"{path}/configmaps", {"metadata": {"name": "late"}})
    assert (late.status, late.reason) == (403, "Forbidden")
    causes = [cause["reason"] for cause in late.body["details"]["causes"]]
    assert causes == ["NamespaceTerminating"]
    again = await talk.post("/api/v1/namespaces", {"metadata": {"name": name}})
    assert (again.status, again.reason) == (409, "AlreadyExists")
    await talk.patch(f"{path}/configmaps/held", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_namespaces_stay(talk: Talk, name: str) -> None:
    answer = await talk.delete(f"/api/v1/namespaces/{name}", dryRun="All")
    assert (answer.status, answer.reason) == (403, "Forbidden")
