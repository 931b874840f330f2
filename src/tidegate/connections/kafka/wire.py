"""The requests we send, in the versions we know, newest first. aiokafka's where it has them.

What is not there: ListOffsets from v4 on (a leader's epoch, which we have no use for), Metadata from v6 on,
and every version in which a topic has no name but an id alone.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from aiokafka.protocol import admin, commit, coordination, fetch, metadata, offset
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
    UnsignedVarInt32,
)

LATEST = -1
EARLIEST = -2
CLIENT = "tidegate"

_TEXT = CompactString("utf-8")


class FindCoordinatorResponse_v4(Response):
    API_KEY = 10
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "coordinators",
            CompactArray(
                ("key", _TEXT),
                ("node_id", Int32),
                ("host", _TEXT),
                ("port", Int32),
                ("error_code", Int16),
                ("error_message", _TEXT),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class FindCoordinatorRequest_v4(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 10
    API_VERSION = 4
    RESPONSE_TYPE = FindCoordinatorResponse_v4
    SCHEMA = Schema(("key_type", Int8), ("coordinator_keys", CompactArray(_TEXT)), ("tags", TaggedFields))


class CommittedPartitions(AbstractType[Any]):
    """The innermost part of an OffsetFetch reply: (partition, offset, error code) of each.

    There are thousands of them in a round, so they are not read field by field.
    """

    _head = struct.Struct(">iqi")
    _code = struct.Struct(">h")

    @classmethod
    def encode(cls, value: Any) -> bytes:
        raise NotImplementedError

    @classmethod
    def decode(cls, data: BytesIO) -> list[tuple[int, int, int]]:
        found = []
        for _ in range(UnsignedVarInt32.decode(data) - 1):
            partition, offset, _epoch = cls._head.unpack(data.read(16))
            if (length := data.read(1)) not in (b"\0", b"\1"):  # a text that was committed along
                data.seek(-len(length), 1)
                _TEXT.decode(data)
            (code,) = cls._code.unpack(data.read(2))
            if data.read(1) != b"\0":
                data.seek(-1, 1)
                TaggedFields.decode(data)
            found.append((partition, offset, code))
        return found


class OffsetFetchResponse_v8(Response):
    API_KEY = 9
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("group_id", _TEXT),
                (
                    "topics",
                    CompactArray(
                        ("name", _TEXT),
                        ("partitions", CommittedPartitions),
                        ("tags", TaggedFields),
                    ),
                ),
                ("error_code", Int16),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class OffsetFetchRequest_v8(RequestStruct):
    """Many groups in one request (KIP-709, Kafka 3.0)."""

    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 8
    RESPONSE_TYPE = OffsetFetchResponse_v8
    SCHEMA = Schema(
        (
            "groups",
            CompactArray(
                ("group_id", _TEXT),
                (
                    "topics",
                    CompactArray(
                        ("name", _TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


_ASSIGNMENT = Schema(
    (
        "topic_partitions",
        CompactArray(
            ("topic_id_high", Int64),
            ("topic_id_low", Int64),
            ("topic", _TEXT),
            ("partitions", CompactArray(Int32)),
            ("tags", TaggedFields),
        ),
    ),
    ("tags", TaggedFields),
)


class ConsumerGroupDescribeResponse_v0(Response):
    API_KEY = 69
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("error_code", Int16),
                ("error_message", _TEXT),
                ("group", _TEXT),
                ("state", _TEXT),
                ("group_epoch", Int32),
                ("assignment_epoch", Int32),
                ("assignor", _TEXT),
                (
                    "members",
                    CompactArray(
                        ("member_id", _TEXT),
                        ("instance_id", _TEXT),
                        ("rack_id", _TEXT),
                        ("member_epoch", Int32),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("subscribed_topics", CompactArray(_TEXT)),
                        ("subscribed_regex", _TEXT),
                        ("assignment", _ASSIGNMENT),
                        ("target_assignment", _ASSIGNMENT),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class ConsumerGroupDescribeRequest_v0(RequestStruct):
    """Groups of the protocol that came with Kafka 4 (KIP-848); DescribeGroups knows only the older."""

    FLEXIBLE_VERSION = True
    API_KEY = 69
    API_VERSION = 0
    RESPONSE_TYPE = ConsumerGroupDescribeResponse_v0
    SCHEMA = Schema(
        ("groups", CompactArray(_TEXT)), ("authorized_operations", Boolean), ("tags", TaggedFields)
    )


MEMBER_ASSIGNMENT = Schema(
    ("version", Int16),
    ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
)
"""How the bytes of a member's assignment begin, in DescribeGroups."""


class Kind:
    """A request by its API: the versions we can send."""

    def __init__(self, name: str, *versions: type[RequestStruct]) -> None:
        self.name = name
        self.api = versions[0].API_KEY
        self.versions = versions

    def best(self, ranges: Mapping[int, tuple[int, int]]) -> type[Any] | None:
        """The newest version that a broker with these ranges speaks too; None when there is none."""
        low, high = ranges.get(self.api, (0, -1))
        return next((one for one in self.versions if low <= one.API_VERSION <= high), None)


API_VERSIONS = Kind("ApiVersions", admin.ApiVersionRequest_v0)
HANDSHAKE = Kind("SaslHandshake", admin.SaslHandShakeRequest_v1)
AUTHENTICATE = Kind("SaslAuthenticate", admin.SaslAuthenticateRequest_v1, admin.SaslAuthenticateRequest_v0)
METADATA = Kind(
    "Metadata",
    metadata.MetadataRequest_v5,
    metadata.MetadataRequest_v4,
    metadata.MetadataRequest_v3,
    metadata.MetadataRequest_v2,
    metadata.MetadataRequest_v1,
)
LIST_OFFSETS = Kind("ListOffsets", offset.OffsetRequest_v3, offset.OffsetRequest_v2, offset.OffsetRequest_v1)
FIND_COORDINATOR = Kind(
    "FindCoordinator",
    FindCoordinatorRequest_v4,
    coordination.FindCoordinatorRequest_v1,
    coordination.FindCoordinatorRequest_v0,
)
OFFSET_FETCH = Kind(
    "OffsetFetch",
    OffsetFetchRequest_v8,
    commit.OffsetFetchRequest_v3,
    commit.OffsetFetchRequest_v2,
)
FETCH = Kind("Fetch", fetch.FetchRequest_v4)
DESCRIBE_GROUPS = Kind("DescribeGroups", admin.DescribeGroupsRequest_v1, admin.DescribeGroupsRequest_v0)
DESCRIBE_CONSUMER_GROUPS = Kind("ConsumerGroupDescribe", ConsumerGroupDescribeRequest_v0)
_KINDS = (API_VERSIONS, HANDSHAKE, AUTHENTICATE, METADATA, LIST_OFFSETS, FIND_COORDINATOR, OFFSET_FETCH)
NAMES = {kind.api: kind.name for kind in (*_KINDS, FETCH, DESCRIBE_GROUPS, DESCRIBE_CONSUMER_GROUPS)}
