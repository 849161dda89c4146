"""Every notebook is clean, and is a page: served by Panel it shows its panels without an error."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DASHBOARDS = sorted((ROOT / "dashboards").glob("*.py"))
MOST_LINES = 10
COMPARED = "nbval-check-output"
SECONDS = 300.0
SERVED_ALWAYS = ("01_first_hour", "08_flow")
"""Served in every run: one on the shared desk, one on a desk of its own; every cell of all is run by nbval beside it."""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def python_of(cell: nbformat.NotebookNode) -> str:
    return "\n".join(line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!")))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each
def test_only_compared_cells_keep_outputs(path: Path) -> None:
    kept = [cell.source for cell in code_cells(path) if cell.outputs]
    compared = [cell.source for cell in code_cells(path) if COMPARED in cell.metadata.get("tags", [])]
    assert compared, "nothing of this notebook is compared"
    assert kept == compared


@each
def test_it_runs_on_any_python_3(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


@each
def test_nothing_is_awaited_at_the_top(path: Path) -> None:
    for cell in code_cells(path):
        compile(
            python_of(cell), path.name, "exec"
        )  # refuses `await` outside a coroutine, as `panel serve` does


@each
def test_cells_are_short(path: Path) -> None:
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source


def test_notebooks_and_dashboards_are_served_under_names_of_their_own() -> None:
    names = [path.stem for path in (*NOTEBOOKS, *DASHBOARDS)]
    assert sorted(set(names)) == sorted(names)


@each
def test_it_ends_with_what_is_served(path: Path) -> None:
    assert ".servable(" in code_cells(path)[-1].source


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("notebooks") / "server.log"
    environment = {
        **{name: value for name, value in os.environ.items() if name != "WORKSTATION_SAMPLE_DATA"},
        "WORKSTATION_FEEDS": '["synthetic"]',
        "WORKSTATION_RECORD": "false",
        "WORKSTATION_SEED": "7",
        "WORKSTATION_FEED_OPTIONS": '{"synthetic": {"rate": 200}}',
        "WORKSTATION_OPTIONS_DAY": '{"minutes": 2, "warm_minutes": 4, "parents_per_minute": 10}',
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "panel", "serve", *map(str, (*NOTEBOOKS, *DASHBOARDS)), "--port", str(port), "--address", "127.0.0.1",
         "--liveness"],
        cwd=ROOT, env=environment, stdout=log.open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS
        while not _alive(url):
            assert server.poll() is None, log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.1)
        yield url, log
    finally:
        server.terminate()
        server.wait(20)


def _alive(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/liveness", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem in SERVED_ALWAYS else pytest.mark.thorough)
        for path in NOTEBOOKS
    ],
)
@pytest.mark.timeout(350)
def test_it_is_a_page(path: Path, served: tuple[str, Path]) -> None:
    url, log = served
    page = opened(url, log, path)
    assert '"roots":{' in page
    assert '"roots":{}' not in page


@pytest.mark.timeout(350)
def test_dashboards_are_served_beside_them(served: tuple[str, Path]) -> None:
    url, log = served
    assert '"roots":{}' not in opened(url, log, DASHBOARDS[0])


def opened(url: str, log: Path, path: Path) -> str:
    with urllib.request.urlopen(f"{url}/{path.stem}", timeout=SECONDS) as answer:
        page = answer.read().decode()
    told = log.read_text(errors="replace")
    assert "Error running application" not in told, told[-4000:]
    return page.replace(" ", "")
