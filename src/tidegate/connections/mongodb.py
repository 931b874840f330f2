"""MongoDB: one client per server, its counts a few at a time."""

from __future__ import annotations

import asyncio
import os
import re
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.addresses import Refused, dialable, misconfigured
from tidegate.connections.causes import cause_of
from tidegate.connections.queries import Cut, Found, QueryConnection, too_slow
from tidegate.connections.tls import shared_context, with_roots
from tidegate.kit.systems.mongodb import MongodbCount, MongodbServer, read_filter, with_hosts
from tidegate.runtime.pem_file import pem_file

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.pool import AsyncConnection
    from pymongo.errors import OperationFailure, PyMongoError

    from tidegate.connections.mongodb_aws import AwsSasl

CONNECTIONS = 4
"""How many counts run side by side; beside them the client keeps one that watches each host."""

MOST_WORDS = 200

_DENIED_LOGIN = (18, 8000)
_DENIED = 13
_SLOW = (50, 262)
# Shutting down, being elected, recovering: another moment may be better.
_NOT_YET = (11600, 11602, 10107, 13435, 13436, 91, 189, 6, 7, 89)
# What Extended JSON writes as an object of one such key. Other objects are operators, $regex among them.
_TYPED = frozenset(
    {
        "$binary", "$code", "$date", "$dbPointer", "$maxKey", "$minKey", "$numberDecimal", "$numberDouble",
        "$numberInt", "$numberLong", "$oid", "$regularExpression", "$symbol", "$timestamp", "$undefined",
        "$uuid",
    }
)  # fmt: skip


