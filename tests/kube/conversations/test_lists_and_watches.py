"""Lists, their pages and selectors; watches, which tell every change once and in order."""

from __future__ import annotations

from typing import Any

import pytest

from parts.conversation import TABLE, Talk

PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = PARTIAL.replace("Metadata;", "MetadataList;")
MADE_BY_CLUSTER = "kube-root-ca.crt"
OURS = f"metadata.name!={MADE_BY_CLUSTER}"
WATCH_LIST = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}


async def put(talk: Talk, name: str, tier: str = "", **values: str) -> int:
    """Makes or replaces a ConfigMap; its resourceVersion."""
    metadata: dict[str, Any] = {"name": name, "labels": {"tier": tier} if tier else {}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": values}
    answer = await talk.put(talk.path("configmaps", name), body)
    if answer.status == 404:
        answer = await talk.post(talk.path("configmaps"), body)
    assert answer.status in (200, 201), answer.body
    return int(answer.version)


async def remove(talk: Talk, name: str) -> None:
    assert (await talk.delete(talk.path("configmaps", name))).status == 200


async def test_a_list_comes_in_pages_that_together_are_everything(talk: Talk) -> None:
    maps = talk.path("configmaps")
    names = [f"m{index}" for index in range(7)]
    for name in reversed(names):
        await put(talk, name, "x")
    found: list[str] = []
    query = {"limit": "3", "labelSelector": "tier=x"}
    while True:
        page = (await talk.get(maps, **query)).body
        assert (page["kind"], page["apiVersion"]) == ("ConfigMapList", "v1")
        found += [item["metadata"]["name"] for item in page["items"]]
        if not page["metadata"].get("continue"):
            break
        query["continue"] = page["metadata"]["continue"]
    assert found == names


async def test_a_page_says_how_many_follow_unless_a_selector_hides_it(talk: Talk) -> None:
    secrets = talk.path("secrets")
    for name in ("a", "b", "c"):
        await talk.made(secrets, {"metadata": {"name": name, "labels": {"x": "y"}}})
    page = (await talk.get(secrets, limit="1")).body["metadata"]
    assert page["remainingItemCount"] == 2
    second = (await talk.get(secrets, **{"limit": "1", "continue": page["continue"]})).body["metadata"]
    assert (second["remainingItemCount"], second["resourceVersion"]) == (1, page["resourceVersion"])
    hidden = (await talk.get(secrets, limit="1", labelSelector="x=y")).body["metadata"]
    assert "remainingItemCount" not in hidden
    assert hidden["continue"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=x", ["a", "b"]),
        ("tier==x", ["a", "b"]),
        ("tier!=x", ["c", "d"]),
        ("tier in (x, y)", ["a", "b", "c"]),
        ("tier notin (x)", ["c", "d"]),
        ("tier", ["a", "b", "c"]),
        ("!tier", ["d"]),
        ("tier=x,tier!=y", ["a", "b"]),
        ("", ["a", "b", "c", "d"]),
    ],
)
async def test_label_selectors(talk: Talk, selector: str, expected: list[str]) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "")):
        await put(talk, name, tier)
    listed = await talk.get(talk.path("configmaps"), labelSelector=selector, fieldSelector=OURS)
    assert [item["metadata"]["name"] for item in listed.body["items"]] == expected


@pytest.mark.parametrize(
    ("plural", "selector", "status"),
    [
        ("configmaps", "metadata.name=a", 200),
        ("configmaps", "data.x=1", 400),
        ("pods", "spec.nodeName=a,status.phase!=Running", 200),
        ("pods", "spec.restartPolicy=Never", 200),
        ("pods", "spec.hostname=a", 400),
        ("events", "involvedObject.name=a,reason=b,type=Normal", 200),
        ("secrets", "type=Opaque", 200),
        ("services", "spec.type=ClusterIP", 200),
        ("services", "spec.clusterIP=None", 200),
        ("configmaps", "metadata.name in (a)", 400),
    ],
)
async def test_which_fields_select(talk: Talk, plural: str, selector: str, status: int) -> None:
    assert (await talk.get(talk.path(plural), fieldSelector=selector)).status == status


