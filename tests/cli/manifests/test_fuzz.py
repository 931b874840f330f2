"""No manifest, however wrong, gets anything but a declared answer, and every door gives the same one."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parts.decisions import BROKEN, START
from parts.random_manifests import SCHEMAS, Object, places, spoilt, texts, written
from tidegate.api.decode import decode
from tidegate.api.kinds import API_VERSION
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.schema.crds import crds
from tidegate.api.schema.structural import apply_defaults, prune, validate
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.validation.problems import problems
from tidegate.api.yamltext import Unreadable, documents
from tidegate.base.errors import Misconfigured
from tidegate.base.problems import Problem
from tidegate.cli.commands.validate import hpa_of
from tidegate.cli.manifests.admission import admit
from tidegate.cli.manifests.files import Read, parse
from tidegate.cli.manifests.manifest_set import ManifestSet
from tidegate.cli.manifests.remarks import is_ours, remarks_about, remarks_of
from tidegate.cli.manifests.server_checks import refused, stored
from tidegate.cli.wiring.local.parts import definitions
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.values import JobView, Memory, Reading, Seen, SetReplicas
from tidegate.kit.reading import Sources
from tidegate.kube.resource import NAMESPACES, ApiError
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.validation.custom_resources import kinds_of
from tidegate.local.apiserver.writing.verbs import Options, Target
from tidegate.operator.reconcile.trigger_plan import Kept, Plan
from tidegate.review.manifest import review
from tidegate.runtime.clock import SystemClock

# How the API server begins a message, before it shows the value.
WORDS = re.compile(
    r"(Invalid value: |Required value|Unsupported value: |Duplicate value: |Too long: |Too many: |Not found: "
    r"|Forbidden: )"
)
KIND_OF = {kind.resource.kind: kind for definition in crds() for kind in kinds_of(definition)}
# As many as the profile says in the quick check, and four times as many in the full one.
TRIES = settings(max_examples=settings().max_examples ** 2 // 25)
Create = Callable[[Object, Options], tuple[str, ...]]
READINGS = st.sampled_from([None, BROKEN, 0.0, 0.0004, 1.0, 7.0, 1e12])


@pytest.fixture(scope="module")
def create(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Create]:
    """The create verb of a control plane: the warnings, or ApiError."""
    with asyncio.Runner() as runner:
        folder: Path = tmp_path_factory.mktemp("plane")
        plane = runner.run(open_plane(folder, SystemClock(), admissions=[admit]))
        runner.run(plane.keep(definitions()))

        def create(body: Object, options: Options) -> tuple[str, ...]:
            kind = plane.kinds.named(API_VERSION, body["kind"])
            assert kind is not None
            namespace = str(body["metadata"].get("namespace") or "default")
            target = Target(kind, namespace if kind.resource.is_namespaced else "", "")
            return runner.run(plane.verbs.create(target, body, options)).warnings

        runner.run(plane.objects.create(NAMESPACES, {"metadata": {"name": "shop"}}))
        yield create
        runner.run(plane.close())


def outcome(work: Callable[[], Any]) -> Any:
    """What it returns, or the declared error that it raises."""
    try:
        return work()
    except (ApiError, Unreadable) as error:
        return error


def causes(error: ApiError) -> set[tuple[str, str]]:
    found = (error.details or {}).get("causes", ())
    return {(cause["field"], cause["message"]) for cause in found}


def told(found: list[Problem]) -> set[tuple[str, str]]:
    return {(problem.path, problem.message) for problem in found}


def is_too_deep(found: list[Problem]) -> bool:
    return len(found) == 1 and "nests deeper" in found[0].message


@TRIES
@given(spoilt())
def test_every_problem_names_a_field_and_its_value_and_changes_nothing(body: Object) -> None:
    before = copy.deepcopy(body)
    for problem in problems(body):
        assert problem.path
        assert WORDS.match(problem.message), problem
        assert len(problem.message) < 2000
    assert body == before


@TRIES
@given(spoilt())
def test_a_schema_prunes_and_defaults_once_and_its_doors_agree(body: Object) -> None:
    if not is_ours(body):
        return
    schema = SCHEMAS[body["kind"]]
    unknown = prune(schema, body)
    assert all(unknown)
    apply_defaults(schema, body)
    settled = copy.deepcopy(body)
    assert prune(schema, body) == []
    apply_defaults(schema, body)
    assert body == settled
    found = problems(body)
    assert told(validate(schema, body)) <= told(found) or is_too_deep(found)


@TRIES
@given(spoilt(), st.data())
def test_what_is_accepted_is_read_reviewed_and_decided(body: Object, data: st.DataObject) -> None:
    wrong = problems(body)
    if is_ours(body) and not is_too_deep(wrong):
        prune(SCHEMAS[body["kind"]], body)
    raw = msgspec.json.encode(body)
    try:
        object = decode(body)
        assert decode(raw) == object
    except Misconfigured:
        with pytest.raises(Misconfigured):
            decode(raw)
        assert wrong
        return
    if isinstance(object, TriggerAuthentication | ClusterTriggerAuthentication):
        return
    # Nothing that can be decoded may break a review, refused or not: it may have been stored by others.
    found = review(object, lambda index: Sources(object.spec.triggers[index].metadata), template_of(data))
    assert all(one.path and 0 < len(one.message) <= 500 for one in (*found.problems, *found.notices))
    if isinstance(object, ScaledObject):
        try:
            hpa = hpa_of(object)
            assert msgspec.json.decode(msgspec.json.encode(hpa)) == hpa
        except Misconfigured:
            pass
    if not wrong:
        decided(object, found, data)


def template_of(data: st.DataObject) -> Object | None:
    template: Object | None = data.draw(
        st.sampled_from(
            [None, {}, {"spec": {"containers": [{"name": "w", "resources": {"requests": {"cpu": "x"}}}, 5]}}]
        )
    )
    return template


def decided(object: ScaledObject | ScaledJob, found: Any, data: st.DataObject) -> None:
    now = START + timedelta(seconds=data.draw(st.sampled_from([0, 31, 10**6])))

    def kept(index: int) -> Kept:
        said = data.draw(READINGS)
        if said is None:
            return None, 0
        if said is BROKEN:
            return Reading(START, failure=BROKEN), data.draw(st.sampled_from([1, 5]))
        metrics = found.triggers[index].metrics
        snapshot = (JobView("a"),) if isinstance(object, ScaledJob) else None
        return Reading(START, (said,) * len(metrics), snapshot=snapshot), 0

    plan = Plan(found, {}, frozenset(), ())
    views = plan.views(kept, now)
    if isinstance(object, ScaledJob):
        decision = decide_scaled_job(object, (JobView("a"),), views, Memory(), now, plan.check("x"))
        assert decision.reasons
        return
    seen = Seen(data.draw(st.sampled_from([0, 1, 7, BROKEN])), check=plan.check("x"), ready=1)
    decision = decide_scaled_object(object, seen, views, Memory(), now, found.composite)
    assert decision.reasons
    for action in decision.actions:
        if isinstance(action, SetReplicas):
            assert 0 <= action.replicas < 2**31


@TRIES
@given(body=spoilt())
def test_validate_the_admission_and_the_server_refuse_the_same(create: Create, body: Object) -> None:
    if not is_ours(body) or not isinstance(body.get("metadata"), dict):
        return
    unknown, found = refused(body)
    if is_too_deep(found) or not isinstance(body["metadata"].get("namespace", ""), str):
        # The server reads no namespace of a cluster's object, and stores what we would not.
        return
    dry = Options(is_dry_run=True, field_validation="Strict")
    warnings = outcome(lambda: create(copy.deepcopy(body), Options(is_dry_run=True)))
    if isinstance(warnings, ApiError):
        assert warnings.code in (400, 404, 409, 422)
        assert warnings.code != 422 or found
        assert causes(warnings) <= told(found)
        return
    assert found == []
    refusals, said = admit("CREATE", KIND_OF[body["kind"]], stored(body), None)
    assert not refusals
    assert set(warnings) == {f'unknown field "{path}"' for path in unknown} | set(said)
    if unknown:
        with pytest.raises(ApiError, match="unknown field"):
            create(copy.deepcopy(body), dry)
    else:
        create(copy.deepcopy(body), dry)


@TRIES
@given(spoilt(), st.data())
def test_a_text_says_what_was_written(body: Object, data: st.DataObject) -> None:
    text = written(data.draw, body)
    said = outcome(lambda: [value for _, value in documents(text)])
    if isinstance(said, Unreadable):
        # What JSON has and YAML has not: some characters, a deep nest, keys of any length.
        is_known = "may not stand in YAML" in said.text or "deeper" in said.text
        assert is_known or any(len(str(path[-1])) > 1000 for path in places(body))
        return
    assert said == [whole(body)]


def whole(value: Any) -> Any:
    """As JSON has it once more: whole floats are integers."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


