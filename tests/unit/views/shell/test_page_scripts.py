"""What the page's own scripts do in a browser: history, links between pages, and a lost server; run by Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import playwright
import pytest

from workstation.views.shell import page
from workstation.views.widgets.assets import asset

NODE = Path(playwright.__file__).parent / "driver" / "node"
BROWSER = """
const listeners = {}, stored = {}, told = [], style = {}
let clock = 10000
globalThis.performance = {now: () => clock}
globalThis.location = new URL('http://desk/exposure?underlying=BTC&window=%5B%5D')
globalThis.location.reload = () => told.push('reload')
globalThis.sessionStorage = {setItem: (key, value) => { stored[key] = value }, getItem: key => stored[key] ?? null}
const go = (kind, url) => { told.push([kind, String(url)]); location.href = new URL(url, location.href).href }
globalThis.history = {pushState: (s, t, url) => go('push', url), replaceState: (s, t, url) => go('replace', url)}
globalThis.window = globalThis
globalThis.addEventListener = (name, call) => { (listeners[name] ??= []).push(call) }
const fire = (name, event = {}) => { for (const call of listeners[name] ?? []) call(event) }
const click = () => fire('pointerdown')
const place = {type: 'panel.models.location.Location', search: location.search}
globalThis.Bokeh = {documents: [{all_models: new Set([{type: 'Figure'}, place])}]}
globalThis.document = {documentElement: {style: {setProperty: (name, value) => { style[name] = value }},
  classList: {toggle: (name, on) => { style.lost = on }}}, querySelector: () => null}
"""


def run(script: str, body: str) -> Any:
    """What the body leaves in ``answer`` after the script ran."""
    code = f"{BROWSER}\n{script}\nlet answer\n{body}\nprocess.stdout.write(JSON.stringify(answer)); process.exit(0)"
    done = subprocess.run([NODE, "-e", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ADDRESS = asset("workstation.views.shell", "address.js")
NAVIGATION = asset("workstation.views.shell", "navigation.js")


def test_a_deliberate_change_is_one_entry_however_many_choices_follow_from_it() -> None:
    told = run(
        ADDRESS,
        """
        click()
        history.pushState({}, '', '/exposure?underlying=ETH&window=%5B%5D')
        history.pushState({}, '', '/exposure?underlying=ETH&expiries=%5B%5D&window=%5B%5D')
        history.pushState({}, '', '/exposure?underlying=ETH&expiries=%5B%5D&window=%5B%5D')
        click()
        history.pushState({}, '', '/exposure?underlying=BTC&expiries=%5B%5D&window=%5B%5D')
        answer = told.map(each => each[0])
        """,
    )
    assert told == ["push", "replace", "push"]


@pytest.mark.parametrize(
    ("before", "query"),
    [
        ("", "underlying=ETH"),
        ("click(); clock += 60000", "underlying=ETH"),
        ("click()", "underlying=BTC&window=%5B1%5D"),
        ("click()", "underlying=BTC&theme=light"),
        (
            "history.replaceState({}, '', '/spacetime?chart1=A~10~~'); told.length = 0; click()",
            "chart1=A~10~~1,2,3,4",
        ),
    ],
    ids=["by itself", "long after a click", "a drag", "the theme", "a drag of a chart"],
)
def test_what_is_no_change_of_a_choice_makes_no_entry(before: str, query: str) -> None:
    told = run(
        ADDRESS, f"{before}; history.pushState({{}}, '', location.pathname + '?{query}'); answer = told"
    )
    assert [kind for kind, _ in told] == ["replace"]


def test_back_restores_the_choices_of_the_entry_and_makes_none() -> None:
    told, search = run(
        ADDRESS,
        """
        click()
        history.pushState({}, '', '/exposure?underlying=ETH')
        place.search = location.search
        location.href = 'http://desk/exposure?underlying=BTC'
        fire('popstate')
        history.pushState({}, '', '/exposure?underlying=BTC')
        history.pushState({}, '', '/exposure?underlying=BTC&expiries=%5B%5D')
        answer = [told.map(each => each[0]), place.search]
        """,
    )
    assert told == ["push", "replace"]
    assert search == "?underlying=BTC"


def test_choices_follow_from_page_to_page_also_past_one_that_shows_all() -> None:
    first, second = run(
        NAVIGATION,
        """
        const follow = (from, to) => {
          location.href = from
          const link = {href: to, matches: which => which === 'nav a[href]'}
          fire('click', {composedPath: () => [{}, link, {matches: () => false}]})
          return link.href
        }
        answer = [follow('http://desk/exposure?underlying=ETH&theme=light&reach=0.1', 'http://desk/portfolio'),
                  follow('http://desk/portfolio?underlying=All', 'http://desk/surface')]
        """,
    )
    assert first == "http://desk/portfolio?underlying=ETH&theme=light"
    assert second == "http://desk/surface?underlying=ETH&theme=light"


def test_a_page_without_its_server_greys_and_counts_on_until_it_is_back() -> None:
    lost, back = run(
        f"const connection = (cb_obj) => {{ {page._LOST} }}",
        """
        globalThis.fetch = async () => ({ok: false})
        globalThis.setInterval = call => { globalThis.tick = call; return 1 }
        globalThis.clearInterval = () => {}
        const begun = Date.now()
        connection({event_name: 'connection_lost', attempts: 0})
        connection({event_name: 'connection_lost', attempts: 1})
        Date.now = () => begun + 12000
        tick()
        answer = [{...style}]
        connection({event_name: 'client_reconnected'})
        answer.push({...style})
        """,
    )
    assert lost["lost"] is True
    assert lost["--ws-fresh"] == "none" and lost["--ws-lost"] == "inline"
    assert lost["--ws-lost-s"] == "12"
    assert lost["--ws-lost-words"].startswith('"No connection for 12 s: what is shown is of ')
    assert back["lost"] is False
    assert back["--ws-fresh"] == "inline" and back["--ws-lost"] == "none"