@pytest.mark.parametrize("version", ["", "0"])
async def test_without_a_version_a_watch_begins_with_what_there_is(talk: Talk, version: str) -> None:
    await put(talk, "a")
    await put(talk, "b")
    maps = talk.path("configmaps")
    async with talk.watching(maps, resourceVersion=version, fieldSelector=OURS) as stream:
        assert sorted([await stream.brief() for _ in range(2)]) == [("ADDED", "a"), ("ADDED", "b")]
        await put(talk, "a", x="1")
        await remove(talk, "b")
        assert [await stream.brief() for _ in range(2)] == [("MODIFIED", "a"), ("DELETED", "b")]


async def test_from_a_version_only_later_changes_are_told_and_the_deletion_has_a_version_of_its_own(
    talk: Talk,
) -> None:
    await put(talk, "a")
    maps = talk.path("configmaps")
    version = (await talk.get(maps)).version
    await put(talk, "b")
    await remove(talk, "a")
    async with talk.watching(maps, resourceVersion=version, fieldSelector=OURS) as stream:
        added, deleted = await stream.next(), await stream.next()
    assert (added["type"], deleted["type"]) == ("ADDED", "DELETED")
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in (added, deleted)]
    assert versions[0] < versions[1]
    assert deleted["object"]["metadata"]["name"] == "a"


async def test_a_selector_sees_objects_enter_and_leave(talk: Talk) -> None:
    async with talk.watching(talk.path("configmaps"), labelSelector="tier=x") as stream:
        await put(talk, "other", "y")
        await put(talk, "a", "y")
        await put(talk, "a", "x", k="1")
        await put(talk, "a", "x", k="2")
        left = await put(talk, "a", "y", k="3")
        await remove(talk, "a")
        await put(talk, "b", "x")
        seen = [await stream.next() for _ in range(4)]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in seen] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "b"),
    ]
    assert seen[2]["object"]["data"] == {"k": "2"}, "the old content"
    assert seen[2]["object"]["metadata"]["resourceVersion"] == str(left), "the new version"


async def test_a_watch_by_name_and_one_across_namespaces(talk: Talk) -> None:
    only = f"metadata.name=b,metadata.namespace={talk.namespace}"
    async with (
        talk.watching(talk.path("configmaps"), fieldSelector="metadata.name=b") as one,
        talk.watching("/api/v1/configmaps", fieldSelector=only) as all,
    ):
        await put(talk, "a")
        await put(talk, "b")
        assert await one.brief() == ("ADDED", "b")
        assert await all.brief() == ("ADDED", "b")


async def test_a_write_that_changes_nothing_is_no_event(talk: Talk) -> None:
    await put(talk, "a", x="1")
    async with talk.watching(talk.path("configmaps"), fieldSelector=OURS) as stream:
        assert await stream.brief() == ("ADDED", "a")
        await put(talk, "a", x="1")
        await put(talk, "b")
        assert await stream.brief() == ("ADDED", "b")


async def test_a_streamed_list_ends_with_its_mark(talk: Talk) -> None:
    await put(talk, "a", "x")
    newest = await put(talk, "b", "x")
    maps = talk.path("configmaps")
    async with talk.watching(maps, labelSelector="tier=x", **WATCH_LIST) as stream:
        assert sorted([await stream.brief() for _ in range(2)]) == [("ADDED", "a"), ("ADDED", "b")]
        mark = await stream.next()
        assert mark["type"] == "BOOKMARK"
        assert (mark["object"]["kind"], mark["object"]["apiVersion"]) == ("ConfigMap", "v1")
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(mark["object"]["metadata"]["resourceVersion"]) >= newest
        await put(talk, "c", "x")
        assert await stream.brief() == ("ADDED", "c")


async def test_a_watch_ends_when_its_time_is_over(talk: Talk) -> None:
    async with talk.watching(talk.path("configmaps"), timeoutSeconds="1", fieldSelector=OURS) as stream:
        await put(talk, "a")
        assert await stream.brief() == ("ADDED", "a")
        assert await stream.is_over()