@TRIES
@given(texts())
def test_no_text_breaks_the_reader_or_validate(text: str) -> None:
    found = parse("a.yaml", text)
    for wrong in found.wrong:
        assert re.fullmatch(r"a\.yaml(:[0-9]+){1,2}", wrong.place)
        assert wrong.text.isprintable()
    manifests = ManifestSet(found.documents)
    lines = len(re.findall("[\n\r\x85\u2028\u2029]", text)) + 2
    for document in found.documents:
        msgspec.json.encode(document.body)
        remarks = list(remarks_about(document, manifests))
        for remark in remarks:
            name, line = remark.place.rsplit(":", 1)
            assert name == "a.yaml"
            assert 1 <= int(line) <= lines
            remark.text.encode()
        if is_ours(document.body) and not any(one.level == "error" for one in remarks):
            assert problems(stored(document.body)) == []
    # Beside themselves they say no less.
    assert len(remarks_of(found)) >= len(found.wrong)
    twice = Read((*found.documents, *parse("b.yaml", text).documents))
    assert all(str(one).isprintable() or one.field for one in remarks_of(twice))


@TRIES
@given(texts(), st.data())
def test_a_field_is_found_in_its_text_or_the_nearest_above(text: str, data: st.DataObject) -> None:
    for document in parse("a.yaml", text).documents:
        for path in list(places(document.body))[:50]:
            named = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
            assert document.place_of(named.removeprefix(".")).startswith("a.yaml:")
