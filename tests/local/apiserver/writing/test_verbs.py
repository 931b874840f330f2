from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
import pytest

from tidegate.kube.resource import CONFIG_MAPS, CRDS, DEPLOYMENTS, JOBS, NODES, PODS, SECRETS, SERVICES
from tidegate.local.apiserver.writing.verbs import Options

DRY = Options(is_dry_run=True)
STRICT = Options(field_validation="Strict")


async def put(
    api: Any, resource: Any, name: str, body: Any, subresource: str = "", options: Any = None
) -> Any:
    written = await api.plane.verbs.update(
        api.target(resource, name, subresource), body, options or Options(field_validation="Strict")
    )
    return msgspec.json.decode(written.body)


async def test_a_new_object_gets_its_identity_from_the_server(api: Any) -> None:
    claimed = {"uid": "mine", "generation": 7, "creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x"}
    body = api.deployment()
    body["metadata"] |= claimed | {"managedFields": [{"manager": "kubectl"}]}
    body["status"] = {"readyReplicas": 9}
    made = await api.create(DEPLOYMENTS, body)
    meta = made["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", meta["uid"])
    assert meta["creationTimestamp"] == "2026-01-31T08:00:00Z"
    assert meta["generation"] == 1
    assert meta["namespace"] == "default"
    assert int(meta["resourceVersion"]) == api.plane.reads.version
    assert "managedFields" not in meta
    assert made["status"] == {}
    assert (made["apiVersion"], made["kind"]) == ("apps/v1", "Deployment")
    assert api.get(DEPLOYMENTS, "web") == made


async def test_only_kinds_that_have_a_generation_get_one(api: Any) -> None:
    made = await api.create(CONFIG_MAPS, api.config_map())
    assert "generation" not in made["metadata"]


async def test_the_status_of_a_node_is_kept_at_creation_that_of_a_pod_is_not(api: Any) -> None:
    """A Pod made from what `kubectl get -o yaml` printed begins anew."""
    made = await api.create(PODS, {**api.pod(), "status": {"phase": "Succeeded", "podIP": "1.2.3.4"}})
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    node = await api.create(NODES, {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": 4}}})
    assert node["status"]["capacity"] == {"cpu": "4"}


async def test_a_generated_name_is_the_prefix_and_five_letters_that_spell_nothing(api: Any) -> None:
    body = {"metadata": {"generateName": "job-"}}
    names = {(await api.create(CONFIG_MAPS, body))["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    for name in names:
        assert re.fullmatch("job-[bcdfghjklmnpqrstvwxz2456789]{5}", name)
    long = await api.create(CONFIG_MAPS, {"metadata": {"generateName": "x" * 80}})
    assert len(long["metadata"]["name"]) == 63


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"apiVersion": "v2"}, 400, "the API version in the data (v2) does not match"),
        ({"kind": "Secret"}, 400, "the kind in the data (Secret) does not match"),
        ({"metadata": {"name": "a", "namespace": "other"}}, 400, "does not match the namespace sent"),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, 400, "resourceVersion should not be set"),
        ({"metadata": {}}, 422, "metadata.name: Required value"),
        ({"metadata": {"name": "No_Good"}}, 422, 'metadata.name: Invalid value: "No_Good"'),
        ({"metadata": ["a"]}, 400, "metadata must be a map"),
        (
            {"metadata": {"name": "a", "labels": {"x": 5}}},
            400,
            "metadata.labels.x: Invalid value: 5: is not a text",
        ),
        ({"metadata": {"name": "a"}, "data": {"x": 5}}, 400, "data.x: Invalid value: 5: is not a text"),
        ({"metadata": {"name": "a"}, "dat": {}}, 400, 'strict decoding error: unknown field "dat"'),
    ],
)
async def test_a_body_that_cannot_be_is_refused_and_nothing_is_stored(
    api: Any, change: dict[str, Any], code: int, text: str
) -> None:
    before = api.plane.reads.version
    target = api.target(CONFIG_MAPS)
    error = await api.refusal(
        api.plane.verbs.create(
            target, {"metadata": {"name": "a"}, **change}, Options(field_validation="Strict")
        )
    )
    assert error.code == code
    assert text in error.message
    assert api.plane.reads.version == before