async def test_a_watch_of_tables_tells_its_columns_once(talk: Talk) -> None:
    await put(talk, "a", x="1")
    async with talk.watching(talk.path("configmaps"), accept=TABLE, fieldSelector=OURS) as stream:
        first = (await stream.next())["object"]
        assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
        await put(talk, "a", x="1", y="2")
        second = await stream.next()
        assert second["type"] == "MODIFIED"
        assert second["object"]["rows"][0]["cells"][:2] == ["a", 2]
        assert not second["object"].get("columnDefinitions")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"resourceVersionMatch": "Exact"}, ["resourceVersionMatch"]),
        ({"resourceVersionMatch": "Most", "resourceVersion": "5"}, ["resourceVersionMatch"]),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, ["resourceVersionMatch"]),
        ({"sendInitialEvents": "true"}, ["sendInitialEvents"]),
        ({"watch": "1", "sendInitialEvents": "true"}, ["resourceVersionMatch"]),
        (
            {"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
            ["resourceVersionMatch"] * 2,
        ),
        ({"watch": "1", "resourceVersionMatch": "NotOlderThan"}, ["resourceVersionMatch"]),
    ],
    ids=str,
)
async def test_parameters_that_do_not_go_together(
    talk: Talk, query: dict[str, str], fields: list[str]
) -> None:
    answer = await talk.get(talk.path("configmaps"), **query)
    assert (answer.status, answer.reason) == (422, "Invalid")
    details = answer.body["details"]
    assert (details["group"], details["kind"]) == ("meta.k8s.io", "ListOptions")
    assert [cause["field"] for cause in details["causes"]] == fields


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ({"limit": "ten"}, 400, "BadRequest"),
        ({"limit": "-1"}, 200, ""),
        ({"labelSelector": "a===b"}, 400, "BadRequest"),
        ({"labelSelector": "a b"}, 400, "BadRequest"),
        ({"fieldSelector": "a b"}, 400, "BadRequest"),
        ({"continue": "nonsense"}, 400, "BadRequest"),
        ({"resourceVersion": "soon"}, 400, "BadRequest"),
        ({"resourceVersion": "0"}, 200, ""),
        ({"watch": "false"}, 200, ""),
        ({"watch": "False"}, 200, ""),
        ({"watch": "0"}, 200, ""),
    ],
    ids=str,
)
async def test_parameters_of_a_list(talk: Talk, query: dict[str, str], status: int, reason: str) -> None:
    answer = await talk.get(talk.path("configmaps"), **query)
    assert (answer.status, answer.reason) == (status, reason)
    assert reason or answer.body["kind"] == "ConfigMapList"


@pytest.mark.parametrize("word", ["", "1", "t", "f", "True", "yes"])
async def test_every_other_word_asks_for_a_watch(talk: Talk, word: str) -> None:
    await put(talk, "a", "x")
    query = {"watch": word, "labelSelector": "tier=x", "timeoutSeconds": "1"}
    assert (await talk.get(talk.path("configmaps"), **query)).body["type"] == "ADDED"


async def test_a_version_that_is_not_there_yet_is_waited_for_by_the_client(talk: Talk) -> None:
    await put(talk, "a")
    for path in (talk.path("configmaps"), talk.path("configmaps", "a")):
        answer = await talk.get(path, resourceVersion="99999999999")
        assert (answer.status, answer.reason) == (504, "Timeout")
        details = answer.body["details"]
        assert [cause["reason"] for cause in details["causes"]] == ["ResourceVersionTooLarge"]
        assert details["retryAfterSeconds"] == 1


@pytest.mark.parametrize(
    ("accept", "cells"),
    [
        ("application/json", None),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", None),
        (TABLE, ["a", 1]),
    ],
)
async def test_what_goes_at_once_is_told_as_it_was(talk: Talk, accept: str, cells: list[Any] | None) -> None:
    version = str(await put(talk, "a", "x", k="1"))
    query = {"labelSelector": "tier=x", "resourceVersion": version}
    async with talk.watching(talk.path("configmaps"), accept=accept, **query) as stream:
        await remove(talk, "a")
        event = await stream.next()
    assert event["type"] == "DELETED"
    told = event["object"]
    if cells is not None:
        assert told["rows"][0]["cells"][:2] == cells
        told = told["rows"][0]["object"]
    assert not {"deletionTimestamp", "deletionGracePeriodSeconds"} & set(told["metadata"])
    assert told["metadata"]["labels"] == {"tier": "x"}


