"""The program that becomes a container's process. Started fresh, once per instance; never imported.

    python -I -S launch run <instance directory>           claim, mount, become the command
    python -I -S launch enter <pid> <directory> <tty> <user:group:groups> ARG
                                                           join the namespaces of <pid>, become ARG…
    python -I -S launch dial <pid> <port>                  connect to the loopback of <pid>
    python -I -S launch probe <scratch directory>          which view of the machine is possible here

Python runs this folder, so its modules know each other by their bare names; it is no package of the
server's. It runs between the server and the user's command, often as root of nothing but its own
namespace, so it imports only what the standard library loads fast, and speaks bytes throughout (names,
arguments and variables need not be UTF-8). Everything is imported before the mounts change. The plan is
written by `instance.py`. Private mounts work without privileges: a user namespace in which we keep our
own ids, a tmpfs as the new root, and every top-level entry of the real one bound into it.
"""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> int:
    words = [os.fsencode(word) for word in arguments]
    if words[0] == b"run":
        from start import run

        return run(words[1])
    if words[0] == b"enter":
        from enter import enter

        return enter(int(words[1]), words[2], words[3] == b"1", words[4], words[5:])
    if words[0] == b"dial":
        from dial import dial

        return dial(int(words[1]), int(words[2]))
    from probe import probe

    return probe(words[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