def connect(server: MongodbServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. The client library is imported here."""
    import pymongo  # noqa: F401  # that it is missing is told here

    return MongodbConnection(server, surroundings)


class MongodbConnection(QueryConnection):
    """A client with at most `CONNECTIONS` connections; it looks for the primary, and finds it again."""

    kind = MongodbCount

    def __init__(self, server: MongodbServer, surroundings: Surroundings) -> None:
        super().__init__(server, surroundings)
        self._at = server
        self._client: AsyncMongoClient[dict[str, Any]] | None = None
        self._files = ExitStack()
        self._refused: TidegateError | None = None
        self._aws: AwsSasl | None = None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        self._files.close()

    async def _open(self) -> None:
        if self._client is not None:
            return
        from pymongo.errors import PyMongoError

        limit_s = self._surroundings.timeout_s
        self._refused = None
        client = await self._made_client()
        try:
            async with asyncio.timeout(limit_s + 1.0):
                await client.admin.command("ping")
        except (PyMongoError, TimeoutError) as error:
            failure = self._refused or self._opening_error(error, client)
            await self._drop(client)
            raise failure from error
        except BaseException:
            await self._drop(client)
            raise
        self._client = client
        self.connections += 1

    async def _drop(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        with suppress(Exception):
            await client.close()
        self._files.close()

    async def _made_client(self) -> AsyncMongoClient[dict[str, Any]]:
        from pymongo import AsyncMongoClient
        from pymongo.errors import PyMongoError

        limit_ms = max(1, round(self._surroundings.timeout_s * 1000))
        try:
            uri = await self._reachable_uri()
            options = await self._tls_options()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of options that it does not know
                return AsyncMongoClient(
                    uri,
                    appname="tidegate",
                    connectTimeoutMS=limit_ms,
                    serverSelectionTimeoutMS=limit_ms,
                    socketTimeoutMS=round(self._surroundings.queries_s * 1000),
                    maxPoolSize=CONNECTIONS,
                    retryReads=False,
                    serverMonitoringMode="poll",
                    **options,
                    **self._own_pool(),
                )
        except (PyMongoError, OSError, ValueError, TypeError) as error:
            self._files.close()
            raise Misconfigured(
                "open a connection",
                on=self._label,
                answer="the connection string or a certificate of it cannot be used",
                next_step="check its options, and that user and password are percent-encoded",
            ) from error

    async def _reachable_uri(self) -> str:
        """The URI with the addresses that its hosts' names stand for here; each may be dialled."""
        from pymongo.uri_parser import parse_uri

        uri, is_srv = self._at.uri, self._at.uri.startswith("mongodb+srv://")
        if is_srv and self._surroundings.policy.is_open:
            return uri
        limit_s = self._surroundings.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                nodes = (await asyncio.to_thread(parse_uri, uri, connect_timeout=limit_s))["nodelist"]
        except TimeoutError as error:
            raise self._unreachable(f"its name was not found within {limit_s:g} s") from error
        names = {}
        for host, port in nodes:
            if not host.startswith("/"):
                dialled = await self._permitted(host, port)
                if self._surroundings.resolve(host) != host:
                    names[host] = dialled[0]
            elif not self._surroundings.policy.is_open:
                await self._permitted(host, port)
        return with_hosts(uri, names) if names and not is_srv else uri

    async def _permitted(self, host: str, port: int | None) -> tuple[str, ...]:
        """What to dial for a host; Misconfigured where it may not be asked. Kept, to be told."""
        try:
            if host.endswith(".sock"):  # a path, to the client
                raise misconfigured(host, Refused(host, "a socket of the autoscaler's own machine"))
            return await dialable(self._surroundings, host, port or 27017)
        except Misconfigured as error:
            self._refused = error
            raise

    def _own_pool(self) -> dict[str, Any]:
        """A replica set names its members itself: each is checked when it is dialled. A login of ours has
        its place there, too."""
        if self._surroundings.policy.is_open and self._at.aws is None:
            return {}
        from pymongo.asynchronous.pool import Pool
        from pymongo.errors import AutoReconnect

        begin, log_in = self._permitted, self._log_in

        class Own(Pool):
            async def connect(self, handler: Any = None) -> AsyncConnection:
                try:
                    await begin(*self.address)
                except TidegateError as error:
                    raise AutoReconnect(str(error)) from error
                connection = await super().connect(handler)
                if self.is_sdam:  # it only watches the host
                    return connection
                try:
                    await log_in(connection)
                except BaseException as error:
                    async with self.lock:
                        self.active_contexts.discard(connection.cancel_context)
                    await connection.close_conn("error")
                    if isinstance(error, TidegateError):
                        raise AutoReconnect(str(error)) from error
                    raise
                return connection

        return {"_pool_class": Own}

    async def _log_in(self, connection: AsyncConnection) -> None:
        """By AWS, where that is how; a failure of ours is kept, to be told."""
        if self._at.aws is None:
            return
        from tidegate.connections.mongodb_aws import AwsSasl

        self._aws = self._aws or AwsSasl(self._at.aws, self._surroundings, self._label)
        try:
            await self._aws.log_in(connection)
        except TidegateError as error:
            self._refused = error
            raise

    async def _tls_options(self) -> dict[str, Any]:
        """TLS by files in memory, which last as long as the client."""
        tls = self._at.tls
        if tls is None:
            return {}
        await shared_context(tls, self._surroundings.tls)  # tells which of them cannot be read
        options: dict[str, Any] = {"tls": True}
        if tls.ca or self._surroundings.tls.authorities:
            trusted = with_roots(tls.ca, self._surroundings.tls)
            options["tlsCAFile"] = self._files.enter_context(pem_file(trusted))
        if tls.cert:
            both = f"{tls.cert.rstrip()}\n{tls.key}"
            options["tlsCertificateKeyFile"] = self._files.enter_context(pem_file(both))
            if tls.key_password:
                options["tlsCertificateKeyFilePassword"] = tls.key_password
        return options

    async def _ask(self, questions: Sequence[MongodbCount], found: Found) -> None:
        waiting = list(reversed(questions))
        lost: list[Cut] = []

        async def work() -> None:
            while waiting and not lost:
                question = waiting.pop()
                self.round_trips += 1
                outcome = await self._count(question)
                if isinstance(outcome, Cut):
                    lost.append(outcome)
                else:
                    found[question] = outcome

        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONNECTIONS, len(questions))):
                group.create_task(work())
        if lost:
            raise lost[0]

    async def _count(self, question: MongodbCount) -> Any:
        from bson.errors import BSONError
        from pymongo.errors import OperationFailure, PyMongoError

        client = self._client
        assert client is not None
        try:
            wanted = typed(read_filter(question.filter))
            collection = client[question.database][question.collection]
            return await collection.count_documents(wanted, maxTimeMS=max(1, round(self.statement_s * 1000)))
        except OperationFailure as error:
            return self._refusal(error)
        except PyMongoError as error:
            return self._query_error(error)
        except (BSONError, ValueError, TypeError, OverflowError) as error:
            return Misconfigured(
                f"count {question.database}.{question.collection}",
                on=self._label,
                answer=f"the filter or a name cannot be sent ({type(error).__name__})",
                next_step="write typed values as Extended JSON does",
            )

    # --- what errors mean

    def _opening_error(self, error: BaseException, client: AsyncMongoClient[dict[str, Any]]) -> TidegateError:
        from pymongo.errors import ConfigurationError, OperationFailure

        if isinstance(error, OperationFailure):
            if error.code in _NOT_YET:
                return self._unreachable(_code(error))
            step = "check user, password and authSource (the database that knows the user)"
            if self._at.aws is not None:
                step = "check the AWS keys or role, and that the server knows it as a user of $external"
            return Denied("log in", on=self._label, answer=_code(error), next_step=step)
        is_lookup = self._at.uri.startswith("mongodb+srv://") and "wire version" not in str(error)
        if isinstance(error, ConfigurationError) and is_lookup:
            return self._unreachable("its hosts cannot be looked up (SRV records of the DNS)")
        if isinstance(error, ConfigurationError):
            return Misconfigured(
                "open a connection", on=self._label, answer="its options and the server do not go together"
            )
        # What happened to each host stands in the client's picture of them.
        hosts = client.topology_description.server_descriptions().values()
        said = next((str(one.error) for one in hosts if one.error is not None), "timed out")
        return self._unreachable(_words(said, self._surroundings.timeout_s))

    def _query_error(self, error: PyMongoError) -> TidegateError:
        from pymongo.errors import AutoReconnect, InvalidName, WaitQueueTimeoutError

        if isinstance(error, AutoReconnect | WaitQueueTimeoutError):
            words, _ = cause_of(error, self._surroundings.queries_s)
            return Cut("count", on=self._label, answer=words, next_step="check that the server runs")
        kind = Misconfigured if isinstance(error, InvalidName) else Malformed
        return kind("count", on=self._label, answer=f"{type(error).__name__}", next_step="check the names")

    def _refusal(self, error: OperationFailure) -> TidegateError:
        """What an error of the server means. Its words stay out: they may repeat what a collection holds."""
        answer = _code(error)
        found: TidegateError
        if error.code in _SLOW:
            found = too_slow(self._label, self.statement_s)
        elif error.code in (_DENIED, *_DENIED_LOGIN):
            step = "give the user the right to read the collection"
            found = Denied("count", on=self._label, answer=answer, next_step=step)
        elif error.code in _NOT_YET:
            found = Unreachable("count", on=self._label, answer=answer)
        else:
            found = Malformed("count", on=self._label, answer=answer, next_step="correct the filter")
        found.excerpt = str((error.details or {}).get("errmsg", ""))[:MOST_WORDS]
        return found

    def _unreachable(self, answer: str) -> Unreachable:
        return Unreachable(
            "open a connection",
            on=self._label,
            answer=answer,
            next_step="check that the server runs, that host and port are right, and whether it wants TLS",
        )


