"""MONGODB-AWS, which FerretDB does not speak: a server of ours checks what AWS STS would."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bson
import pytest
from bson.binary import Binary

from tidegate.base.errors import Denied, Malformed, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws.places import AwsPlaces
from tidegate.connections.mongodb import connect
from tidegate.kit.identity import AwsKeys, Identity
from tidegate.kit.systems.mongodb import MongodbCount, MongodbServer, server_of

REGIONAL = "sts.eu-central-1.amazonaws.com"
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
AWS = Identity("aws", role_arn="arn:aws:iam::1:role/counts")


class MongoFake:
    """Speaks as much of MongoDB as a login and a count need. `secrets` are known by their key id."""

    def __init__(self) -> None:
        self.secrets = {"AKIA1": "hunter2"}
        self.tokens: dict[str, str] = {}
        self.host: Any = REGIONAL
        self.is_forging = False
        self.logins: list[str] = []
        self.commands: list[str] = []
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state: dict[str, Any] = {"is_known": False}
        while True:
            try:
                length, number, _, opcode = struct.unpack("<iiii", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
            except EOFError:
                writer.close()
                return
            legacy = opcode == 2004
            document = bson.decode(body[body.index(b"\0", 4) + 9 :] if legacy else body[5:])
            reply = bson.encode(self.answer(document, state))
            head = struct.pack("<iqii", 8, 0, 0, 1) if legacy else struct.pack("<iB", 0, 0)
            message = head + reply
            writer.write(struct.pack("<iiii", 16 + len(message), 1, number, 1 if legacy else 2013) + message)

    def answer(self, asked: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        command = next(iter(asked))
        self.commands.append(command)
        if command.lower() in ("hello", "ismaster"):
            limits = {"maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 1 << 25, "maxWriteBatchSize": 1000}
            return {
                "ok": 1,
                "isWritablePrimary": True,
                "ismaster": True,
                "maxWireVersion": 21,
                "minWireVersion": 0,
                **limits,
            }
        if command == "saslStart":
            first = bson.decode(asked["payload"])
            assert (asked["mechanism"], first["p"]) == ("MONGODB-AWS", 110)
            state["nonce"] = (os.urandom(32) if self.is_forging else bytes(first["r"])) + os.urandom(32)
            told = bson.encode({"s": Binary(state["nonce"]), "h": self.host})
            return {"ok": 1, "conversationId": 7, "done": False, "payload": Binary(told)}
        if command == "saslContinue":
            assert asked["conversationId"] == 7
            state["is_known"] = self.is_right(bson.decode(asked["payload"]), state["nonce"])
            if state["is_known"]:
                return {"ok": 1, "conversationId": 7, "done": True, "payload": Binary(b"")}
            return {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "no: " + str(asked)}
        if not state["is_known"]:
            return {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "log in"}
        if command == "aggregate":
            return {"ok": 1, "cursor": {"id": 0, "ns": "shop.orders", "firstBatch": [{"_id": 1, "n": 3}]}}
        return {"ok": 1, "n": 3}

    def is_right(self, proof: dict[str, Any], nonce: bytes) -> bool:
        """As AWS reads a signature of version 4, by its own description."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8}/([\w-]+)/sts/aws4_request), "
            r"SignedHeaders=([\w;-]+), Signature=(\w{64})",
            proof["a"],
        )
        assert found is not None
        key, scope, region, names, signature = found.groups()
        assert region == ("us-east-1" if self.host == "sts.amazonaws.com" else self.host.split(".")[1])
        headers = {
            "content-length": str(len(BODY)),
            "content-type": "application/x-www-form-urlencoded",
            "host": self.host,
            "x-amz-date": proof["d"],
            "x-mongodb-gs2-cb-flag": "n",
            "x-mongodb-server-nonce": base64.b64encode(nonce).decode(),
        }
        if "t" in proof:
            headers["x-amz-security-token"] = proof["t"]
        assert names == ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(BODY).hexdigest()}"
        text = f"AWS4-HMAC-SHA256\n{proof['d']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signing = b"AWS4" + self.secrets.get(key, "").encode()
        for part in scope.split("/"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        self.logins.append(key)
        is_token = proof.get("t", "") == self.tokens.get(key, "")
        return is_token and hmac.new(signing, text.encode(), "sha256").hexdigest() == signature


class Keys:
    """Gives one key after the other; the next where one was refused."""

    aws_places = AwsPlaces({})

    def __init__(self, *keys: AwsKeys) -> None:
        self.keys = list(keys)
        self.regions: list[str] = []

    async def aws_keys(self, identity: Identity, region: str) -> AwsKeys:
        assert identity == AWS
        self.regions.append(region)
        return self.keys[0]

    def forget(self, identity: Identity, audience: str, granted: AwsKeys) -> bool:
        if granted == self.keys[0] and len(self.keys) > 1:
            del self.keys[0]
        return True


@asynccontextmanager
async def served(fake: MongoFake) -> AsyncIterator[MongoFake]:
    server = await asyncio.start_server(fake.talk, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()


async def asked(fake: MongoFake, login: str = "", identity: Identity | None = None, **around: Any) -> Any:
    """What a count answers; `login` stands before the host, and behind it after a blank."""
    before, _, behind = login.partition(" ")
    server = server_of(
        f"mongodb://{before}127.0.0.1:{fake.port}/?authMechanism=MONGODB-AWS{behind}", None, identity
    )
    adapter = connect(server, Surroundings(**around))
    try:
        (answer,) = await adapter.answer([MongodbCount(server, "shop", "orders", "{}")])
        return answer
    except TidegateError as error:
        return error
    finally:
        await adapter.close()


@pytest.mark.parametrize("host", [REGIONAL, "sts.amazonaws.com"])
async def test_keys_of_the_string_log_in_and_count(host: str) -> None:
    async with served(MongoFake()) as fake:
        fake.host = host
        assert await asked(fake, "AKIA1:hunter2@") == 3
        assert set(fake.logins) == {"AKIA1"}
        assert "hunter2" not in str(fake.commands)


async def test_temporary_keys_bring_their_token() -> None:
    async with served(MongoFake()) as fake:
        fake.secrets, fake.tokens = {"ASIA1": "s/e+c"}, {"ASIA1": "tok/en=="}
        behind = "&authMechanismProperties=AWS_SESSION_TOKEN%3Atok%2Fen%3D%3D&authSource=%24external"
        assert await asked(fake, f"ASIA1:s%2Fe%2Bc@ {behind}") == 3


async def test_an_identity_logs_in_with_its_keys_of_the_moment() -> None:
    async with served(MongoFake()) as fake:
        keys = Keys(AwsKeys("OLD1", "gone"), AwsKeys("AKIA1", "hunter2"))
        assert isinstance(await asked(fake, identity=AWS, identities=keys), Denied)
        assert await asked(fake, identity=AWS, identities=keys) == 3
        assert set(keys.regions) == {"us-east-1"}


async def test_without_anybody_who_gives_keys_that_is_told() -> None:
    async with served(MongoFake()) as fake:
        assert isinstance(await asked(fake, identity=AWS), Unsupported)
        assert fake.logins == []


async def test_a_key_that_is_refused_is_denied_without_a_secret() -> None:
    async with served(MongoFake()) as fake:
        error = await asked(fake, "AKIA1:hunter3@")
    assert isinstance(error, Denied)
    assert "AuthenticationFailed" in str(error)
    assert not any(text in str(error) for text in ("hunter", "AKIA1", "Signature"))


@pytest.mark.parametrize("host", ["", "a..b", "evil/@x", "x" * 256, 7])
async def test_a_server_that_names_no_host_gets_no_signature(host: Any) -> None:
    async with served(MongoFake()) as fake:
        fake.host = host
        assert isinstance(await asked(fake, "AKIA1:hunter2@"), Malformed)
        assert "saslContinue" not in fake.commands


async def test_a_server_with_a_nonce_of_another_talk_gets_no_signature() -> None:
    async with served(MongoFake()) as fake:
        fake.is_forging = True
        assert isinstance(await asked(fake, "AKIA1:hunter2@"), Malformed)
        assert "saslContinue" not in fake.commands


@pytest.mark.parametrize(
    ("uri", "plain", "keys"),
    [
        ("mongodb://a:b@h/?authMechanism=MONGODB-AWS", "mongodb://h/", AwsKeys("a", "b")),
        ("mongodb://h,i:2/d?x=y&authMechanism=mongodb-aws&z=1", "mongodb://h,i:2/d?x=y&z=1", None),
        (
            "mongodb+srv://a%2B:b%3A@h?authMechanism=MONGODB-AWS&tls=true",
            "mongodb+srv://h/?tls=true",
            AwsKeys("a+", "b:"),
        ),
    ],
)
def test_the_uri_is_left_with_where_and_not_who(uri: str, plain: str, keys: AwsKeys | None) -> None:
    server = server_of(uri, None, AWS)
    assert server.uri == plain
    assert server.aws is not None
    assert (server.aws.keys, server.aws.identity) == (keys, None if keys else AWS)


def test_another_mechanism_has_nothing_to_do_with_aws() -> None:
    uri = "mongodb://a:b@h/?authMechanism=SCRAM-SHA-256"
    assert server_of(uri, None, AWS) == MongodbServer(uri)
