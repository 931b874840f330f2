"""A workload has one HPA: a foreign one is refused unless it is handed over by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from parts.decisions import scaled_object
from tidegate.review.ownership import hpa_problems, taken

TRANSFER = {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
SPEC = "spec.scaleTargetRef"
NAME = "spec.advanced.horizontalPodAutoscalerConfig.name"


def hpa(name: str = "theirs", target: str = "web", kind: str = "Deployment", **metadata: Any) -> Any:
    ref = {"apiVersion": "apps/v1", "kind": kind, "name": target}
    return {"metadata": {"name": name, **metadata}, "spec": {"scaleTargetRef": ref}}


OURS = hpa("keda-hpa-web", ownerReferences=[{"kind": "ScaledObject", "name": "web"}])


@pytest.mark.parametrize(
    ("annotations", "name", "hpas", "paths"),
    [
        ({}, None, [], []),
        ({}, None, [OURS], []),
        ({}, None, [hpa(target="other")], []),
        ({}, None, [hpa(kind="StatefulSet")], []),
        ({}, None, [hpa()], [SPEC]),
        ({}, "theirs", [hpa()], [SPEC]),
        ({}, None, [hpa("keda-hpa-web")], [SPEC]),
        ({}, None, [hpa(ownerReferences=[{"kind": "ScaledObject", "name": "other"}])], [SPEC]),
        ({}, None, [hpa(annotations={"validations.keda.sh/hpa-ownership": "false"})], []),
        ({}, None, [hpa(annotations={"validations.keda.sh/hpa-ownership": "true"})], [SPEC]),
        (TRANSFER, "theirs", [hpa()], []),
        (TRANSFER, None, [hpa("keda-hpa-web")], []),
        (TRANSFER, None, [hpa()], [NAME]),
        (TRANSFER, "theirs", [hpa(), hpa("second")], [NAME]),
        ({"scaledobject.keda.sh/transfer-hpa-ownership": "True"}, "theirs", [hpa()], [SPEC]),
        ({}, None, [hpa(), hpa("second")], [SPEC, SPEC]),
    ],
)
def test_a_foreign_hpa_is_refused_unless_it_is_handed_over(
    annotations: dict[str, str], name: str | None, hpas: list[Any], paths: list[str]
) -> None:
    config = {"horizontalPodAutoscalerConfig": {"name": name}} if name else {}
    object = scaled_object(annotations, advanced=config)
    assert [problem.path for problem in hpa_problems(object, hpas)] == paths


def test_the_words_are_kedas() -> None:
    (owned,) = hpa_problems(scaled_object(), [hpa()])
    workload = "workload 'web' of type 'apps/v1.Deployment'"
    assert owned.message == f"the {workload} is already managed by the hpa 'theirs'"
    (unnamed,) = hpa_problems(scaled_object(TRANSFER), [hpa()])
    assert unnamed.message == (
        f"the existing hpa 'theirs' for {workload} must be specified by name in advanced settings to "
        "enable ownership transfer"
    )


def test_a_custom_kind_is_compared_whole() -> None:
    target = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}
    object = scaled_object(scaleTargetRef=target)
    found = {"metadata": {"name": "theirs"}, "spec": {"scaleTargetRef": target}}
    assert len(list(hpa_problems(object, [found]))) == 1
    assert list(hpa_problems(msgspec.structs.replace(object), [hpa()])) == []


def controlled_by(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


@pytest.mark.parametrize(
    ("annotations", "found", "text"),
    [
        ({}, OURS, None),
        # nobody's, for the same workload: KEDA takes it too, where admission lets it come so far
        ({}, hpa(), None),
        ({}, hpa(target="api"), "the HPA shop/theirs scales the Deployment api; give"),
        (TRANSFER, hpa(target="api"), None),
        ({}, hpa(**controlled_by("Scaler", "big")), "the HPA shop/theirs belongs to the Scaler big; give"),
        ({}, hpa(**controlled_by("ScaledObject", "api")), "belongs to the ScaledObject api"),
        (TRANSFER, hpa(**controlled_by("ScaledObject", "api")), None),
        # the one of an object of this name that was deleted a moment ago
        ({}, hpa(target="api", **controlled_by("ScaledObject", "web")), None),
    ],
)
def test_an_hpa_is_not_taken_by_its_name_alone(
    annotations: dict[str, str], found: Any, text: str | None
) -> None:
    told = taken(scaled_object(annotations), found)
    assert told is None if text is None else text in (told or "")
