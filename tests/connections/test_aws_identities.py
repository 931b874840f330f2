"""Identities of AWS: whose keys are used, how STS is asked, and what becomes of its refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parts.aws_fake import MARK, OWN_ID, OWN_SECRET, REGION, ROLE, AwsFake, MetadataFake
from parts.http_server import HttpFake, answering
from parts.sigv4 import Signed, signature
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws import connect
from tidegate.connections.grants import Granted
from tidegate.connections.identities import AccountToken, Ground, Identities
from tidegate.kit.identity import Identity
from tidegate.kit.systems.aws import AwsServer, SqsCounts, SqsQueue

OWN = {"AWS_ACCESS_KEY_ID": OWN_ID, "AWS_SECRET_ACCESS_KEY": OWN_SECRET}
IN_ROLE = Identity("aws", role_arn=ROLE)
OF_WORKLOAD = Identity("aws", role_arn=ROLE, owner="workload", service_account="shop/worker")
# Whatever the machine of the test has.
NOTHING = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/none",
    "AWS_SHARED_CREDENTIALS_FILE": "/none",
}


@dataclass
class Site:
    """AWS, and the identities of one program there."""

    aws: AwsFake
    fake: HttpFake
    identities: Identities

    def server(self, identity: Identity = IN_ROLE) -> AwsServer:
        return AwsServer("sqs", REGION, None, self.fake.origin, identity)

    @asynccontextmanager
    async def asking(self, server: AwsServer) -> AsyncIterator[Any]:
        adapter: Any = connect(server, Surroundings(timeout_s=5.0, identities=self.identities))
        try:
            yield adapter
        finally:
            await adapter.close()


@asynccontextmanager
async def site(
    environment: Mapping[str, str] | None = None, account_token: AccountToken | None = None
) -> AsyncIterator[Site]:
    aws = AwsFake()
    async with answering(aws) as fake:
        given = (
            NOTHING
            | {"AWS_ENDPOINT_URL_STS": fake.origin}
            | dict(OWN if environment is None else environment)
        )
        identities = Identities(Ground(Surroundings(timeout_s=2.0), given, account_token))
        try:
            yield Site(aws, fake, identities)
        finally:
            await identities.close()
            await identities.close()


def tokens(asked: list[tuple[str, str, str]], error: TidegateError | None = None) -> AccountToken:
    async def token(namespace: str, name: str, audience: str) -> Granted[str]:
        asked.append((namespace, name, audience))
        if error is not None:
            raise error
        return Granted(f"{MARK}-jwt", 3600.0)

    return token


# --- the autoscaler's own keys


async def test_keys_of_the_environment_come_first() -> None:
    async with site(
        OWN | {"AWS_SESSION_TOKEN": "t", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": ROLE}
    ) as one:
        keys = await one.identities.aws_keys(Identity("aws"), REGION)
        assert (keys.access_key_id, keys.secret_access_key, keys.session_token) == (OWN_ID, OWN_SECRET, "t")
        assert one.fake.requests == []


async def test_a_profile_of_a_shared_file_gives_keys(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[work]\naws_access_key_id = {OWN_ID}\naws_secret_access_key = {OWN_SECRET}\n")
    async with site({"AWS_PROFILE": "work", "AWS_SHARED_CREDENTIALS_FILE": str(file)}) as one:
        assert (await one.identities.aws_keys(Identity("aws"), REGION)).access_key_id == OWN_ID


async def test_a_token_in_a_file_gives_the_role_that_the_environment_names(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{MARK}-jwt\n")
    given = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": ROLE, "AWS_ROLE_SESSION_NAME": "mine"}
    async with site(given) as one:
        assert (await one.identities.aws_keys(Identity("aws"), REGION)).access_key_id == "ASIA1"
        (form,) = one.aws.forms
    assert (form["Action"], form["RoleArn"]) == ("AssumeRoleWithWebIdentity", ROLE)
    assert (form["WebIdentityToken"], form["RoleSessionName"]) == (f"{MARK}-jwt", "mine")


async def test_an_association_of_eks_gives_keys(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of-pod")
    metadata = MetadataFake("of-pod")
    async with answering(metadata) as fake:
        uri = f"{fake.origin}/v1/credentials"
        given = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": uri,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
        }
        async with site(given) as one:
            keys = await one.identities.aws_keys(Identity("aws"), REGION)
    assert (keys.access_key_id, keys.session_token) == (OWN_ID, f"{MARK}-metadata")
    assert metadata.log == ["GET /v1/credentials"]


async def test_an_instance_gives_keys_for_a_session_token() -> None:
    metadata = MetadataFake()
    async with answering(metadata) as fake:
        given = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{fake.origin}/"}
        async with site(given) as one:
            assert (await one.identities.aws_keys(Identity("aws"), REGION)).access_key_id == OWN_ID
    assert metadata.log[0] == "PUT /latest/api/token"
    assert metadata.log[-1].endswith("/security-credentials/worker")


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({}, Denied, "there are none"),
        ({"AWS_PROFILE": "gone"}, Unreachable, "their source fails (ProfileNotFound)"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/none", "AWS_ROLE_ARN": ROLE}, Denied, "No such file"),
    ],
)
async def test_an_autoscaler_without_keys_says_so(
    given: dict[str, str], kind: type[TidegateError], words: str
) -> None:
    async with site(given) as one:
        with pytest.raises(kind, match=r"own") as caught:
            await one.identities.aws_keys(Identity("aws"), REGION)
    assert words in str(caught.value)


async def test_a_container_that_refuses_is_told_without_its_words() -> None:
    async with (
        answering(MetadataFake("other")) as fake,
        site({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{fake.origin}/v1/credentials"}) as one,
    ):
        with pytest.raises(Unreachable, match="CredentialRetrievalError") as caught:
            await one.identities.aws_keys(Identity("aws"), REGION)
    assert MARK not in str(caught.value)
    assert caught.value.__cause__ is None


# --- roles


async def test_a_role_is_assumed_with_the_autoscalers_keys() -> None:
    async with site() as one:
        keys = await one.identities.aws_keys(Identity("aws", role_arn=ROLE, external_id="e-1"), REGION)
        (form,) = one.aws.forms
    assert keys.access_key_id == "ASIA1"
    assert form == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "KEDA",
        "ExternalId": "e-1",
    }


async def test_a_token_of_the_autoscaler_is_tried_first_and_its_keys_where_the_role_does_not_trust_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("jwt")
    given = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": "arn:aws:iam::1:role/own"} | OWN
    identity = Identity("aws", role_arn=ROLE, external_id="e-1")
    async with site(given) as one:
        one.aws.refuses["AssumeRoleWithWebIdentity"] = "AccessDenied"
        keys = await one.identities.aws_keys(identity, REGION)
        assert one.aws.operations() == ["AssumeRoleWithWebIdentity", "AssumeRole"]
        assert "ExternalId" not in one.aws.forms[0]
        one.identities.forget(identity, REGION, keys)
        await one.identities.aws_keys(identity, REGION)
        assert one.aws.operations()[2:] == ["AssumeRole"], "what the role does not trust is not asked again"


async def test_a_token_that_the_role_trusts_needs_no_keys(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("jwt")
    async with site({"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": ROLE}) as one:
        await one.identities.aws_keys(IN_ROLE, REGION)
        assert one.aws.operations() == ["AssumeRoleWithWebIdentity"]
        assert one.aws.forms[0]["RoleSessionName"] == "KEDA"


async def test_a_workload_proves_its_role_with_its_own_token() -> None:
    asked: list[tuple[str, str, str]] = []
    async with site({}, tokens(asked)) as one:
        keys = await one.identities.aws_keys(OF_WORKLOAD, REGION)
        assert (keys.access_key_id, one.aws.operations()) == ("ASIA1", ["AssumeRoleWithWebIdentity"])
        assert one.aws.forms[0]["WebIdentityToken"] == f"{MARK}-jwt"
    assert asked == [("shop", "worker", "sts.amazonaws.com")]


FORBIDDEN = Denied(
    "get a token of ServiceAccount shop/worker", next_step="allow `create` on `serviceaccounts/token`"
)


@pytest.mark.parametrize("may_borrow", [False, True])
async def test_a_workload_without_a_token_uses_the_autoscalers_identity_only_where_it_is_lent(
    may_borrow: bool,
) -> None:
    identity = Identity("aws", role_arn=ROLE, service_account="shop/worker", may_borrow=may_borrow)
    async with site(None, tokens([], FORBIDDEN)) as one:
        if may_borrow:
            assert (await one.identities.aws_keys(identity, REGION)).access_key_id == "ASIA1"
            assert one.aws.operations() == ["AssumeRole"]
            return
        with pytest.raises(Denied, match="allow `create` on `serviceaccounts/token`"):
            await one.identities.aws_keys(identity, REGION)
        assert one.aws.forms == []


async def test_where_both_ways_are_refused_both_are_told() -> None:
    identity = Identity("aws", role_arn=ROLE, service_account="shop/worker", may_borrow=True)
    async with site(None, tokens([], FORBIDDEN)) as one:
        one.aws.refuses["AssumeRole"] = "AccessDenied"
        with pytest.raises(Denied) as caught:
            await one.identities.aws_keys(identity, REGION)
    assert "(AssumeRole) on STS" in str(caught.value)
    assert "get a token of ServiceAccount shop/worker" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        (
            "AccessDenied",
            403,
            Denied,
            "let the trust policy of the role name the token, that of ServiceAccount",
        ),
        (
            "InvalidIdentityToken",
            400,
            Denied,
            "OIDC provider for the cluster's issuer, with audience sts.amaz",
        ),
        ("ExpiredTokenException", 400, Denied, "check the clocks of the cluster"),
        ("IDPRejectedClaim", 403, Denied, "IDPRejectedClaim"),
        ("RegionDisabledException", 403, Misconfigured, "let the account use this region"),
        ("ValidationError", 400, Misconfigured, "check the role's ARN"),
        ("Throttling", 400, Unreachable, "Throttling"),
        ("IDPCommunicationError", 400, Unreachable, "IDPCommunicationError"),
        ("InternalFailure", 500, Unreachable, "InternalFailure"),
        (
            "RequestExpired",
            400,
            Denied,
            "this machine's clock differs from the service's; set this machine's clock",
        ),
        ("<!--", 400, Malformed, "without a code"),
    ],
)
async def test_what_sts_refuses_is_told_by_its_code(
    code: str, status: int, kind: type[TidegateError], words: str
) -> None:
    async with site({}, tokens([])) as one:
        one.aws.refuses["AssumeRoleWithWebIdentity"], one.aws.status = code, status
        with pytest.raises(kind) as caught:
            await one.identities.aws_keys(OF_WORKLOAD, REGION)
    assert words in str(caught.value)
    assert MARK not in str(caught.value)
    assert MARK not in repr(caught.value)


@pytest.mark.parametrize("late_s", [600.0, -600.0])
async def test_a_clock_that_is_wrong_is_called_one(late_s: float) -> None:
    side = "behind" if late_s > 0 else "ahead of"
    async with site() as one:
        one.aws.late_s = late_s
        one.aws.refuses["AssumeRole"] = "SignatureDoesNotMatch"
        with pytest.raises(Denied, match=f"this machine's clock is 10 min {side} the service's"):
            await one.identities.aws_keys(IN_ROLE, REGION)
        one.aws.refuses.clear()
        server = one.server(Identity("aws"))
        async with one.asking(server) as adapter:
            with pytest.raises(Denied, match=f"clock is 10 min {side} the service's; set this machine's"):
                await adapter.answer([SqsQueue(server, "orders")])


async def test_a_signature_that_is_wrong_for_another_cause_says_nothing_of_clocks() -> None:
    async with site() as one:
        one.aws.refuses["AssumeRole"] = "SignatureDoesNotMatch"
        with pytest.raises(Denied) as caught:
            await one.identities.aws_keys(IN_ROLE, REGION)
    assert "clock" not in str(caught.value)


@pytest.mark.parametrize("region", ["eu-west-1.evil.example/", "", "a b"])
async def test_a_region_is_no_way_to_another_server(region: str) -> None:
    async with site() as one:
        with pytest.raises(Misconfigured, match="no region's name"):
            await one.identities.aws_keys(IN_ROLE, region)


# --- many who ask, and keys that end


async def test_a_thousand_triggers_with_one_identity_make_one_request_for_its_keys() -> None:
    async with site() as one:
        server = one.server()
        async with one.asking(server) as adapter:
            found = await asyncio.gather(
                *(adapter.answer([SqsQueue(server, f"q{number % 20}")]) for number in range(1000))
            )
        assert set(map(tuple, found)) == {(SqsCounts(7, 7, 7),)}
        assert (one.aws.operations(), one.identities.fetches) == (["AssumeRole"], 1)


async def test_keys_that_have_ended_are_replaced_once_and_the_calls_are_repeated() -> None:
    async with site() as one:
        server = one.server()
        async with one.asking(server) as adapter:
            await adapter.answer([SqsQueue(server, "a")])
            one.aws.dead.add("ASIA1")
            found = await adapter.answer([SqsQueue(server, "a"), SqsQueue(server, "b")])
            assert found == [SqsCounts(7, 7, 7)] * 2
            assert one.aws.operations() == ["AssumeRole"] * 2
            one.aws.dead.add("ASIA2")
            with pytest.raises(Denied, match="ExpiredToken"):
                await adapter.answer([SqsQueue(server, "a")])
            assert one.aws.operations() == ["AssumeRole"] * 2, "not for every poll of a service that errs"


async def test_a_role_whose_sessions_are_revoked_is_assumed_anew() -> None:
    async with site() as one:
        server = one.server()
        async with one.asking(server) as adapter:
            one.aws.denied.add("ASIA1")
            with pytest.raises(Denied, match="AccessDenied; check the rights of the aws identity arn"):
                await adapter.answer([SqsQueue(server, "a")])
            assert await adapter.answer([SqsQueue(server, "a")]) == [SqsCounts(7, 7, 7)]


async def test_while_sts_throttles_it_is_left_alone_and_old_keys_serve() -> None:
    async with site() as one:
        one.aws.refuses["AssumeRole"] = "Throttling"
        server = one.server()
        async with one.asking(server) as adapter:
            for _ in range(5):
                with pytest.raises(Unreachable, match="Throttling"):
                    await adapter.answer([SqsQueue(server, "a")])
        assert one.aws.operations() == ["AssumeRole"]
        assert one.aws.asked == [], "nobody is asked without keys"


@pytest.mark.parametrize("refuses", ["AccessDenied", "ExpiredToken", "InvalidClientTokenId"])
async def test_no_secret_is_in_any_text(refuses: str, caplog: pytest.LogCaptureFixture) -> None:
    async with site() as one:
        server = one.server()
        async with one.asking(server) as adapter:
            await adapter.answer([SqsQueue(server, "a")])
            keys = await one.identities.aws_keys(IN_ROLE, REGION)
            texts = [repr(one.identities), repr(keys), repr(adapter), repr(server), str(server)]
            one.aws.refuses["AssumeRole"] = refuses
            one.aws.dead.add("ASIA1")
            with pytest.raises(TidegateError) as caught:
                await adapter.answer([SqsQueue(server, "a")])
            texts += [str(caught.value), repr(caught.value), caught.value.excerpt, caplog.text]
    assert not [text for text in texts if MARK in text]


# --- the signature


VANILLA = Signed(
    "GET",
    "https://example.amazonaws.com/",
    {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"},
)
LIST_USERS = Signed(
    "GET",
    "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
    {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": "iam.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
    },
)


@pytest.mark.parametrize(
    ("signed", "service", "expected"),
    [
        (VANILLA, "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (LIST_USERS, "iam", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
    ],
)
def test_what_checks_our_signatures_agrees_with_awss_published_ones(
    signed: Signed, service: str, expected: str
) -> None:
    secret, scope = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", f"20150830/us-east-1/{service}/aws4_request"
    assert signature(signed, secret, scope, "20150830T123600Z", sorted(signed.headers)) == expected