async def test_a_body_that_is_no_map_is_refused(api: Any) -> None:
    error = await api.refusal(api.plane.verbs.create(api.target(CONFIG_MAPS), ["x"]))
    assert error.code == 400


async def test_unknown_fields_are_pruned_and_named_as_asked_for(api: Any) -> None:
    target, answers = api.target(CONFIG_MAPS), []
    for validation in ("Warn", "Ignore"):
        body = {"metadata": {"name": validation.lower(), "colour": "red"}, "dat": {}, "data": {"a": "b"}}
        options = Options(field_validation=validation)
        answers.append(await api.plane.verbs.create(target, body, options))
    assert answers[0].warnings == ('unknown field "metadata.colour"', 'unknown field "dat"')
    assert answers[1].warnings == ()
    for answer in answers:
        assert b'dat"' not in answer.body
        assert b"colour" not in answer.body


async def test_explicit_nulls_are_absent_fields(api: Any) -> None:
    body = api.deployment()
    body["metadata"]["creationTimestamp"] = None
    body["spec"]["template"]["metadata"]["creationTimestamp"] = None
    body["spec"]["replicas"] = None
    body["status"] = None
    made = await api.create(DEPLOYMENTS, body)
    assert made["spec"]["replicas"] == 1
    assert "creationTimestamp" not in made["spec"]["template"]["metadata"]


async def test_a_taken_name_is_already_exists_even_while_the_first_is_being_committed(api: Any) -> None:
    answers = await asyncio.gather(
        *(api.create(CONFIG_MAPS, api.config_map("one")) for _ in range(3)), return_exceptions=True
    )
    assert sorted(getattr(answer, "reason", "made") for answer in answers) == ["AlreadyExists"] * 2 + ["made"]
    assert api.exists(CONFIG_MAPS, "one")
    error = next(answer for answer in answers if hasattr(answer, "details"))
    assert error.message == 'configmaps "one" already exists'
    assert error.details == {"kind": "configmaps", "name": "one"}


async def test_the_loser_of_a_race_reads_what_it_lost_to(api: Any) -> None:
    first = asyncio.ensure_future(api.create(CONFIG_MAPS, api.config_map("one")))
    await asyncio.sleep(0)
    error = await api.refusal(api.create(CONFIG_MAPS, api.config_map("one")))
    assert error.reason == "AlreadyExists"
    assert api.exists(CONFIG_MAPS, "one")
    await first


async def test_a_stale_resource_version_is_a_conflict_and_the_newest_is_not(api: Any) -> None:
    made = await api.create(CONFIG_MAPS, api.config_map(a="1"))
    changed = await put(api, CONFIG_MAPS, "settings", {**api.copied(made), "data": {"a": "2"}})
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    error = await api.refusal(put(api, CONFIG_MAPS, "settings", {**api.copied(made), "data": {"a": "3"}}))
    assert (error.code, error.reason) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in error.message
    assert api.get(CONFIG_MAPS, "settings")["data"] == {"a": "2"}


async def test_of_many_writers_with_the_same_version_one_wins(api: Any) -> None:
    made = await api.create(CONFIG_MAPS, api.config_map(a="0"))
    writes = (
        put(api, CONFIG_MAPS, "settings", {**api.copied(made), "data": {"a": str(number)}})
        for number in range(1, 6)
    )
    answers = await asyncio.gather(*writes, return_exceptions=True)
    won = [answer for answer in answers if isinstance(answer, dict)]
    assert len(won) == 1
    assert api.get(CONFIG_MAPS, "settings") == won[0]


async def test_without_a_resource_version_the_last_writer_wins(api: Any) -> None:
    await api.create(CONFIG_MAPS, api.config_map(a="0"))
    for number in ("1", "2"):
        await put(api, CONFIG_MAPS, "settings", api.config_map(a=number))
    assert api.get(CONFIG_MAPS, "settings")["data"] == {"a": "2"}


async def test_another_uid_is_a_conflict(api: Any) -> None:
    await api.create(CONFIG_MAPS, api.config_map())
    body = api.config_map()
    body["metadata"]["uid"] = "of-the-one-before"
    error = await api.refusal(put(api, CONFIG_MAPS, "settings", body))
    assert error.code == 409
    assert "UID in precondition: of-the-one-before" in error.message


