"""What names of the cluster come to, as tables; and the text of resolv.conf and hosts of a pod."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.local.nodes.network.names import (
    Member,
    Named,
    Names,
    for_machine,
    from_json,
    named,
    to_json,
    to_object,
)
from tidegate.local.nodes.network.resolv_conf import ResolvConf, hosts_of_pod, of_pod

HTTP, METRICS = ("http", "tcp", 8080), ("metrics", "tcp", 9090)
DB = (
    Member("10.203.1.1", "db-0", (HTTP,)),
    Member("10.203.1.2", "db-1", (HTTP, METRICS)),
    Member("10.203.1.3"),
)
NAMES = Names(
    (
        Named("default", "web", "10.203.129.1", ports=(("http", "tcp", 80), ("dns", "udp", 53))),
        Named("shop", "db", members=DB),
        Named("shop", "empty"),
        Named("shop", "office", external_name="www.example.org"),
        Named("shop", "alias", external_name="web.default.svc.cluster.local"),
        Named("shop", "machine", external_name="host.tidegate.internal"),
        Named("shop", "round", external_name="round.shop.svc.cluster.local"),
    ),
    host="10.203.0.130",
    block="10.203.0.0/16",
)  # fmt: skip
S = "svc.cluster.local"
A, NONE, NO_NAME = "A", [], None


def look(name: str, kind: str) -> Any:
    answer = NAMES.answer(name, kind)
    if answer is None:
        return "elsewhere"
    return [f"{one.kind} {one.value}" for one in answer.records] if answer.is_known else None


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        (f"web.default.{S}", A, ["A 10.203.129.1"]),
        (f"WEB.Default.{S}.", A, ["A 10.203.129.1"]),
        (f"web.default.{S}", "AAAA", NONE),
        (f"web.default.{S}", "MX", NONE),
        (f"web.shop.{S}", A, NO_NAME),
        (f"x.web.default.{S}", A, NO_NAME),
        (f"db.shop.{S}", A, ["A 10.203.1.1", "A 10.203.1.2", "A 10.203.1.3"]),
        (f"db-1.db.shop.{S}", A, ["A 10.203.1.2"]),
        (f"10-203-1-3.db.shop.{S}", A, ["A 10.203.1.3"]),
        (f"db-1.db.shop.{S}", "AAAA", NONE),
        (f"db-2.db.shop.{S}", A, NO_NAME),
        (f"a.db-1.db.shop.{S}", A, NO_NAME),
        (f"empty.shop.{S}", A, NO_NAME),
        (f"office.shop.{S}", A, ["CNAME www.example.org."]),
        (f"office.shop.{S}", "CNAME", ["CNAME www.example.org."]),
        (f"alias.shop.{S}", A, ["CNAME web.default.svc.cluster.local.", "A 10.203.129.1"]),
        (f"machine.shop.{S}", A, ["CNAME host.tidegate.internal.", "A 10.203.0.130"]),
        (f"machine.shop.{S}", "AAAA", ["CNAME host.tidegate.internal."]),
        (f"round.shop.{S}", A, [f"CNAME round.shop.{S}."] * 8),
        (f"_http._tcp.web.default.{S}", "SRV", [f"SRV 0 100 80 web.default.{S}."]),
        (f"_dns._udp.web.default.{S}", "SRV", [f"SRV 0 100 53 web.default.{S}."]),
        (f"_http._udp.web.default.{S}", "SRV", NO_NAME),
        (f"_http._tcp.web.default.{S}", A, NONE),
        (f"_tcp.web.default.{S}", "SRV", NONE),
        (f"_x._tcp.web.default.{S}", "SRV", NO_NAME),
        (
            f"_http._tcp.db.shop.{S}",
            "SRV",
            [f"SRV 0 50 8080 db-0.db.shop.{S}.", f"SRV 0 50 8080 db-1.db.shop.{S}."],
        ),
        (f"_metrics._tcp.db.shop.{S}", "SRV", [f"SRV 0 100 9090 db-1.db.shop.{S}."]),
        (f"shop.{S}", A, NONE),
        (f"nowhere.{S}", A, NO_NAME),
        (S, A, NONE),
        ("cluster.local", A, NONE),
        ("example.cluster.local", A, NO_NAME),
        (f"www.example.org.shop.{S}", A, NO_NAME),
        ("mycluster.local", A, "elsewhere"),
        ("www.example.org", A, "elsewhere"),
        ("web", A, "elsewhere"),
        ("1.129.203.10.in-addr.arpa", "PTR", [f"PTR web.default.{S}."]),
        ("2.1.203.10.in-addr.arpa", "PTR", [f"PTR db-1.db.shop.{S}."]),
        ("3.1.203.10.in-addr.arpa", "PTR", [f"PTR 10-203-1-3.db.shop.{S}."]),
        ("1.129.203.10.in-addr.arpa", A, NONE),
        ("9.9.203.10.in-addr.arpa", "PTR", NO_NAME),
        ("1.2.0.192.in-addr.arpa", "PTR", "elsewhere"),
        ("2.0.192.in-addr.arpa", "PTR", "elsewhere"),
        ("host.tidegate.internal", A, ["A 10.203.0.130"]),
        ("host.tidegate.internal", "AAAA", NONE),
        ("tidegate.internal", A, NONE),
        ("x.tidegate.internal", A, NO_NAME),
    ],
)
def test_a_question_comes_to(name: str, kind: str, expected: Any) -> None:
    assert look(name, kind) == expected


def test_ports_come_with_the_addresses_of_their_targets() -> None:
    found = NAMES.answer(f"_http._tcp.db.shop.{S}", "SRV")
    assert found is not None
    assert [(one.name, one.value) for one in found.additional] == [
        (f"db-0.db.shop.{S}", "10.203.1.1"),
        (f"db-1.db.shop.{S}", "10.203.1.2"),
    ]


def test_without_an_address_for_this_machine_its_name_is_unknown() -> None:
    answer = Names().answer("host.tidegate.internal", "A")
    assert answer is not None
    assert not answer.is_known


def test_names_come_out_of_the_file_as_they_went_in() -> None:
    assert from_json(to_json(NAMES)) == NAMES


def test_this_machine_is_told_the_addresses_that_it_can_use() -> None:
    found = for_machine(NAMES.services, "way-to-{}".format, "127.0.0.1")
    assert found.by_name["default", "web"].addresses == ("way-to-10.203.129.1",)
    assert found.by_name["shop", "db"].hosts["db-1"] == "way-to-10.203.1.2"
    assert found.by_name["shop", "office"] == NAMES.by_name["shop", "office"]
    assert from_json(json.dumps(to_object(found)).encode()) == found


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"host":"","block":"","services":[["a"]]}', b"\xff"])
def test_what_is_no_file_of_names_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="not the names of a cluster"):
        from_json(text)


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": "db"}, "spec": spec}


ENDPOINTS = [
    {"addresses": ["10.203.1.2"], "conditions": {"ready": True}, "hostname": "db-1"},
    {"addresses": ["10.203.1.1"], "conditions": {}, "targetRef": {"kind": "Pod", "name": "p"}},
    {"addresses": ["10.203.1.3"], "conditions": {"ready": False}},
    {"addresses": ["10.203.1.4"], "conditions": {}},
]


def offered(name: str, number: int, endpoints: list[dict[str, Any]], kind: str = "IPv4") -> dict[str, Any]:
    ports = [{"name": name, "port": number, "protocol": "TCP"}]
    return {"addressType": kind, "ports": ports, "endpoints": endpoints}


SLICES = [
    offered("http", 8080, ENDPOINTS),
    offered("metrics", 9090, ENDPOINTS[:1]),
    offered("http", 8080, [{"addresses": ["fd00::1"]}], "IPv6"),
]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"clusterIP": "10.203.129.1", "ports": [{"port": 80}]},
            Named("shop", "db", "10.203.129.1", ports=(("", "tcp", 80),)),
        ),
        (
            {"type": "ExternalName", "externalName": "Example.org."},
            Named("shop", "db", external_name="example.org"),
        ),
        (
            {"clusterIP": "None"},
            Named(
                "shop",
                "db",
                members=(
                    Member("10.203.1.4", "", (HTTP,)),
                    Member("10.203.1.2", "db-1", (HTTP, METRICS)),
                    Member("10.203.1.1", "p", (HTTP,)),
                ),
            ),
        ),
    ],
)
def test_a_service_is_named_after_its_spec_and_slices(spec: Any, expected: Named) -> None:
    assert named(service(**spec), SLICES) == expected


MACHINE = ResolvConf.of(
    "# by hand\nnameserver 192.0.2.1\nnameserver 192.0.2.2\ndomain old\nsearch corp.example.\noptions rotate"
)
DNS = "10.203.128.10"
CLUSTER = "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, f"nameserver {DNS}\n{CLUSTER}options ndots:5\n"),
        ({"dnsPolicy": "ClusterFirst"}, f"nameserver {DNS}\n{CLUSTER}options ndots:5\n"),
        ({"hostNetwork": True}, f"nameserver {DNS}\nsearch corp.example\noptions rotate\n"),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            f"nameserver {DNS}\n{CLUSTER}options ndots:5\n",
        ),
        ({"dnsPolicy": "Default"}, f"nameserver {DNS}\nsearch corp.example\noptions rotate\n"),
        ({"dnsPolicy": "None"}, ""),
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.9"], "searches": ["a.b"]}},
            "nameserver 192.0.2.9\nsearch a.b\n",
        ),
        (
            {"dnsConfig": {"searches": ["a.b"], "options": [{"name": "ndots", "value": "2"}, {"name": "e"}]}},
            f"nameserver {DNS}\n{CLUSTER[:-1]} a.b\noptions ndots:2 e\n",
        ),
        (
            {"dnsConfig": {"nameservers": [DNS, "192.0.2.7", "192.0.2.8", "192.0.2.9"]}},
            f"nameserver {DNS}\nnameserver 192.0.2.7\nnameserver 192.0.2.8\n{CLUSTER}options ndots:5\n",
        ),
    ],
)  # fmt: skip
def test_a_pods_resolv_conf_follows_its_policy(spec: dict[str, Any], expected: str) -> None:
    assert of_pod({"metadata": {"namespace": "shop"}, "spec": spec}, DNS, MACHINE).text() == expected


def test_a_pods_hosts_are_its_own_name_and_its_aliases() -> None:
    pod = {
        "metadata": {"namespace": "shop", "name": "p"},
        "spec": {
            "hostname": "db-1",
            "subdomain": "db",
            "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a", "b"]}],
        },
    }
    lines = hosts_of_pod(pod, "10.203.1.2").splitlines()
    assert "10.203.1.2\tdb-1.db.shop.svc.cluster.local\tdb-1" in lines
    assert lines[-1] == "192.0.2.1\ta\tb"
    assert lines[1] == "127.0.0.1\tlocalhost"
