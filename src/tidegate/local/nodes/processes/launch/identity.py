"""Whom the command runs as."""

from __future__ import annotations

import os

from kernel import PR_SET_NO_NEW_PRIVS, check, libc
from plan import CannotStart


def take(identity: list[list[int]]) -> None:
    """Becomes user, group and groups, where they are given; the saved user stays, for a last word.

    Who is sealed gets no more rights from then on, by no program's setuid bit.
    """
    user, group, groups, sealed = identity
    try:
        if user or group:
            os.setgroups(groups)
        elif groups:
            os.setgroups(sorted({*os.getgroups(), *groups}))
        if group:
            os.setresgid(group[0], group[0], group[0])
        if user:
            os.setresuid(user[0], user[0], os.geteuid())
        if sealed:
            check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up more privileges")
    except OSError as error:
        told = f"cannot become user {user} of group {group}: {error.strerror}"
        raise CannotStart("StartError", told) from error


def read(text: bytes) -> list[list[int]]:
    return [[int(word) for word in part.split(b",") if word] for part in text.split(b":")]
