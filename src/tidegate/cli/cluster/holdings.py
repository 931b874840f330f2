"""What a local control plane that runs holds of the objects that files name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tidegate.base.errors import TidegateError
from tidegate.cli.cluster.session import answers
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.resource import ApiError, Resource

Object = dict[str, Any]
Place = tuple[Resource, str, str]
AT_A_TIME = 8


async def holdings(kubeconfig: Path, places: Iterable[Place]) -> dict[Place, Object | None] | None:
    """The object at each place, None where there is none; None for all where no control plane answers."""
    try:
        found = config.load(kubeconfig)
    except TidegateError:
        return None
    if not await answers(found):
        return None
    turn = asyncio.Semaphore(AT_A_TIME)
    client = Client(found)

    async def ask(place: Place) -> tuple[Place, Object | None]:
        async with turn:
            try:
                return place, await client.get(*place)
            except ApiError as error:
                if error.code != 404:
                    raise
                return place, None

    try:
        return dict(await asyncio.gather(*map(ask, places)))
    except (ApiError, TidegateError):
        return None
    finally:
        await client.close()
