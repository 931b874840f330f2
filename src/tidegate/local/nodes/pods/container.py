"""One container of a pod: its instances on disk, the one that runs, and how it starts and stops.

    (nothing) --start--> starting --launcher reports--> running --ends--> ended --start--> …
                                  \\-- cannot run -----------------------> ended
    a server that comes back: unclaimed -> void, alive -> running, ended -> ended, lost -> start again

Only the pod's own task calls the methods here; what happens outside (a process ends, a launcher
reports, a hook is done) sets a flag and wakes that task.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidegate.local.nodes.pods import hooks, pod_status
from tidegate.local.nodes.pods.ending import Ending, Manner, Process
from tidegate.local.nodes.pods.pod_status import ContainerView, Role
from tidegate.local.nodes.pods.probes import Probes
from tidegate.local.nodes.pods.starts import restarting
from tidegate.local.nodes.pods.starts.launch_watch import LaunchWatch
from tidegate.local.nodes.processes.exec import Inside
from tidegate.local.nodes.processes.instance import Instance, Plan, Record, Seen, instances, write
from tidegate.local.nodes.processes.instance_life import Life
from tidegate.local.nodes.processes.last_words import last_words
from tidegate.local.nodes.processes.process import Watch
from tidegate.local.nodes.processes.volumes import remove
from tidegate.local.nodes.runtimes.choice import Runtimes
from tidegate.local.nodes.runtimes.port import Runtime
from tidegate.runtime.clock import Clock

KEPT = 2


class Container:
    """`runtimes` run its instances; each instance names its own."""

    def __init__(
        self,
        folder: Path,
        spec: Mapping[str, Any],
        role: Role,
        wake: Callable[[], None],
        runtimes: Runtimes,
    ) -> None:
        self.spec = spec
        self.role = role
        self.name = str(spec["name"])
        self.idle = pod_status.waiting("ContainerCreating")
        self.waiting = self.idle
        self.retry_at = 0.0
        self.probes: Probes | None = None
        self.is_stopped = False
        self._uid = folder.name
        self._folder = folder / self.name
        self._runtimes = runtimes
        self._wake = wake
        self._watch: Watch | None = None
        self._launch: LaunchWatch | None = None
        self._is_starting = False
        self._has_news = False
        self._ended = asyncio.Event()
        # Set while no process of it lives; `_ended` until that has been taken note of.
        self.over = asyncio.Event()
        self.over.set()
        self._ending: asyncio.Task[None] | None = None
        self._end: Ending | None = None
        self._post_start: asyncio.Task[bool] | None = None
        self._has_failed_hook = False
        self._history: list[tuple[Instance, Seen]] = []
        self._words: dict[int, str] = {}
        self._ran_by: dict[int, Runtime] = {}
        self._last_number = -1

    @property
    def current(self) -> Instance | None:
        return self._history[-1][0] if self._history else None

    @property
    def previous(self) -> Instance | None:
        return self._history[-2][0] if len(self._history) > 1 else None

    @property
    def seen(self) -> Seen | None:
        return self._history[-1][1] if self._history else None

    @property
    def is_alive(self) -> bool:
        return self.seen is not None and self.seen.state in ("alive", "unclaimed")

    @property
    def is_running(self) -> bool:
        return self.is_alive and not self._is_starting

    @property
    def is_ending(self) -> bool:
        return self._ending is not None

    @property
    def is_held_by_hook(self) -> bool:
        """Whether others wait for it to be told running: its `postStart` has not come to an end."""
        if not hooks.hook_of(self.spec, "postStart") or not self.is_alive or self.is_ending:
            return False
        return self._is_starting or self._has_news or self._post_start is not None

    @property
    def next_number(self) -> int:
        return self._last_number + 1

    @property
    def backoff_s(self) -> float:
        """What the next start has to wait, counted from the end of the last run."""
        if self.seen is None or self.seen.state != "ended" or self.current is None:
            return 0.0
        return restarting.backoff_s(self.seen, self.current.record())

    def restarts(self, policy: str) -> bool:
        """Whether what has ended (or was never there) is to be started."""
        if self.is_alive or self.is_stopped:
            return False
        if self.seen is None or self.seen.state == "lost":
            return True
        return pod_status.restarts_after(policy, self.role, self.seen.code)

    def delay_s(self, now: float) -> float:
        """Seconds until a start is due; `now` is epoch seconds."""
        ended_at = self.seen.finished_at if self.seen else 0.0
        return max(0.0, ended_at + self.backoff_s - now, self.retry_at - now)

    def adopt(self) -> None:
        """Finds what an earlier server left: runs on with what lives, takes what never began."""
        for instance in instances(self._folder):
            seen = instance.inspect()
            if seen.state == "unclaimed":
                # Whoever should have started it may still come: after this it gives up.
                seen = Seen("void") if instance.take() else instance.inspect()
            self._last_number = instance.number
            instance.seal(seen)
            if seen.state != "void":
                self._history.append((instance, seen))
        if self.is_alive:
            self._has_news = False
            self.over.clear()
            self._hold()

    def takes_note_of_start(self) -> bool:
        """True once for each instance that has begun to run under this server, also if it is over by now."""
        has_run = self.seen is not None and self.seen.state == "ended" and self.seen.failure is None
        is_news = self._has_news and (self.is_running or has_run)
        self._has_news = self._has_news and not is_news
        return is_news

    def _hold(self) -> None:
        """Watches the living instance: the shell that waits for the command, else the command."""
        claim = self.seen.claim if self.seen else None
        if claim is None:
            return
        self._watch = Watch.open(claim.session, claim.session_start, self._on_exit) or Watch.open(
            claim.pid, claim.start, self._on_exit
        )
        if self._watch is None:
            self._on_exit()

    def _on_exit(self) -> None:
        self._watch = None
        self._ended.set()
        self.over.set()
        self._wake()

    def start(
        self,
        plan: Plan,
        record: Record,
        on_launched: Callable[[], None],
        network: Sequence[int] = (),
    ) -> None:
        """A new instance, complete on disk before its launcher starts; `network` see `Instance.launch`.

        `on_launched` is called once: when the command runs, or when it is certain that it will not.
        """
        self._last_number += 1
        instance = write(self._folder, self._last_number, plan, record)
        self._ended.clear()
        self.over.clear()
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pid, pidfd = instance.launch(writing, network)
        except OSError:
            os.close(reading)
            remove(instance.path)
            self.over.set()
            raise
        finally:
            os.close(writing)
        self._watch = Watch(pid, pidfd, self._on_exit)
        runtime = self._runtime_of(instance)
        self._launch = LaunchWatch(reading, lambda: runtime.begun(instance), self._on_begun, on_launched)
        self._is_starting, self._has_news, self._has_failed_hook = True, True, False
        self._history.append((instance, Seen("unclaimed")))
        self.waiting = self.idle

    def _on_begun(self) -> None:
        if self.current is not None and not self._ended.is_set():
            self._is_starting = False
            # Alive until its end has been noticed, even if that was a moment ago: ends are taken note
            # of in one place only.
            self._history[-1] = (self.current, Seen("alive", self.current.inspect().claim))
            self._wake()

    def _close_launch(self) -> None:
        if self._launch is not None:
            self._launch.close()
            self._launch = None

    def _runtime_of(self, instance: Instance) -> Runtime:
        if instance.number not in self._ran_by:
            self._ran_by[instance.number] = self._runtimes.of(instance.record().runtime)
        return self._ran_by[instance.number]

    async def settle(self, now: float) -> Seen | None:
        """Takes note of an end; what has just ended, once, after nothing of it is left running."""
        for place, (instance, seen) in enumerate(self._history):
            runtime = self._runtime_of(instance)
            if seen.state in ("ended", "lost") and runtime.is_left(instance):  # of an earlier server
                await runtime.note_end(instance)
                self._history[place] = (instance, instance.inspect())
                await runtime.drop(self._uid, instance)
        if not self._ended.is_set() or self.current is None:
            return None
        self._close_launch()
        self._is_starting = False
        await self._runtime_of(self.current).note_end(self.current)
        seen = self.current.inspect()
        if seen.state == "unclaimed":
            seen = Seen("void") if self.current.take() else self.current.inspect()
        if seen.state == "alive":
            self._ended.clear()
            self.over.clear()
            self._history[-1] = (self.current, seen)
            self._hold()
            return None
        if seen.state == "void":
            self._ended.clear()
            self._history.pop()
            self.waiting = pod_status.waiting("RunContainerError", "the launcher ended before the command")
            self.retry_at = now + pod_status.BACKOFF_FIRST_S
            return None
        await self._leave_alone()
        await self._runtime_of(self.current).drop(self._uid, self.current)
        self.current.seal(seen)
        # Only now: what fails on the way here is done again the next time.
        self._ended.clear()
        self._history[-1] = (self.current, seen)
        self._prune()
        return seen

    def _prune(self) -> None:
        """Keeps the last instances, for `logs --previous`; numbers are never used twice."""
        for instance, _ in self._history[:-KEPT]:
            remove(instance.path)
        del self._history[:-KEPT]

    def mark_lost(self) -> None:
        """What is stopped from now on is stopped with the node: no failure, and started again later."""
        if self.current is not None and self.current.inspect().state == "alive":
            self.current.mark_lost()

    def life(self) -> Life:
        """What servers did to the instance that is there."""
        return Life() if self.current is None else Life.read(self.current.path)

    def begin_post_start(self, hook: Coroutine[Any, Any, bool]) -> None:
        """Runs the hook beside the container; written down before, so that it is begun once."""
        assert self.current is not None
        life = self.life()
        life.post_start = "begun"
        life.write(self.current.path)
        self._post_start = asyncio.create_task(hook)
        self._post_start.add_done_callback(lambda _: self._wake())

    def takes_note_of_post_start(self) -> bool | None:
        """Once, after the hook has come to an end: whether all is well."""
        if self._post_start is None or not self._post_start.done() or self.current is None:
            return None
        task, self._post_start = self._post_start, None
        self._has_failed_hook = task.cancelled() or not task.result()
        life = self.life()
        life.post_start = "failed" if self._has_failed_hook else "done"
        life.write(self.current.path)
        return not self._has_failed_hook

    def end(self, grace_s: float, manner: Manner, clock: Clock) -> bool:
        """Begins the end of what runs, which wakes the pod's task when it comes; True if it began now.

        An end that has begun already gets no more than `grace_s` from now on.
        """
        if self.current is None or not self.is_alive:
            return False
        if self.seen is not None and self.seen.state == "unclaimed":
            self.current.take()
        instance = self.current
        is_new = self._end is None
        if self._end is None:
            runtime = self._runtime_of(instance)
            process = Process(self.over, self._signal, lambda: runtime.end(self._uid, instance))
            self._end = Ending(instance, process, clock)
        self._end.allow(grace_s)
        if is_new:
            if self._post_start is not None:
                self._post_start.cancel()
            if self.probes is not None:
                self.probes.hush()
            self._ending = asyncio.create_task(self._end.run(manner))
        return is_new

    def _signal(self, number: signal.Signals) -> None:
        if self._watch is not None and self.current is not None:
            self._runtime_of(self.current).signal(self.current, self._watch, number)

    async def _leave_alone(self) -> None:
        """Stops everything that was done about the instance."""
        tasks = [task for task in (self._ending, self._post_start) if task is not None]
        self._ending, self._end, self._post_start = None, None, None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._stop_probes()

    def inside(self) -> Inside | None:
        """Where `exec` and probes run, None while nothing runs."""
        if not self.is_running or self.seen is None or self.current is None:
            return None
        return self._runtime_of(self.current).inside(self.current, self.seen)

    def next_record(self, plan: Plan, runtime: str) -> Record:
        last = None if self.current is None else self.current.record()
        return restarting.next_record(self.seen, last, plan, runtime)

    def view(self, will_restart: bool) -> ContainerView:
        """The container as the Pod's status shows it."""
        ended = [self._ended_state(instance, seen) for instance, seen in self._history]
        state: Mapping[str, Any] = self.waiting
        last: Mapping[str, Any] = ended[-2] if len(ended) > 1 else {}
        if self._is_told_running and self.seen and self.seen.claim:
            state = pod_status.running(self.seen.claim.at)
        elif self.seen and self.seen.state == "ended":
            if will_restart:
                last = ended[-1]
            else:
                state = ended[-1]
        probes = self.probes
        return ContainerView(
            name=self.name,
            image=str(self.spec.get("image", "")),
            role=self.role,
            state=state,
            last=last,
            restarts=self.current.record().restarts if self.current else 0,
            is_ready=self._is_ready(),
            is_started=self._is_told_running and (probes is None or probes.is_started),
            container_id=self._id(self.current) if self.current else "",
        )

    def _ended_state(self, instance: Instance, seen: Seen) -> dict[str, Any]:
        if seen.state == "ended" and instance.number not in self._words:
            policy = str(self.spec.get("terminationMessagePolicy", ""))
            self._words[instance.number] = last_words(instance.path, policy, seen.code != 0)
        return pod_status.ended(seen, self._id(instance), self._words.get(instance.number, ""))

    def _id(self, instance: Instance) -> str:
        return f"{self._runtime_of(instance).name}://{self._uid}/{instance.name}"

    def _is_ready(self) -> bool:
        if self.role == "init":
            return self.seen is not None and self.seen.state == "ended" and self.seen.code == 0
        return self._is_told_running and (self.probes is None or self.probes.is_ready)

    @property
    def _is_told_running(self) -> bool:
        return self.is_running and not self.is_held_by_hook and not self._has_failed_hook

    def _stop_probes(self) -> None:
        if self.probes is not None:
            self.probes.close()
            self.probes = None

    def close(self) -> None:
        """Lets go of the processes without touching them; safe twice."""
        self._close_launch()
        self._stop_probes()
        for task in (self._ending, self._post_start):
            if task is not None:
                task.cancel()
        if self._watch is not None:
            self._watch.close()
            self._watch = None