def typed(value: Any) -> Any:
    """JSON with what Extended JSON means by it. ValueError or TypeError where a type has no such value."""
    from bson.json_util import JSONOptions, object_hook

    if isinstance(value, list):
        return [typed(one) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {key: typed(one) for key, one in value.items()}
    keys = set(value)
    if (len(keys) == 1 and keys <= _TYPED) or keys == {"$code", "$scope"}:
        return object_hook(inner, JSONOptions(tz_aware=True))
    return inner


def _words(said: str, timeout_s: float) -> str:
    """The cause in a text of the client's, which keeps no cause: a number of the system, or TLS."""
    untrusted = re.search(r"certificate verify failed: ([^(\[]*)", said)
    if untrusted:
        return f"its certificate is not trusted ({untrusted[1].strip()}); check `ca`"
    if "SSL handshake failed" in said:
        return "TLS failed"
    number = re.search(r"\[Errno (-?[0-9]+)\]", said)
    if number and int(number[1]) > 0:
        return os.strerror(int(number[1])).lower()
    if number:
        return "name or service not known"
    return f"no answer within {timeout_s:g} s" if "timed out" in said else "the connection was closed"


def _code(error: OperationFailure) -> str:
    name = str((error.details or {}).get("codeName", ""))[:MOST_WORDS]
    return f"it was refused: {name} (code {error.code})" if name else f"it was refused (code {error.code})"
