"""The page in a real browser: what it shows, what it never runs, and what it says when nobody answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from parts.browser import Chromium, Page, opened
from parts.server_process import Servers
from parts.shown_objects import TOKEN, Shown, entry, pod, shown
from tidegate.kube.resource import ApiError
from tidegate.runtime.listening import listening

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("chromium")]

HOSTILE = (
    "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>",
    "'\"><svg onload=document.title='run'>",
    "javascript:document.title='run'",
    "</textarea></title></style><b>bold</b>{{7*7}}${7*7}",
    "\u202e reversed, and \x00 \x1b[31m controls",
    "x" * 3000,
)


@pytest.fixture(scope="module")
def browser(servers: Servers) -> Chromium:
    return servers.get(Chromium)


async def enter(page: Page, port: int, place: str = "") -> None:
    """Opens the link, waits until something is shown, and goes to a place of the page."""
    await page.go(f"http://127.0.0.1:{port}/?token={TOKEN}")
    await page.until("document.querySelector('#objects table, #objects .empty')")
    if place:
        await page.evaluate(f"location.hash = {json.dumps(place)}")
        await page.until(
            "document.querySelector('.plots svg .tick') || document.querySelector('main > .empty')"
        )


async def hurry(page: Page) -> None:
    """The page asks anew at once, as when somebody comes back to it."""
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


async def is_wide(page: Page) -> bool:
    """Whether one would have to scroll sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth > innerWidth"))


async def test_the_link_leaves_the_address_and_the_history_and_the_visit_goes_on(browser: Chromium) -> None:
    async with shown(Shown([entry()])) as port, opened(browser) as page:
        await enter(page, port)
        assert await page.evaluate("location.href") == f"http://127.0.0.1:{port}/"
        history = await page.call("Page.getNavigationHistory")
        assert not any(TOKEN in one["url"] for one in history["entries"])
        assert await page.evaluate("document.cookie") == ""
        await page.go(f"http://127.0.0.1:{port}/#/scaledobjects/shop/web")
        await page.until("document.querySelector('.plots svg')")
        # Nothing comes from elsewhere, and the browser had nothing to complain of.
        assert {one.split("/")[2] for one in page.requests} == {f"127.0.0.1:{port}"}
        assert page.complaints == []


async def test_who_has_no_link_is_asked_for_the_token(browser: Chromium) -> None:
    async with shown(Shown([entry()])) as port, opened(browser) as page:
        await page.go(f"http://127.0.0.1:{port}/")
        await page.until("document.querySelector('form')")
        for token, seen in (("wrong", ".alert"), (TOKEN, "#objects table")):
            await page.evaluate(f"document.querySelector('#token').value = {json.dumps(token)}")
            await page.click("form button")
            await page.until(f"document.querySelector({json.dumps(seen)})")
        assert await page.evaluate("location.search") == ""


async def test_values_of_objects_are_texts_whatever_they_say(browser: Chromium) -> None:
    entries = [
        entry(
            text, "wrong", why=text, namespace=text, reason={"code": text, "text": text, "numbers": {}},
            metrics=[{"name": text, "value": 1.0, "target": 2.0}],
        )
        for text in HOSTILE
    ]  # fmt: skip
    view = Shown(entries)
    view.pod_entries = [pod(HOSTILE[0], HOSTILE[1])]
    view.pod_entries[0]["why"] = HOSTILE[2]
    view.log_text = "\n".join(HOSTILE)
    async with shown(view) as port, opened(browser) as page:
        await page.look(width=1280)
        await enter(page, port)
        assert await page.evaluate("document.querySelectorAll('#objects tbody tr').length") == len(HOSTILE)
        assert HOSTILE[0] in await page.text("#objects")
        assert not await is_wide(page)
        await page.click("#objects a.name")
        await page.until("document.querySelector('.plots svg .tick')")
        assert HOSTILE[0] in await page.text("h1")
        assert HOSTILE[0] in await page.text(".chain")
        foreign = (
            "document.querySelectorAll('main img, main script, main b:not([class]) b, [onload], [onerror]')"
        )
        assert await page.evaluate(f"{foreign}.length") == 0
        assert await page.evaluate("document.title") == f"{HOSTILE[0]} · tidegate"
        assert await page.evaluate("[...document.links].every((one) => one.protocol === 'http:')")
        # What a script of somebody else would try is refused by the browser as well.
        tried = "try { document.body.innerHTML = '<b>x</b>'; 'done' } catch (error) { error.name }"
        assert await page.evaluate(tried) == "TypeError"
        assert [
            one for one in page.complaints if "TrustedHTML" not in one and "trusted" not in one.lower()
        ] == []