async def test_a_write_that_changes_nothing_keeps_the_version_and_makes_no_news(api: Any) -> None:
    made = await api.create(DEPLOYMENTS, api.deployment())
    seen: list[Any] = []
    api.plane.reads.listen(api.kind(DEPLOYMENTS), seen.extend)
    again = await put(api, DEPLOYMENTS, "web", api.deployment())
    assert again == made
    await put(api, DEPLOYMENTS, "web", {**made, "status": {"readyReplicas": 3}})
    await put(api, DEPLOYMENTS, "web", {"metadata": {"name": "web"}}, "status")
    await api.plane.verbs.patch(api.target(DEPLOYMENTS, "web"), "merge", {"spec": {"replicas": 1}})
    assert api.get(DEPLOYMENTS, "web") == made
    assert seen == []


async def test_a_change_of_nothing_is_answered_only_when_what_it_rests_on_is_stored(api: Any) -> None:
    await api.create(CONFIG_MAPS, api.config_map(a="0"))
    first = asyncio.ensure_future(put(api, CONFIG_MAPS, "settings", api.config_map(a="1")))
    await asyncio.sleep(0)
    await put(api, CONFIG_MAPS, "settings", api.config_map(a="1"))
    assert api.get(CONFIG_MAPS, "settings")["data"] == {"a": "1"}
    await first


async def test_one_is_not_true(api: Any) -> None:
    await api.create(CRDS, api.definition())
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    loose = api.definition(schema={"openAPIV3Schema": schema})
    await put(api, CRDS, "widgets.example.org", loose)
    await api.create(api.WIDGETS, {"metadata": {"name": "w"}, "x": 1})
    written = await api.plane.verbs.patch(api.target(api.WIDGETS, "w"), "merge", {"x": True})
    assert msgspec.json.decode(written.body)["x"] is True


async def test_the_main_endpoint_leaves_the_status_and_the_status_endpoint_all_else(api: Any) -> None:
    await api.create(DEPLOYMENTS, api.deployment())
    status = {
        "metadata": {"name": "web", "labels": {"x": "y"}},
        "spec": {"replicas": 9},
        "status": {"replicas": 2},
    }
    changed = await put(api, DEPLOYMENTS, "web", status, "status")
    assert changed["status"] == {"replicas": 2}
    assert changed["spec"]["replicas"] == 1
    assert "labels" not in changed["metadata"]
    assert changed["metadata"]["generation"] == 1
    body = api.deployment(replicas=4)
    body["status"] = {"replicas": 7}
    changed = await put(api, DEPLOYMENTS, "web", body)
    assert changed["status"] == {"replicas": 2}
    assert changed["spec"]["replicas"] == 4
    assert changed["metadata"]["generation"] == 2


async def test_labels_alone_do_not_raise_the_generation(api: Any) -> None:
    await api.create(DEPLOYMENTS, api.deployment())
    patch = {"metadata": {"labels": {"x": "y"}, "generation": 40, "uid": None}}
    written = await api.plane.verbs.patch(api.target(DEPLOYMENTS, "web"), "merge", patch)
    meta = msgspec.json.decode(written.body)["metadata"]
    assert meta["generation"] == 1
    assert meta["labels"] == {"x": "y"}
    assert meta["uid"]


async def test_a_patch_is_never_a_conflict_unless_it_names_a_version(api: Any) -> None:
    made = await api.create(CONFIG_MAPS, api.config_map(a="0"))
    target = api.target(CONFIG_MAPS, "settings")
    patches = [api.plane.verbs.patch(target, "merge", {"data": {f"k{number}": "v"}}) for number in range(10)]
    await asyncio.gather(*patches)
    assert len(api.get(CONFIG_MAPS, "settings")["data"]) == 11
    named = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"x": "y"}}
    error = await api.refusal(api.plane.verbs.patch(target, "merge", named))
    assert error.reason == "Conflict"


