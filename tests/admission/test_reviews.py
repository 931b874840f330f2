"""AdmissionReviews in and out: what is read, what is no review, what an answer carries."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tidegate.admission.reviews import allowed, denied, read_review
from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem


def review(**request: Any) -> bytes:
    whole = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "operation": "CREATE",
            "namespace": "shop",
            "name": "web",
            "object": {"kind": "ScaledObject", "metadata": {"name": "web"}},
            "oldObject": None,
            "dryRun": True,
            "options": {"kind": "CreateOptions"},
            **request,
        },
    }
    return msgspec.json.encode(whole)


def test_a_question_is_read_with_its_object_in_its_namespace() -> None:
    question = read_review(review())
    assert (question.uid, question.action, question.namespace, question.name) == (
        "u-1",
        "create",
        "shop",
        "web",
    )
    assert question.is_dry_run
    assert question.old is None
    assert question.new == {"kind": "ScaledObject", "metadata": {"namespace": "shop", "name": "web"}}


def test_a_deletion_has_no_new_object() -> None:
    question = read_review(review(operation="DELETE", object=None, oldObject={"kind": "ScaledObject"}))
    assert question.new is None
    assert question.old == {"kind": "ScaledObject"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it is not JSON"),
        (b"\x00\xff", "it is not JSON"),
        (b"<html>", "it is not JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `apiVersion`"),
        (
            b'{"apiVersion": "v1", "kind": "Pod", "request": {"uid": "a", "operation": "x"}}',
            "it is not one of",
        ),
        (review(uid=""), "its request has no uid"),
        (review(uid=5), "Expected `str`, got `int`"),
        (review(object=5), "its object is none"),
        (review(object=[]), "its object is none"),
        (review().replace(b'"CREATE"', b"null"), "Expected `str`, got `null`"),
        (b'{"apiVersion": ' * 100_000, "Expected `str`, got `object`"),
        (b'{"request": {"object": ' + b"[" * 200_000, "it nests too deep"),
    ],
)
def test_what_is_no_review_is_told_as_such(body: bytes, said: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_review(body)
    assert caught.value.answer.startswith(said)


def test_the_secret_in_a_body_is_not_repeated() -> None:
    with pytest.raises(Malformed) as caught:
        read_review(review(object="password=hunter2"))
    assert "hunter2" not in str(caught.value)


def test_an_allowed_write_carries_as_many_warnings_as_travel() -> None:
    response = msgspec.json.decode(allowed("u-1", ["first", *(f"{index:0500}" for index in range(20))]))
    assert response["apiVersion"] == "admission.k8s.io/v1"
    assert response["response"]["allowed"] is True
    assert response["response"]["uid"] == "u-1"
    warnings = response["response"]["warnings"]
    assert warnings[0] == "first"
    assert len(warnings) == 9
    assert warnings[-1] == "and 13 more: `tidegate validate` shows all"
    assert "warnings" not in msgspec.json.decode(allowed("u-1"))["response"]


def test_a_refusal_names_every_problem() -> None:
    one, other = Problem("spec.a", "wrong"), Problem("spec.b", "missing", "FieldValueRequired")
    status = msgspec.json.decode(denied("u-1", [one, other]))["response"]["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == "[spec.a: wrong, spec.b: missing]"
    assert status["details"]["causes"][1] == {
        "reason": "FieldValueRequired",
        "message": "missing",
        "field": "spec.b",
    }
    alone = msgspec.json.decode(denied("u-1", [one]))["response"]["status"]
    assert alone["message"] == "spec.a: wrong"


def test_a_refusal_of_ten_thousand_problems_is_cut() -> None:
    answer = denied("u-1", [Problem(f"spec.triggers[{index}].name", "x" * 100) for index in range(10_000)])
    assert len(answer) < 25_000