ELSEWHERE = """<!doctype html><title>elsewhere</title><script>
const told = {};
const tried = (name, promise) =>
  promise.then((found) => { told[name] = found; }, (error) => { told[name] = error.name; });
const loaded = (tag, address) => new Promise((done) => {
  const element = document.createElement(tag);
  element.onload = () => done(tag === "iframe" ? String(element.contentDocument) : "loaded");
  element.onerror = () => done("refused");
  element.src = address;
  document.documentElement.append(element);
});
const asked = (site, how) =>
  fetch(`${site}/api/overview`, { credentials: "include", ...how }).then((answer) => answer.text());
const begin = (site) => Promise.all([
  tried("read", asked(site, {})),
  tried("blind", asked(site, { mode: "no-cors" })),
  tried("write", asked(site, { mode: "no-cors", method: "POST" })),
  tried("script", loaded("script", `${site}/main.js`)),
  tried("picture", loaded("img", `${site}/icon.svg`)),
  tried("frame", loaded("iframe", `${site}/`)),
]).then(() => told);
</script>"""


async def test_a_page_of_another_program_of_this_machine_gets_nothing(browser: Chromium) -> None:
    async def page_of_others(request: web.Request) -> web.Response:
        return web.Response(text=ELSEWHERE, content_type="text/html")

    elsewhere = web.Application()
    elsewhere.router.add_get("/", page_of_others)
    runner = web.AppRunner(elsewhere)
    # The same host, so that the browser sends the cookie there as well.
    other = await listening(runner, "127.0.0.1", 0, otherwise="")
    try:
        async with shown(Shown([entry()])) as port, opened(browser) as page:
            await enter(page, port)
            await page.go(f"http://127.0.0.1:{other}/")
            await page.until("document.title === 'elsewhere'")
            told = await page.evaluate(f"begin('http://127.0.0.1:{port}')")
    finally:
        await runner.cleanup()
    assert told == {
        "read": "TypeError",
        "blind": "TypeError",
        "write": "TypeError",
        "script": "refused",
        "picture": "refused",
        "frame": "null",
    }
    assert any("frame-ancestors" in one for one in page.complaints)


async def test_a_log_opens_follows_and_closes(browser: Chromium) -> None:
    view = Shown([entry()])
    view.log_text = "".join(f"line {number}\n" for number in range(500))
    async with shown(view) as port, opened(browser) as page:
        await enter(page, port, "#/scaledobjects/shop/web")
        await page.click("[aria-label^='Log of container main']")
        await page.until("document.querySelector('pre.log')?.textContent.endsWith('line 499\\n')")
        is_at_end = (
            "(({ scrollTop, clientHeight, scrollHeight }) => scrollTop + clientHeight > scrollHeight - 5)"
        )
        await page.until(f"{is_at_end}(document.querySelector('pre.log'))")
        view.log_text += "<i>the newest</i>\n"
        again = "document.dispatchEvent(new Event('visibilitychange'))"
        newest = "document.querySelector('pre.log').textContent.includes('<i>the newest</i>')"
        await page.until(f"({again}, {newest})")
        await page.click("[aria-label^='Log of container main']")
        await page.until("!document.querySelector('pre.log')")


async def test_a_thousand_objects_are_fifty_rows_with_a_search(browser: Chromium) -> None:
    entries = [entry(f"w{number:04}", "failing" if number == 777 else "idle") for number in range(1000)]
    async with shown(Shown(entries)) as port, opened(browser) as page:
        await enter(page, port)
        rows = "document.querySelectorAll('#objects tbody tr').length"
        assert await page.evaluate(rows) == 50
        assert "1,000" in await page.text(".filters")
        await page.click(".paging a")
        await page.until("document.querySelector('#objects .name').textContent === 'w0050'")
        await page.click(".chip.failing")
        await page.until(f"{rows} === 1")
        await page.click(".chip.all")
        await page.until(f"{rows} === 50")
        await page.evaluate("document.querySelector('input[type=search]').value = 'w099'")
        await page.evaluate("document.querySelector('input[type=search]').dispatchEvent(new Event('input'))")
        await page.until(f"{rows} === 10")
        assert await page.evaluate("location.hash") == "#/?q=w099"


