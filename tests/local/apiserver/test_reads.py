from __future__ import annotations

from typing import Any

import pytest

from tidegate.kube.resource import CONFIG_MAPS, EVENTS, PODS, ApiError
from tidegate.local.apiserver.reads import Query


@pytest.fixture
async def maps(api: Any) -> Any:
    for name, tier in (("a", "1"), ("b", "2"), ("c", "1"), ("d", "3"), ("e", "1")):
        await api.create(CONFIG_MAPS, {"metadata": {"name": name, "labels": {"tier": tier}}})
    return api


def listed(api: Any, resource: Any = CONFIG_MAPS, **query: Any) -> Any:
    return api.plane.reads.list(api.kind(resource), Query(**query))


def names(page: Any) -> str:
    return "".join(row.name for row in page.rows)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "abcde"),
        ({"namespace": "default"}, "abcde"),
        ({"namespace": "kube-system"}, ""),
        ({"labels": "tier=1"}, "ace"),
        ({"labels": "tier in (2,3)"}, "bd"),
        ({"labels": "!tier"}, ""),
        ({"fields": "metadata.name=b"}, "b"),
        ({"fields": "metadata.name!=b,metadata.namespace=default"}, "acde"),
        ({"labels": "tier=1", "fields": "metadata.name=b"}, ""),
    ],
)
async def test_selectors_choose(maps: Any, query: dict[str, str], expected: str) -> None:
    assert names(listed(maps, **query)) == expected


async def test_fields_of_any_depth_choose(api: Any) -> None:
    for name in ("ran", "waits"):
        await api.create(PODS, api.pod(name))
    await api.plane.objects.patch(PODS, "default", "ran", {"status": {"phase": "Succeeded"}}, "status")
    assert names(listed(api, PODS, fields="status.phase!=Succeeded")) == "waits"
    assert names(listed(api, PODS, fields="spec.restartPolicy=Always,spec.nodeName=")) == "ranwaits"
    assert names(listed(api, PODS, fields="spec.hostNetwork=false,status.phase=Succeeded")) == "ran"


async def test_a_field_that_nothing_is_chosen_by_is_refused_not_answered_with_nothing(api: Any) -> None:
    await api.create(PODS, api.pod("waits"))
    with pytest.raises(ApiError, match=r"field label not supported: spec\.foo") as caught:
        listed(api, PODS, fields="metadata.name=waits,spec.foo!=x")
    assert caught.value.code == 400


@pytest.mark.parametrize("query", [{"labels": "a=b=c"}, {"fields": "metadata.name"}, {"continue_token": "?"}])
async def test_a_selector_or_token_that_is_none_is_a_bad_request(maps: Any, query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        listed(maps, **query)
    assert caught.value.code == 400


async def test_events_are_listed_as_they_happened_not_by_name(api: Any) -> None:
    """kubectl sorts them by seconds, and leaves those of one second in the order it got them."""
    about = await api.create(PODS, api.pod())
    reasons = ["Scheduled", "Pulled", "Created", "Started", "Unhealthy", "Killing"]
    for reason in reasons:
        await api.plane.objects.event(about, "Normal", reason, "news", "test")
    await api.plane.objects.event(about, "Normal", "Created", "news", "test")
    reasons = [one for one in reasons if one != "Created"] + ["Created"]
    assert [row.parse()["reason"] for row in listed(api, EVENTS).rows] == reasons
    assert [row.parse()["reason"] for row in listed(api, EVENTS, namespace="default").rows] == reasons
    paged, token = [], ""
    while True:
        page = listed(api, EVENTS, namespace="default", limit=2, continue_token=token)
        paged += [row.parse()["reason"] for row in page.rows]
        token = page.continue_token
        if not token:
            break
    assert paged == reasons


async def test_pages_cover_everything_once_and_keep_the_first_pages_version(maps: Any) -> None:
    page = listed(maps, limit=2)
    version, found = page.version, names(page)
    assert (found, page.remaining) == ("ab", 3)
    await maps.create(CONFIG_MAPS, {"metadata": {"name": "aa"}})
    await maps.create(CONFIG_MAPS, {"metadata": {"name": "f"}})
    while page.continue_token:
        page = listed(maps, limit=2, continue_token=page.continue_token)
        found += names(page)
        assert page.version == version
    assert found == "abcdef"
    missed = [entry.row.name for entry in maps.plane.reads.since(maps.kind(CONFIG_MAPS), version)]
    assert missed == ["aa", "f"], "a watch from the list's version brings what the pages could not show"


async def test_a_limit_that_fits_exactly_has_no_next_page(maps: Any) -> None:
    page = listed(maps, limit=5)
    assert (names(page), page.continue_token, page.remaining) == ("abcde", "", None)


async def test_a_chosen_list_does_not_count_what_remains(maps: Any) -> None:
    page = listed(maps, limit=1, labels="tier=1")
    assert (names(page), page.remaining) == ("a", None)
    assert names(listed(maps, limit=9, labels="tier=1", continue_token=page.continue_token)) == "ce"


async def test_a_token_whose_history_is_gone_is_expired(maps: Any) -> None:
    token = listed(maps, limit=1).continue_token
    target = maps.target(CONFIG_MAPS, "a")
    for number in range(5001):
        maps.plane.store.submit(
            "configmaps",
            "MODIFIED",
            rewritten(maps, number),
        )
    await maps.plane.verbs.patch(target, "merge", {"data": {"last": "one"}})
    with pytest.raises(ApiError) as caught:
        listed(maps, limit=1, continue_token=token)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


def rewritten(api: Any, number: int) -> Any:
    from tidegate.local.apiserver.storage.stored_object import row_of

    body = api.get(CONFIG_MAPS, "b")
    body["data"] = {"n": str(number)}
    return row_of(body, api.plane.store.next_version())


async def test_what_is_not_there_is_not_found(api: Any) -> None:
    with pytest.raises(ApiError) as caught:
        api.plane.reads.get(api.kind(CONFIG_MAPS), "default", "none")
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")
