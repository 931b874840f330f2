"""A headless Chromium, and its pages as a test uses them: over the DevTools protocol, without a driver.

    async with opened(servers.get(Chromium)) as page:
        await page.go("http://127.0.0.1:7444/?token=…")
        await page.until("document.querySelector('h1')?.textContent === 'Objects'")

`page.complaints` are what the browser says of itself: refusals by the page's policy, errors of scripts.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from parts.server_process import ServerProcess
from parts.servers import program

PATIENCE_S = 30.0


class Chromium(ServerProcess):
    """One for a session; each page has cookies of its own."""

    server = "chromium"
    start_s = 40.0

    def command(self) -> list[str]:
        return [
            str(program("chromium", "chromium-headless-shell")),
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--remote-debugging-port={self.port}",
            f"--user-data-dir={self.folder / 'profile'}",
            "about:blank",
        ]

    def is_ready(self) -> bool:
        # Whose port it is says the file that it writes into the folder that nobody else has.
        port = (self.folder / "profile" / "DevToolsActivePort").read_text().splitlines()[0]
        return int(port) == self.port and "webSocketDebuggerUrl" in self.get("/json/version")


class Page:
    """A tab. `requests` are the addresses that it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.session = ""
        self._socket = socket
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}

    async def call(self, method: str, **params: Any) -> Any:
        """A command of the DevTools protocol, and its result."""
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        await self._socket.send_json(message)
        async with asyncio.timeout(PATIENCE_S):
            return await self._asked[number]

    async def listen(self) -> None:
        """Takes what the browser says until cancelled."""
        async for message in self._socket:
            heard = json.loads(message.data)
            waiting = self._asked.pop(heard.get("id", 0), None)
            if waiting is not None and not waiting.done():
                if "error" in heard:
                    waiting.set_exception(AssertionError(heard["error"]["message"]))
                else:
                    waiting.set_result(heard["result"])
            self._hear(heard.get("method", ""), heard.get("params", {}))

    def _hear(self, method: str, params: Any) -> None:
        match method:
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """What an expression of JavaScript comes to; a promise is waited for."""
        done = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            raise AssertionError(f"{expression}: {done['exceptionDetails']['exception'].get('description')}")
        return done["result"].get("value")

    async def until(self, expression: str) -> None:
        """Returns once it is true (an element is); fails with what the page shows when it never is."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                # A page that is being left has no context for a moment.
                while True:
                    with suppress(AssertionError):
                        if await self.evaluate(f"!!({expression})"):
                            return
                    await asyncio.sleep(0.03)
        except TimeoutError:
            shown = await self.evaluate("location.href + '\\n' + document.body?.innerText")
            raise AssertionError(f"never true: {expression}\n{shown}\n{self.complaints}") from None

    async def text(self, selector: str = "body") -> str:
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def click(self, selector: str) -> None:
        await self.until(f"document.querySelector({json.dumps(selector)})")
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def look(self, *, width: int = 1280, height: int = 900, is_dark: bool = False) -> None:
        """As it appears on a screen of that size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path, *, is_whole: bool = False) -> None:
        """A PNG of what is seen, or of all of the page."""
        taken = await self.call("Page.captureScreenshot", captureBeyondViewport=is_whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(taken["data"]))


@asynccontextmanager
async def opened(browser: Chromium) -> AsyncIterator[Page]:
    """A tab in a profile of its own, until the block is left."""
    version = browser.get("/json/version")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(version["webSocketDebuggerUrl"], max_msg_size=0) as socket,
    ):
        page = Page(socket)
        listening = asyncio.create_task(page.listen())
        try:
            context = (await page.call("Target.createBrowserContext"))["browserContextId"]
            target = await page.call("Target.createTarget", url="about:blank", browserContextId=context)
            attached = await page.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.call(f"{domain}.enable")
            yield page
            page.session = ""
            await page.call("Target.disposeBrowserContext", browserContextId=context)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
