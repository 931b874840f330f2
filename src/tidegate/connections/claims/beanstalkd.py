"""Claims from beanstalkd: what is reserved is reserved by our connection, and ends with it.

Identities and receipts. A job's number is given anew once the server has forgotten its jobs, and stays when
somebody kicks the job: so the identity is the number, what tells this job from others of that number (the
server's own identity, or the body where a log keeps jobs beyond a restart), and how often it was kicked. The
receipt is the number: it stands on the Job, so that a restart reserves just those again that Jobs work on.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.beanstalkd_wire import Reply, Wire, opened
from tidegate.connections.claims.writers import Writer
from tidegate.connections.queries import Cut
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.beanstalkd import BeanstalkdServer
from tidegate.kit.systems.beanstalkd_claims import TubeSource
from tidegate.kit.systems.claims import Command, Deliveries, Delivery, Done, Renewals, Result

PIECE = 20
"""Jobs that are reserved at once."""

BYTES = 8 * 2**20
"""Once an answer has as much it is full; the bodies of a piece come on top."""

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Held:
    """A job that our connection has reserved, in the name of `holder`."""

    id: str
    holder: str
    source: TubeSource
    priority: int
    ttr_s: int


def connect(server: BeanstalkdServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network."""
    return BeanstalkdWriter(server, surroundings)


