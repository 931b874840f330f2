"""Azurite, the emulator of Azure Storage, as its image starts it.

Honoured: the arguments (a leading `azurite` is the image's own program), `AZURITE_ACCOUNTS`. It listens on
the pod's address, whatever hosts they name, keeps its data in the pod's folder and calls nobody.

Source: https://github.com/Azure/Azurite#dockerhub
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate.local.entrypoints.box import Box

# The program may lie in a folder that only we may read.
USER = ""

OWN = ("--blobHost", "--queueHost", "--tableHost", "--location", "-l")
"""Options whose value is the pod's."""


def prepare(box: Box) -> list[str]:
    hosts = [word for option in OWN[:3] for word in (option, box.listen)]
    given = box.args[1:] if box.args[:1] == ["azurite"] else box.args
    quiet = [] if "--disableTelemetry" in given else ["--disableTelemetry"]
    return [box.program, *hosts, "--location", str(box.data), *quiet, *_others(given)]


def _others(words: Sequence[str]) -> Iterator[str]:
    is_value = False
    for word in words:
        if is_value:
            is_value = False
        elif word in OWN:
            is_value = True
        elif word.partition("=")[0] not in OWN:
            yield word