async def test_a_selector_of_fields_sees_objects_enter_and_leave(talk: Talk) -> None:
    spec = {"nodeName": "nowhere", "automountServiceAccountToken": False}
    body = {"metadata": {"name": "p"}, "spec": {**spec, "containers": [{"name": "c", "image": "i"}]}}
    status = talk.path("pods", "p", subresource="status")
    async with talk.watching(talk.path("pods"), fieldSelector="status.phase=Running") as stream:
        await talk.made(talk.path("pods"), body)
        await talk.patch(status, {"status": {"phase": "Running"}})
        await talk.patch(status, {"status": {"phase": "Succeeded"}})
        seen = [await stream.next() for _ in range(2)]
    told = [(event["type"], event["object"]["status"]["phase"]) for event in seen]
    assert told == [("ADDED", "Running"), ("DELETED", "Running")]


async def test_the_mark_of_a_streamed_table_is_in_its_row(talk: Talk) -> None:
    await put(talk, "a", "x")
    query = {"labelSelector": "tier=x", **WATCH_LIST}
    async with talk.watching(talk.path("configmaps"), accept=TABLE, **query) as stream:
        assert (await stream.next())["type"] == "ADDED"
        mark = await stream.next()
    assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "Table")
    (row,) = mark["object"]["rows"]
    assert row["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_that_asks_for_bookmarks_ends_with_one(talk: Talk) -> None:
    newest = await put(talk, "a", "x")
    query = {"labelSelector": "tier=x", "timeoutSeconds": "3", "allowWatchBookmarks": "true"}
    async with talk.watching(talk.path("configmaps"), **query) as stream:
        assert await stream.brief() == ("ADDED", "a")
        mark = await stream.next()
    assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert int(mark["object"]["metadata"]["resourceVersion"]) >= newest


async def test_a_further_page_has_the_version_of_the_first(talk: Talk) -> None:
    for name in ("a", "b"):
        await put(talk, name)
    first = (await talk.get(talk.path("configmaps"), limit="1")).body["metadata"]
    both = {"continue": first["continue"], "resourceVersion": first["resourceVersion"]}
    answer = await talk.get(talk.path("configmaps"), **both)
    assert (answer.status, answer.reason) == (400, "BadRequest")


async def test_a_collection_is_deleted_as_its_objects_are(talk: Talk) -> None:
    body = {"metadata": {"name": "a", "labels": {"t": "x"}, "finalizers": ["example.org/held"]}}
    await talk.made(talk.path("secrets"), body)
    dry = await talk.delete(talk.path("secrets"), labelSelector="t=x", dryRun="All")
    assert len(dry.body["items"]) == 1
    assert "deletionTimestamp" not in (await talk.get(talk.path("secrets", "a"))).body["metadata"]
    gone = await talk.delete(talk.path("secrets"), labelSelector="t=x")
    assert gone.body["kind"] == "SecretList"
    assert "deletionTimestamp" in (await talk.get(talk.path("secrets", "a"))).body["metadata"]
    await talk.patch(talk.path("secrets", "a"), {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"tailLines": "-1"}, 422),
        ({"tailLines": "x"}, 400),
        ({"limitBytes": "0"}, 422),
        ({"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"}, 422),
        ({"container": "other"}, 400),
    ],
    ids=str,
)
async def test_a_log_that_cannot_be_asked_for(talk: Talk, query: dict[str, str], status: int) -> None:
    spec = {"nodeName": "nowhere", "automountServiceAccountToken": False}
    body = {"metadata": {"name": "p"}, "spec": {**spec, "containers": [{"name": "c", "image": "i"}]}}
    await talk.made(talk.path("pods"), body)
    assert (await talk.get(talk.path("pods", "p", subresource="log"), **query)).status == status
    missing = await talk.get(talk.path("pods", "none", subresource="log"))
    assert (missing.status, missing.reason) == (404, "NotFound")


