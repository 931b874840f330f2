from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tidegate.local.apiserver.kinds import BUILT_IN, Kind
from tidegate.local.apiserver.validation import fields

KINDS = {kind.resource.kind: kind for kind in BUILT_IN if kind.fields_key == kind.key}


def shipped() -> str:
    return files("tidegate.local.apiserver.validation").joinpath("fields.json").read_text()


def test_the_table_is_what_its_generator_writes() -> None:
    source = json.loads(shipped())["source"]
    if version("kubernetes") not in source:
        pytest.skip(f"the table was made from {source}, not from {version('kubernetes')}")
    generator = Path(__file__).with_name("make_fields.py")
    made = subprocess.run([sys.executable, str(generator)], capture_output=True, text=True, check=True)
    assert made.stdout == shipped()


def test_every_built_in_kind_has_its_fields() -> None:
    table = json.loads(shipped())
    of_subresources = {"tokenrequests.authentication.k8s.io", "evictions.policy", "bindings"}
    assert {kind.fields_key for kind in BUILT_IN} | of_subresources == set(table["roots"])
    known = {*table["types"], "str", "int", "float", "bool", "any", "time", "bytes", "quantity"}
    for owner, members in table["types"].items():
        for name, text in members.items():
            assert re.search(r"\w+", text)[0] in known, (owner, name)


def walked(kind: str, body: dict[str, Any]) -> fields.Findings:
    return fields.prune(KINDS[kind], body)


@pytest.mark.parametrize(
    ("kind", "body", "unknown"),
    [
        (
            "Pod",
            {"spec": {"containers": [{"nam": "a", "ports": [{"port": 1}]}]}},
            ["spec.containers[0].nam", "spec.containers[0].ports[0].port"],
        ),
        ("Pod", {"sepc": {}}, ["sepc"]),
        ("ConfigMap", {"data": {"anything": "goes"}}, []),
        ("Pod", {"metadata": {"labels": {"any": "thing"}, "label": {}}}, ["metadata.label"]),
        (
            "Deployment",
            {"spec": {"strategy": {"rollingUpdate": {"maxSurge": "1", "max": 1}}}},
            ["spec.strategy.rollingUpdate.max"],
        ),
        (
            "CustomResourceDefinition",
            {
                "spec": {
                    "versions": [
                        {
                            "schema": {
                                "openAPIV3Schema": {"properties": {"x": {"properties": {"y": {"typ": "z"}}}}}
                            }
                        }
                    ]
                }
            },
            ["spec.versions[0].schema.openAPIV3Schema.properties.x.properties.y.typ"],
        ),
    ],
)
def test_unknown_fields_are_named_and_gone(kind: str, body: dict[str, Any], unknown: list[str]) -> None:
    findings = walked(kind, body)
    assert findings.unknown == unknown
    assert findings.problems == []
    assert walked(kind, body).unknown == []


@pytest.mark.parametrize(
    ("kind", "body", "wrong"),
    [
        ("Deployment", {"spec": {"replicas": "3", "paused": 1}}, ["spec.replicas", "spec.paused"]),
        ("Deployment", {"spec": {"replicas": True}}, ["spec.replicas"]),
        ("Deployment", {"spec": {"replicas": 1.5}}, ["spec.replicas"]),
        ("Pod", {"spec": []}, ["spec"]),
        ("Pod", {"spec": {"containers": {"name": "a"}}}, ["spec.containers"]),
        ("Pod", {"spec": {"containers": ["a"]}}, ["spec.containers[0]"]),
        ("Pod", {"spec": {"nodeSelector": {"a": 1}}}, ["spec.nodeSelector.a"]),
        (
            "Pod",
            {"spec": {"containers": [{"resources": {"limits": {"cpu": []}}}]}},
            ["spec.containers[0].resources.limits.cpu"],
        ),
        ("Lease", {"spec": {"renewTime": "now"}}, ["spec.renewTime"]),
        ("Pod", {"metadata": {"labels": ["a"]}}, ["metadata.labels"]),
    ],
)
def test_values_of_a_wrong_type_are_named(kind: str, body: dict[str, Any], wrong: list[str]) -> None:
    assert [problem.path for problem in walked(kind, body).problems] == wrong


def test_a_whole_float_is_a_whole_number_and_a_number_a_quantity() -> None:
    body = {
        "spec": {
            "replicas": 3.0,
            "template": {"spec": {"containers": [{"resources": {"limits": {"cpu": 2}}}]}},
        }
    }
    assert walked("Deployment", body).problems == []
    assert body["spec"]["replicas"] == 3
    assert isinstance(body["spec"]["replicas"], int)
    assert body["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2"}


def test_a_null_is_an_absent_field_except_where_a_schema_means_it() -> None:
    body: dict[str, Any] = {"spec": {"replicas": None, "strategy": {"rollingUpdate": {"maxSurge": None}}}}
    walked("Deployment", body)
    assert body == {"spec": {"strategy": {"rollingUpdate": {}}}}
    schema = {"default": None, "type": None}
    body = {"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}
    walked("CustomResourceDefinition", body)
    assert schema == {"default": None}


def test_of_a_custom_object_only_the_metadata_is_looked_at() -> None:
    kind = Kind(KINDS["Pod"].resource, is_custom=True)
    body = {"metadata": {"name": "a", "nmae": "b"}, "spec": {"anything": 1}}
    assert fields.prune(kind, body).unknown == ["metadata.nmae"]
    assert body["spec"] == {"anything": 1}
