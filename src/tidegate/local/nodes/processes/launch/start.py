"""`run`: an instance of a container, from its directory to its command."""

from __future__ import annotations

import os
from contextlib import suppress

from claim import claim
from command import become, find_program
from identity import take
from mounts import make_private
from namespaces import join_network
from plan import CannotStart, Plan

STATUS_FD, NETWORK_FD, ROUTER_FD = 3, 4, 5
GAVE_UP, CANNOT_START = 75, 128


def tell(word: bytes) -> None:
    """Wakes the server that started us; one that is gone reads the instance directory instead."""
    with suppress(OSError):
        os.write(STATUS_FD, word)


def enter_network() -> bool:
    try:
        return join_network(NETWORK_FD)
    except OSError as error:
        raise CannotStart("StartError", f"cannot enter the network of the pod: {error.strerror}") from error


def enter_group(group: int) -> None:
    try:
        os.write(group, b"0")
    except OSError as error:
        raise CannotStart("StartError", f"cannot limit the memory: {error.strerror}") from error


def run(instance: bytes) -> int:
    for fd in (STATUS_FD, NETWORK_FD, ROUTER_FD):
        with suppress(OSError):  # not there: started by hand, or without a network of its own
            os.set_inheritable(fd, False)
    held = os.open(instance, os.O_RDONLY | os.O_DIRECTORY)
    with open(instance + b"/plan", "rb") as file:
        plan = Plan(file.read())
    if not claim(instance):
        return GAVE_UP
    log = os.open(instance + b"/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if plan.identity[0]:
        os.fchown(log, plan.identity[0][0], -1)  # who opens /dev/stdout opens this file
    os.close(log)
    given = None
    if plan.has_input or plan.has_tty:
        from relay import Input

        given = Input(instance + b"/input", plan.has_tty, plan.identity[0])
    try:
        group = os.open(plan.group + b"/cgroup.procs", os.O_WRONLY) if plan.group else None
        has_joined_user = plan.has_network and enter_network()
        if plan.is_private:
            make_private(instance, plan, has_joined_user)
        take(plan.identity)
        try:
            os.chdir(plan.cwd or b"/")
        except OSError as error:
            told = f"working directory {plan.cwd.decode(errors='replace')}: {error.strerror}"
            raise CannotStart("StartError", told) from error
        program = find_program(plan.args[0], plan.env.get(b"PATH", os.defpath.encode()))
        if given is not None and not given.become_command():
            for fd in (STATUS_FD, NETWORK_FD, ROUTER_FD)[: 3 if plan.has_network else 1]:
                os.close(fd)
            return given.relay()
        if group is not None:
            # As late as can be: this interpreter needs more than a small limit has.
            enter_group(group)
        tell(b"+")
        become(program, plan.args, plan.env)
    except CannotStart as error:
        if os.geteuid() != 0 and plan.identity[0]:
            os.seteuid(0)
        fresh = os.open("failed.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=held)
        os.write(fresh, f"{error.reason}\0{error.message}".encode())
        os.close(fresh)
        os.rename("failed.new", "failed", src_dir_fd=held, dst_dir_fd=held)
        tell(b"-")
    return CANNOT_START
