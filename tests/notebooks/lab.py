"""Notebooks run in JupyterLab in Chromium with no network: what is on the screen, what failed, what was asked for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Page, Request, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("WORKSTATION_CHROMIUM", "/usr/bin/chromium")
LOCAL = ("127.0.0.1", "localhost")
_STARTED_S = 240.0
_DARK = '{"theme": "JupyterLab Dark"}'
_UNASKED = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": '{"fetchNews": "false", "checkForUpdates": false}',
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": '{"windowingMode": "none"}',
}


@dataclass
class Look:
    """What a notebook showed once it had run."""

    errors: list[str] = field(default_factory=list)
    """Of scripts in the page, and tracebacks in outputs."""
    outside: list[str] = field(default_factory=list)
    """Addresses that were asked for beyond this machine."""
    plots: int = 0
    """Places of plots in outputs."""
    blank: int = 0
    """Of them those without a canvas that is drawn."""
    heights: list[float] = field(default_factory=list)
    """Of the plots of each output, from the top of the first to the foot of the last, in pixels."""
    dialogs: list[str] = field(default_factory=list)
    """What JupyterLab asked meanwhile; the default was taken."""
    unfinished: int = 0
    """Cells still running when time was up."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def lab(folder: Path, *, dark: bool = False) -> Iterator[str]:
    """JupyterLab over a copy of the notebooks in ``folder``; its address."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / path.name)
    settings = folder / ".settings"
    wanted = {
        **_UNASKED,
        **({"@jupyterlab/apputils-extension/themes.jupyterlab-settings": _DARK} if dark else {}),
    }
    for name, text in wanted.items():
        (settings / name).parent.mkdir(parents=True, exist_ok=True)
        (settings / name).write_text(text)
    port = _free_port()
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / ".jupyter"),
        "IPYTHONDIR": str(folder / ".ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "WORKSTATION_RECORD": "false",
        "WORKSTATION_SEED": "7",
        "WORKSTATION_FEED_OPTIONS": '{"synthetic": {"rate": 100}}',
    }
    log = folder / "lab.log"
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
         "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
         f"--ServerApp.root_dir={folder}", "--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None"],
        cwd=folder, env=environment, stdout=log.open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _STARTED_S
        while not _answers(url):
            assert server.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, "JupyterLab did not come up"
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/status", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def end_kernels(url: str) -> None:
    """Shut down every kernel: a live desk left running takes the processor from the notebooks that come after."""
    with urllib.request.urlopen(f"{url}/api/kernels", timeout=30) as answer:
        running = json.load(answer)
    for kernel in running:
        asked = urllib.request.Request(f"{url}/api/kernels/{kernel['id']}", method="DELETE")
        urllib.request.urlopen(asked, timeout=60).close()


@contextmanager
def browser_page(width: int = 1440, height: int = 900) -> Iterator[tuple[Page, Look]]:
    """A page whose requests beyond this machine are refused and told, with what its scripts complain of."""
    look = Look()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM if Path(CHROMIUM).exists() else None,
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.on("request", lambda request: _outside(request, look))
        page.on("pageerror", lambda error: look.errors.append(str(error)))
        page.on("console", lambda said: look.errors.append(said.text) if said.type == "error" else None)
        page.route(
            lambda address: urlsplit(address).hostname not in LOCAL and address.startswith("http"),
            lambda route: route.abort(),
        )
        yield page, look
        chromium.close()


def _outside(request: Request, look: Look) -> None:
    parts = urlsplit(request.url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
        look.outside.append(request.url)


_ADD_UP = """() => {
  const shown = [...document.querySelectorAll('.jp-OutputArea-output')]
  const inside = (root, found) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.tagName === 'CANVAS') found.push(node)
      if (node.shadowRoot) inside(node.shadowRoot, found)
    }
    return found
  }
  const figures = (root, found) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.classList.contains('bk-Figure')) found.push(node)
      if (node.shadowRoot) figures(node.shadowRoot, found)
    }
    return found
  }
  const groups = shown.map(output => figures(output, [])).filter(group => group.length)
  const plots = groups.flat()
  const drawn = plot => inside(plot.shadowRoot ?? plot, []).some(c => c.width > 50 && c.height > 20)
  const height = group => {
    const boxes = group.map(plot => plot.getBoundingClientRect())
    return Math.max(...boxes.map(box => box.bottom)) - Math.min(...boxes.map(box => box.top))
  }
  return {plots: plots.length, blank: plots.filter(plot => !drawn(plot)).length,
          heights: groups.map(height),
          tracebacks: [...document.querySelectorAll('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"], .jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')].map(node => node.innerText)}
}"""
_RUNNING = (
    "() => [...document.querySelectorAll('.jp-InputPrompt')].filter(n => n.innerText.includes('[*]')).length"
)

_BEGUN = (
    "() => [...document.querySelectorAll('.jp-InputPrompt')].filter(n => /[0-9*]/.test(n.innerText)).length"
)


def run_all(page: Page, look: Look, url: str, name: str, seconds: float) -> None:
    """Open a notebook, run every cell and add up what is to be seen in ``look``."""
    page.goto(f"{url}/lab/tree/{name}.ipynb?reset", wait_until="commit", timeout=240_000)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=240_000)
    asked = page.locator(".jp-Dialog")

    def answer() -> None:
        look.dialogs.append(asked.first.inner_text())
        page.keyboard.press("Enter")

    page.add_locator_handler(asked, answer, no_wait_after=True)
    page.wait_for_selector(".jp-StatusBar-Widget :text('| Idle')", timeout=240_000)
    deadline = time.monotonic() + seconds
    while not page.evaluate(_BEGUN) and time.monotonic() < deadline:
        page.click(".lm-MenuBar-itemLabel:text-is('Run')")
        page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
        page.wait_for_timeout(3_000)  # a kernel that is not connected yet takes no cell and says nothing
    while (running := page.evaluate(_RUNNING)) and time.monotonic() < deadline:
        page.wait_for_timeout(250)
    look.unfinished = running
    page.wait_for_timeout(1_500)


def scroll_and_count(page: Page, look: Look, pictures: Path | None = None, name: str = "") -> None:
    """Go through the notebook from the top to its end, as plots are drawn when they come into view."""
    panel = page.locator(".jp-WindowedPanel-outer").first
    height = panel.evaluate("node => node.scrollHeight")
    step = 700
    for number, top in enumerate(range(0, max(int(height), step), step)):
        panel.evaluate("(node, top) => { node.scrollTop = top }", top)
        page.wait_for_timeout(400)
        if pictures is not None:
            page.screenshot(path=pictures / f"{name}-{number:02d}.png")
    found = page.evaluate(_ADD_UP)
    look.plots, look.blank, look.heights = found["plots"], found["blank"], found["heights"]
    look.errors += found["tracebacks"]
