"""What a URL, an Accept header and a failure look like on the wire."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.kube.resource import ApiError
from tidegate.kube.responses import Accepted, accepted, failure_answer, json_answer
from tidegate.local.apiserver.paths import Path, flag, number, parse_path
from tidegate.local.apiserver.printing.tables import SHAPES


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/api/v1/pods", Path("", "v1", "pods")),
        ("/api/v1/namespaces/a/pods/p/log", Path("", "v1", "pods", "a", "p", "log")),
        ("/api/v1/namespaces/a", Path("", "v1", "namespaces", "", "a")),
        ("/api/v1/namespaces/a/status", Path("", "v1", "namespaces", "", "a", "status")),
        ("/api/v1/namespaces/a/finalize", Path("", "v1", "namespaces", "", "a", "finalize")),
        ("/api/v1/namespaces/a/pods", Path("", "v1", "pods", "a")),
        ("/apis/apps/v1/namespaces/a/deployments/d", Path("apps", "v1", "deployments", "a", "d")),
        ("/apis/keda.sh/v1alpha1/scaledobjects/", Path("keda.sh", "v1alpha1", "scaledobjects")),
        ("/apis/apps/v1/namespaces/status/deployments", Path("apps", "v1", "deployments", "status")),
        ("/api/v1/namespaces/a/configmaps/x%3Ay", Path("", "v1", "configmaps", "a", "x:y")),
        ("/api/v1/namespaces/a/pods/p/proxy/b/c", Path("", "v1", "pods", "a", "p", "proxy", "b/c")),
        ("/api/v1/namespaces/a/pods/..%2f..%2fetc", None),
        ("/api/v1/namespaces/../pods", None),
        ("/api/v1", None),
        ("/apis/apps/v1", None),
        ("/healthz", None),
    ],
)
def test_a_path_is_read_as_the_api_means_it(raw: str, expected: Path | None) -> None:
    assert parse_path(raw) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("True", True),
        ("true", True),
        ("1", True),
        ("t", True),
        ("", True),
        ("0", False),
        ("False", False),
        ("f", True),
    ],
)
def test_of_given_booleans_only_two_words_are_false(value: str, expected: bool) -> None:
    assert flag({"watch": value}, "watch") is expected


@pytest.mark.parametrize("value", ["yes", "--1", "1.5", "ten"])
def test_a_parameter_that_means_nothing_is_refused_by_name(value: str) -> None:
    with pytest.raises(ApiError, match="limit") as refused:
        number({"limit": value}, "limit")
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        ("application/json", ""),
        ("", ""),
        ("*/*", ""),
        ("application/vnd.kubernetes.protobuf,application/json", ""),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", ""),
        ("application/json; as=PartialObjectMetadataList; g=meta.k8s.io; v=v1", "PartialObjectMetadataList"),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", ""),
        ("application/cbor", ""),
    ],
)
def test_an_accept_header_gets_the_first_form_we_offer(header: str, shape: str) -> None:
    assert accepted(header, SHAPES).shape == shape


def test_the_chosen_form_is_echoed_in_the_content_type() -> None:
    chosen = accepted("application/json;as=Table;v=v1;g=meta.k8s.io", SHAPES)
    assert chosen == Accepted("Table", "meta.k8s.io", "v1", "application/json;g=meta.k8s.io;v=v1;as=Table")


def test_a_failure_is_a_status_with_its_details() -> None:
    answer = failure_answer(ApiError(404, "NotFound", 'pods "x" not found', {"name": "x", "kind": "pods"}))
    body = msgspec.json.decode(bytes(answer.body))  # type: ignore[arg-type]
    assert answer.status == 404
    assert body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods "x" not found',
        "reason": "NotFound",
        "code": 404,
        "details": {"name": "x", "kind": "pods"},
    }


def test_warnings_become_headers_that_cannot_be_broken_out_of() -> None:
    answer = json_answer({}, warnings=['unknown field "spec.x"', "two\r\nlines\\", 'unknown field "spec.x"'])
    assert answer.headers.getall("Warning") == [
        r'299 - "unknown field \"spec.x\""',
        r'299 - "two lines\\"',
    ]