class BeanstalkdWriter:
    """One connection, which holds what it has reserved: it stays open as long as somebody claims."""

    def __init__(self, server: BeanstalkdServer, surroundings: Surroundings) -> None:
        self.connections = 0
        self._server = server
        self._surroundings = surroundings
        self._label = server.label()
        self._lock = asyncio.Lock()
        self._wire: Wire | None = None
        self._instance = ""
        self._watched = ""
        # By their numbers. Those of a connection that was lost are reserved again on the next.
        self._held: dict[int, Held] = {}

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
        async with self._lock:
            try:
                return await self._carried_out(commands)
            except Cut:
                # Every command may be repeated.
                return await self._carried_out(commands)

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.abort()
            await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    async def _carried_out(self, commands: Sequence[Command]) -> list[Result | TidegateError]:
        try:
            if self._wire is None:
                await self._open()
            return [await self._one(command) for command in commands]
        except BaseException:
            await self.close()
            raise

    async def _open(self) -> None:
        self._wire, self._watched = await opened(self._server, self._surroundings), "default"
        self.connections += 1
        (reply,) = await self._say("stats")
        told = reply.fields()
        # With a log jobs and their numbers outlive the server's own identity.
        self._instance = "" if told.get("binlog-current-index", "0") != "0" else told.get("id", "")
        before, self._held = self._held, {}
        try:
            for number, one in before.items():
                await self._reserved_again(number, one.id, one.holder, one.source)
        except BaseException:
            self._held = before
            raise

    async def _say(self, *commands: str) -> list[Reply]:
        assert self._wire is not None
        return await self._wire.exchange(commands) if commands else []

    async def _one(self, command: Command) -> Result | TidegateError:
        source = command.source
        if not isinstance(source, TubeSource):
            what = type(source).__name__
            return Unsupported("claim messages", on=self._label, answer=f"from a {what}")
        match command.ask:
            case Take(maximum=0):
                return await self._resumed(command, source)
            case Take(maximum=maximum):
                return await self._taken(command, source, maximum - len(command.known))
            case Renew(ids=ids):
                return await self._renewed(command, source, ids)
            case GiveBack(ids=ids):
                for id in ids:
                    await self._released(command.holder, id, 0)
                return Done()
            case Acknowledge(id=id):
                return await self._acknowledged(command.holder, id)
            case Release(id=id, delay_s=delay_s):
                return await self._released(command.holder, id, math.ceil(delay_s))
            case DeadLetter(id=id):
                return await self._buried(command.holder, source, id)

    # --- taking

    async def _resumed(self, command: Command, source: TubeSource) -> Deliveries:
        """What Jobs work on and we hold no more is ready again, unless somebody else was faster."""
        held = []
        for id, receipt in command.receipts:
            if await self._is_held(command.holder, source, id):
                held.append((id, receipt))
        return Deliveries(held=tuple(held))

    async def _taken(self, command: Command, source: TubeSource, room: int) -> Result | TidegateError:
        if self._watched != source.tube:
            await self._say(f"watch {source.tube}", f"ignore {self._watched}")
            self._watched = source.tube
        items: list[Delivery] = []
        size = 0
        while room > 0 and len(items) < _BATCH and size < BYTES:
            wanted = min(room, PIECE)
            replies = await self._say(*["reserve-with-timeout 0"] * wanted)
            got = [one for one in replies if one.word == "RESERVED"]
            stats = await self._say(*(f"stats-job {one.number}" for one in got))
            for reply, told in zip(got, stats, strict=True):
                if told.word != "OK":
                    continue  # it was deleted, or its time is over, at this very moment
                one = self._holding(reply, told, command.holder, source)
                self._held[reply.number] = one
                items.append(Delivery(one.id, reply.body, receipt=str(reply.number)))
                size += len(reply.body)
            short = [one for one in self._held.values() if one.holder == command.holder]
            least = min((one.ttr_s for one in short), default=0)
            if short and least < command.lease_s:
                return await self._too_short(command, source, items, least)
            room -= len(got)
            if len(got) < wanted:
                return Deliveries(tuple(items))
        return Deliveries(tuple(items), has_more=room > 0)

    async def _too_short(
        self, command: Command, source: TubeSource, items: Sequence[Delivery], least: int
    ) -> Misconfigured:
        """A job whose time to run ends before it would be renewed twice is not claimed at all."""
        for one in items:
            await self._released(command.holder, one.id, 0)
        return Misconfigured(
            f"claim messages of tube {source.tube}",
            on=self._label,
            answer=f"a job has a time to run of {least} s, less than the lease of {command.lease_s:g} s",
            next_step=f"let tidegate.dev/claim-lease be at most {least}, or put jobs with a longer one",
        )

    def _holding(self, reply: Reply, told: Reply, holder: str, source: TubeSource) -> Held:
        fields = told.fields()
        try:
            priority, ttr_s, kicks = int(fields["pri"]), int(fields["ttr"]), int(fields["kicks"])
        except (KeyError, ValueError) as error:
            answer = "statistics of a job without the numbers that belong to it"
            raise Malformed("claim messages", on=self._label, answer=answer) from error
        return Held(self._identity(reply.number, reply.body, kicks), holder, source, priority, ttr_s)

    def _identity(self, number: int, body: bytes, kicks: int) -> str:
        what = self._instance.encode() or body
        tail = f".{kicks}" if kicks else ""
        return f"{number}-{hashlib.sha256(what).hexdigest()[:8]}{tail}"

    # --- what is held

    async def _is_held(self, holder: str, source: TubeSource, id: str) -> bool:
        """Whether we hold it for another time to run; it is reserved again where nobody else has."""
        number = _number(id)
        one = self._held.get(number)
        if one is not None and one.id == id:
            if one.holder != holder:
                return False
            (reply,) = await self._say(f"touch {number}")
            if reply.word == "TOUCHED":
                return True
            del self._held[number]
        return await self._reserved_again(number, id, holder, source)

    async def _reserved_again(self, number: int, id: str, holder: str, source: TubeSource) -> bool:
        """By its number, which servers before 1.12 cannot: it comes again by itself then."""
        if number in self._held:
            return False
        (reply,) = await self._say(f"reserve-job {number}")
        if reply.word != "RESERVED":
            return False
        (told,) = await self._say(f"stats-job {number}")
        if told.word != "OK":
            return False
        one = self._holding(reply, told, holder, source)
        if one.id != id:
            # Another job with its number.
            await self._say(f"release {number} {one.priority} 0")
            return False
        self._held[number] = one
        return True

    async def _renewed(self, command: Command, source: TubeSource, ids: Sequence[str]) -> Renewals:
        ours = [id for id in ids if self._is_ours(command.holder, id)]
        touched = await self._say(*(f"touch {_number(id)}" for id in ours))
        good = {id for id, reply in zip(ours, touched, strict=True) if reply.word == "TOUCHED"}
        for id in set(ours) - good:
            self._held.pop(_number(id), None)
        lost = []
        for id in ids:
            if id not in good and not await self._is_held(command.holder, source, id):
                lost.append(id)
        return Renewals(tuple(lost))

    def _is_ours(self, holder: str, id: str) -> bool:
        one = self._held.get(_number(id))
        return one is not None and one.id == id and one.holder == holder

    # --- how they end

    async def _state(self, id: str) -> str:
        """The state of a job that we do not hold; "" where it is not there, or is another job."""
        number = _number(id)
        found, told = await self._say(f"peek {number}", f"stats-job {number}")
        fields = told.fields()
        kicks = fields.get("kicks", "")
        if found.word != "FOUND" or told.word != "OK" or not kicks.isdigit():
            return ""
        return fields.get("state", "") if self._identity(number, found.body, int(kicks)) == id else ""

    async def _acknowledged(self, holder: str, id: str) -> Result | TidegateError:
        if not self._is_ours(holder, id):
            state = await self._state(id)
            if not state or state == "reserved":
                return Done(is_elsewhere=state == "reserved")
        (reply,) = await self._say(f"delete {_number(id)}")
        self._forget(id)
        if reply.word in ("DELETED", "NOT_FOUND"):
            return Done()
        return self._unable("acknowledge a message", reply)

    async def _released(self, holder: str, id: str, delay_s: int) -> Result | TidegateError:
        if self._is_ours(holder, id):
            number = _number(id)
            (reply,) = await self._say(f"release {number} {self._held[number].priority} {delay_s}")
            self._forget(id)
            if reply.word not in ("RELEASED", "BURIED", "NOT_FOUND"):
                return self._unable("release a message", reply)
            return Done(is_uncounted=True)
        return Done(is_elsewhere=await self._state(id) == "reserved", is_uncounted=True)

    async def _buried(self, holder: str, source: TubeSource, id: str) -> Result | TidegateError:
        state = "" if self._is_ours(holder, id) else await self._state(id)
        if state == "buried":
            return Done()
        if not await self._is_held(holder, source, id):
            return Done(is_elsewhere=bool(state))
        number = _number(id)
        (reply,) = await self._say(f"bury {number} {self._held[number].priority}")
        self._forget(id)
        if reply.word in ("BURIED", "NOT_FOUND"):
            return Done()
        return self._unable("put a message aside", reply)

    def _forget(self, id: str) -> None:
        if (one := self._held.get(_number(id))) is not None and one.id == id:
            del self._held[_number(id)]

    def _unable(self, attempted: str, reply: Reply) -> Unreachable:
        return Unreachable(attempted, on=self._label, answer=reply.word)


def _number(id: str) -> int:
    """The job's number, in its identity."""
    text = id.partition("-")[0]
    return int(text) if text.isdecimal() and len(text) < 20 else 0
