"""The first process of a container whose image has an entrypoint: prepares, then becomes the server.

python -I -m tidegate.local.entrypoints NAME POD_IP LISTEN_IP PROGRAM ARG…
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from tidegate.local.entrypoints.box import DATA_VARIABLE, Box, Refused, become


def main(words: list[str]) -> None:
    name, address, listen, program, *args = words
    module = importlib.import_module(f"{__package__}.{name}")
    env = dict(os.environ)
    data = Path(env.pop(DATA_VARIABLE))
    box = Box(program, args, env, data, address, module.USER, listen)
    try:
        box.own()
        command = module.prepare(box)
    except Refused as error:
        sys.exit(str(error))
    become(command, box)


if __name__ == "__main__":
    main(sys.argv[1:])