async def test_a_list_of_any_version_is_whole_whatever_its_limit(talk: Talk) -> None:
    for name in ("a", "b", "c"):
        await put(talk, name, "x")
    maps = talk.path("configmaps")
    # What answers may be a little behind.
    async with talk.watching(maps, labelSelector="tier=x", resourceVersion="0") as stream:
        for _ in range(3):
            await stream.next()
    whole = (await talk.get(maps, labelSelector="tier=x", resourceVersion="0", limit="1")).body
    assert [item["metadata"]["name"] for item in whole["items"]] == ["a", "b", "c"]
    assert not {"continue", "remainingItemCount"} & set(whole["metadata"])


async def test_pages_of_tables_and_of_metadata(talk: Talk) -> None:
    for name in ("a", "b"):
        await put(talk, name, "x", k="1")
    maps = talk.path("configmaps")
    table = (await talk.get(maps, accept=TABLE, limit="1")).body
    assert [row["cells"][:2] for row in table["rows"]] == [["a", 1]]
    assert table["metadata"]["continue"]
    partial = (await talk.get(maps, accept=PARTIAL_LIST, limit="1")).body
    assert (partial["kind"], partial["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    (item,) = partial["items"]
    assert (item["kind"], item["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert set(item) == {"kind", "apiVersion", "metadata"}
    assert partial["metadata"]["continue"]
    more = {"limit": "9", "continue": partial["metadata"]["continue"]}
    rest = (await talk.get(maps, accept=PARTIAL_LIST, **more)).body
    assert rest["items"][0]["metadata"]["name"] == "b"


async def test_a_watch_of_metadata_alone(talk: Talk) -> None:
    await put(talk, "a", "x", k="1")
    query = {"labelSelector": "tier=x", **WATCH_LIST}
    async with talk.watching(talk.path("configmaps"), accept=PARTIAL, **query) as stream:
        added, mark = await stream.next(), await stream.next()
        await put(talk, "a", "x", k="2")
        changed = await stream.next()
    assert [event["type"] for event in (added, mark, changed)] == ["ADDED", "BOOKMARK", "MODIFIED"]
    for event in (added, mark, changed):
        told = event["object"]
        assert (told["kind"], told["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
        assert set(told) == {"kind", "apiVersion", "metadata"}
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize(
    ("name", "accept", "kind"),
    [
        ("a", PARTIAL, "PartialObjectMetadata"),
        ("", PARTIAL, None),
        ("a", PARTIAL_LIST, None),
        ("a", f"{PARTIAL_LIST},application/json", None),
        ("", PARTIAL_LIST, "PartialObjectMetadataList"),
        ("", f"{PARTIAL_LIST},application/json", "PartialObjectMetadataList"),
    ],
)
async def test_metadata_are_asked_of_what_is_asked_for(
    talk: Talk, name: str, accept: str, kind: str | None
) -> None:
    await put(talk, "a")
    answer = await talk.get(talk.path("configmaps", name), accept=accept)
    if kind is None:
        assert (answer.status, answer.reason) == (406, "NotAcceptable")
    else:
        assert answer.body["kind"] == kind


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
async def test_a_write_answers_in_the_form_it_is_asked_for(talk: Talk, method: str) -> None:
    secrets, body = talk.path("secrets"), {"metadata": {"name": "a", "finalizers": ["example.org/held"]}}
    if method == "post":
        answer = await talk.post(secrets, body, accept=PARTIAL)
    else:
        await talk.made(secrets, body)
        path = talk.path("secrets", "a")
        how = {"put": talk.put, "patch": talk.patch}
        answer = await (how[method](path, body, accept=PARTIAL) if method in how
                        else talk.delete(path, accept=PARTIAL))  # fmt: skip
    assert answer.body["kind"] == "PartialObjectMetadata", answer.body
    await talk.patch(talk.path("secrets", "a"), {"metadata": {"finalizers": None}})