@pytest.mark.parametrize(("width", "is_dark"), [(1280, False), (1280, True), (360, False)])
async def test_it_can_be_read_on_any_screen(browser: Chromium, width: int, is_dark: bool) -> None:
    why = "cannot connect on Redis redis:6379: connection refused"
    entries = [entry("web"), entry("mailer", "failing", why=why), entry("a" * 253, "new")]
    async with shown(Shown(entries)) as port, opened(browser) as page:
        await page.look(width=width, height=800, is_dark=is_dark)
        for place in ("", "#/scaledobjects/shop/mailer"):
            await enter(page, port, place)
            assert not await is_wide(page)
            assert why in await page.text("main")
            ground, ink = await page.evaluate(
                "(({ backgroundColor, color }) => [backgroundColor, color])(getComputedStyle(document.body))"
            )
            assert (_light(ground) < _light(ink)) == is_dark
        plots: Any = await page.evaluate(
            "[...document.querySelectorAll('svg.plot')].map((one) => [one.getAttribute('aria-label'),"
            " one.querySelectorAll('.tick').length, one.querySelectorAll('.gap').length, one.clientWidth])"
        )
        assert [label.split(":")[0] for label, *_ in plots] == ["Replicas, replicas", "s0-redis-jobs, value"]
        assert all(ticks >= 5 and 200 <= wide <= width for _, ticks, _, wide in plots)
        # What nobody knew is a gap in the plot of the metric, and nothing in that of the replicas.
        assert [gaps for *_, gaps, _ in plots] == [0, 1]


async def test_a_plot_tells_what_stood_at_the_moment_under_the_pointer(browser: Chromium) -> None:
    async with shown(Shown([entry()])) as port, opened(browser) as page:
        await enter(page, port, "#/scaledobjects/shop/web")
        corner = "(({ left, top, width }) => [left, top, width])"
        box = f"{corner}(document.querySelectorAll('svg.plot')[1].getBoundingClientRect())"
        left, top, width = await page.evaluate(box)
        told = []
        # Between the margins lie ten minutes: 5, then nobody knew, then 23.
        for part in (0.25, 0.6, 0.9):
            x = left + 52 + part * (width - 64)
            await page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=top + 60)
            reading = "document.querySelectorAll('.reading')[1].textContent"
            await page.until(f"!{reading}.includes(' to ') && {reading} !== {json.dumps(''.join(told[-1:]))}")
            told.append(await page.evaluate(reading))
        assert [one.rsplit(" ", 1)[1] for one in told] == ["5", "unknown", "23"]


async def test_nothing_to_show_says_what_to_do_next(browser: Chromium) -> None:
    async with shown(Shown()) as port, opened(browser) as page:
        await enter(page, port)
        assert "kubectl apply -f" in await page.text("#objects")
        await page.evaluate("location.hash = '#/scaledobjects/shop/gone'")
        await page.until("document.querySelector('main > .empty')")
        assert "there is no scaledobjects shop/gone" in await page.text()
        await page.evaluate("location.hash = '#/elsewhere'")
        await page.until("document.querySelector('.empty')?.textContent.includes('no such page')")


async def test_a_server_that_is_gone_is_told_and_found_again(browser: Chromium) -> None:
    view = Shown([entry()])
    async with opened(browser) as page:
        async with shown(view) as port:
            await enter(page, port)
        await hurry(page)
        await page.until("!document.querySelector('#trouble').hidden")
        assert "No answer from the server" in await page.text("#trouble")
        # What was last known stays, marked as old.
        assert "web" in await page.text("#objects")
        assert await page.evaluate("document.querySelector('#fresh').classList.contains('old')")
        view.objects.append(entry("newer"))
        async with shown(view, port=port):
            await hurry(page)
            await page.until("document.querySelector('#objects').textContent.includes('newer')")
            assert await page.evaluate("document.querySelector('#trouble').hidden")


async def test_what_the_server_refuses_is_told_in_its_words(browser: Chromium) -> None:
    view = Shown([entry()])
    async with shown(view) as port, opened(browser) as page:
        await enter(page, port)
        view.failure = ApiError(403, "Forbidden", "pods is forbidden: <b>no</b>")
        await page.evaluate("location.hash = '#/scaledobjects/shop/web'")
        await page.until("document.querySelector('#trouble').textContent.includes('<b>no</b>')")
        view.failure = None
        # What failed is told to all who ask within two seconds.
        again = "document.dispatchEvent(new Event('visibilitychange'))"
        await page.until(f"({again}, document.querySelector('.plots svg'))")
        assert await page.evaluate("document.querySelector('#trouble').hidden")


def _light(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