@pytest.mark.parametrize(
    ("patch", "code"),
    [({"metadata": {"name": "other"}}, 400), ({"kind": "Secret"}, 422), ({"apiVersion": "v9"}, 422)],
)
async def test_a_patch_cannot_make_another_object_of_it(api: Any, patch: dict[str, Any], code: int) -> None:
    await api.create(CONFIG_MAPS, api.config_map())
    error = await api.refusal(api.plane.verbs.patch(api.target(CONFIG_MAPS, "settings"), "merge", patch))
    assert error.code == code


async def test_a_patch_of_nothing_that_exists_is_not_found(api: Any) -> None:
    error = await api.refusal(api.plane.verbs.patch(api.target(DEPLOYMENTS, "none"), "merge", {}))
    assert (error.code, error.message) == (404, 'deployments.apps "none" not found')
    assert error.details == {"kind": "deployments", "group": "apps", "name": "none"}


async def test_an_endpoint_that_the_kind_has_not_is_not_found(api: Any) -> None:
    await api.create(CONFIG_MAPS, api.config_map())
    error = await api.refusal(put(api, CONFIG_MAPS, "settings", api.config_map(), "status"))
    assert error.code == 404


async def test_a_dry_run_answers_as_if_and_stores_nothing(api: Any) -> None:
    made = await api.create(CONFIG_MAPS, api.config_map(a="1"))
    before, verbs, target = api.plane.reads.version, api.plane.verbs, api.target(CONFIG_MAPS, "settings")
    created = await api.create(CONFIG_MAPS, api.config_map("other"), DRY)
    assert created["metadata"]["uid"]
    assert "resourceVersion" not in created["metadata"]
    patched = msgspec.json.decode((await verbs.patch(target, "merge", {"data": {"a": "2"}}, DRY)).body)
    assert patched["data"] == {"a": "2"}
    assert patched["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert (await verbs.delete(target, options=DRY)).is_removed
    error = await api.refusal(api.create(CONFIG_MAPS, api.config_map(), DRY))
    assert error.reason == "AlreadyExists"
    assert api.plane.reads.version == before
    assert not api.exists(CONFIG_MAPS, "other")


async def test_what_a_secret_says_in_plain_text_is_stored_encoded_and_never_as_text(api: Any) -> None:
    body = {"metadata": {"name": "s"}, "data": {"a": "eA=="}, "stringData": {"b": "y", "a": "z"}}
    made = await api.create(SECRETS, body)
    assert made["data"] == {"a": "eg==", "b": "eQ=="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


@pytest.mark.parametrize(
    ("resource", "field"), [(SECRETS, "data"), (CONFIG_MAPS, "binaryData")], ids=["secret", "config-map"]
)
async def test_base64_over_several_lines_is_stored_in_one(api: Any, resource: Any, field: str) -> None:
    values = {"a": "Z29v\nZA==\n", "b": "Z28=\r\n"}
    made = await api.create(resource, {"metadata": {"name": "s"}, field: values})
    assert made[field] == {"a": "Z29vZA==", "b": "Z28="}
    await api.plane.verbs.patch(api.target(resource, "s"), "merge", {field: {"b": "Z29v\nZA=="}})
    assert api.get(resource, "s")[field] == {"a": "Z29vZA==", "b": "Z29vZA=="}


async def test_a_bad_value_of_a_secret_is_named_but_not_shown(api: Any) -> None:
    for field, value in (("data", "hunter2!"), ("data", ["hunter2"]), ("stringData", {"a": "hunter2"})):
        error = await api.refusal(api.create(SECRETS, {"metadata": {"name": "s"}, field: {"key": value}}))
        assert error.code == 400
        assert f"{field}.key" in error.message
        assert "hunter2" not in f"{error.message}{error.details}"


async def test_a_service_gets_an_address_of_its_own_and_keeps_it(api: Any) -> None:
    def service(name: str, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}

    made = [await api.create(SERVICES, service(f"s{number}")) for number in range(50)]
    addresses = {body["spec"]["clusterIP"] for body in made}
    assert len(addresses) == 50
    assert all(address.startswith("127.") for address in addresses)
    again = await put(api, SERVICES, "s0", service("s0", selector={"a": "b"}))
    assert again["spec"]["clusterIP"] == made[0]["spec"]["clusterIP"]
    assert again["spec"]["clusterIPs"] == [made[0]["spec"]["clusterIP"]]
    headless = await api.create(SERVICES, service("h", clusterIP="None"))
    assert headless["spec"]["clusterIP"] == "None"
    taken = await api.refusal(api.create(SERVICES, service("t", clusterIP=made[1]["spec"]["clusterIP"])))
    assert "provided IP is already allocated" in taken.message
    outside = await api.refusal(api.create(SERVICES, service("o", clusterIP="10.96.0.1")))
    assert "(10.96.0.1) is not in the valid range. The range of valid IPs is 127.64.0.0/11" in outside.message
    await api.plane.verbs.delete(api.target(SERVICES, "s1"))
    freed = await api.create(SERVICES, service("t", clusterIP=made[1]["spec"]["clusterIP"]))
    assert freed["spec"]["clusterIP"] == made[1]["spec"]["clusterIP"]
    external = await api.create(
        SERVICES, {"metadata": {"name": "e"}, "spec": {"type": "ExternalName", "externalName": "x.org"}}
    )
    assert "clusterIP" not in external["spec"]


async def test_all_that_is_wrong_comes_in_one_answer_with_the_field_of_each(api: Any) -> None:
    body = api.deployment("Web_", replicas=-1, selector={})
    body["spec"]["template"]["spec"]["containers"].append(
        {"name": "main", "ports": [{"containerPort": 99999}]}
    )
    error = await api.refusal(api.create(DEPLOYMENTS, body))
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message.startswith('Deployment.apps "Web_" is invalid: [')
    assert [cause["field"] for cause in error.details["causes"]] == [
        "metadata.name",
        "spec.replicas",
        "spec.selector",
        "spec.template.spec.containers[1].name",
        "spec.template.spec.containers[1].image",
        "spec.template.spec.containers[1].ports[0].containerPort",
    ]
    assert {"name": "Web_", "group": "apps", "kind": "Deployment"}.items() <= error.details.items()
    assert not api.exists(DEPLOYMENTS, "Web_")


async def test_values_of_a_wrong_type_are_all_named(api: Any) -> None:
    body = api.deployment(replicas="3", paused="yes")
    body["spec"]["template"]["spec"]["containers"] = {}
    error = await api.refusal(api.create(DEPLOYMENTS, body))
    assert error.code == 400
    for field in ("spec.template.spec.containers", "spec.replicas", "spec.paused"):
        assert f"{field}: Invalid value" in error.message


NOTE = "tidegate.dev/ended-attempts"


async def test_what_a_job_has_counted_changes_with_its_status_only(api: Any) -> None:
    """A manifest that was once printed with it brings it neither back nor to another Job."""
    body = api.job()
    body["metadata"]["annotations"] = {NOTE: "failed=0-5", "a": "b"}
    made = await api.create(JOBS, body)
    assert made["metadata"]["annotations"] == {"a": "b"}
    made["metadata"]["annotations"] = {NOTE: "failed=0", "a": "b"}
    await api.plane.objects.update(JOBS, {**made, "status": {"failed": 1}}, "status")
    for asked in ({NOTE: "failed=0-5", "c": "d"}, {NOTE: None, "c": "d"}):
        patch = {"metadata": {"annotations": asked}}
        await api.plane.objects.patch(JOBS, "default", "once", patch)
        found = api.get(JOBS, "once")
        assert found["metadata"]["annotations"] == {NOTE: "failed=0", "a": "b", "c": "d"}
        assert found["status"] == {"failed": 1}


async def test_who_writes_a_status_may_leave_a_note_but_not_other_metadata(api: Any) -> None:
    made = await api.create(JOBS, api.job())
    changed = {"annotations": {"a": "b"}, "labels": {"c": "d"}, "finalizers": ["example.org/x"]}
    body = {**made, "metadata": {**made["metadata"], **changed}, "status": {"failed": 1}}
    written = await api.plane.objects.update(JOBS, body, "status")
    assert written["metadata"]["annotations"] == {"a": "b"}
    assert written["metadata"]["labels"] == made["metadata"]["labels"]
    assert "finalizers" not in written["metadata"]
    assert written["status"] == {"failed": 1}
