"""What comes from outside is data: no pickle, no code from a catalog of somebody else's, no text as HTML."""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd
import pytest

from workstation.research.catalog import catalog
from workstation.views.shell.health import FeedStrip, FeedTable, HealthEvents

PACKAGE = Path(__file__).parents[2] / "workstation"
RUN_WHAT_THEY_READ = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
CALLS = {"eval", "exec", "read_pickle", "unsafe_load", "full_load"}
TEXT = "<img src=x onerror=alert(1)>\"'"


def _names(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call):
            called = node.func
            found.add(called.id if isinstance(called, ast.Name) else getattr(called, "attr", ""))
            if any(word.arg == "allow_pickle" for word in node.keywords):
                found.add("pickle")
    return found


def test_nothing_runs_what_it_reads() -> None:
    forbidden = RUN_WHAT_THEY_READ | CALLS
    assert _names(ast.parse("import pickle; np.load(a, allow_pickle=True); eval('1')")) >= {"pickle", "eval"}
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in sorted(PACKAGE.rglob("*.py"))
        if (names := _names(ast.parse(path.read_text())) & forbidden)
    }
    assert not found


def test_a_catalog_of_the_working_directory_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "catalogs").mkdir()
    for folder in (tmp_path, tmp_path / "catalogs"):
        (folder / "history.yaml").write_text("version: 2\naliases: {foreign: x}\n")
    monkeypatch.chdir(tmp_path)
    names = set(catalog())
    assert "trades" in names and "foreign" not in names


class _Source:
    asof_ns = 1

    def feeds(self) -> pd.DataFrame:
        row = {"feed": TEXT, "state": TEXT, "newest_ns": 1, "age_s": 9.0, "stale_after_s": 5.0, "rows_per_s": 0.0, "gaps": 1, "drops": 0, "detail": TEXT, "recorder_lag_s": 0.0}  # fmt: skip
        return pd.DataFrame([row])

    def latest(self, table: str) -> pd.DataFrame:
        row = {"event": TEXT, "feed": TEXT, "channel": TEXT, "count": 1, "detail": TEXT, "event_ns": 1}
        return pd.DataFrame([row])


@pytest.mark.parametrize("view", [FeedStrip, FeedTable, HealthEvents])
def test_text_of_a_venue_is_shown_as_text(view: type) -> None:
    made = view()
    made.refresh(_Source())
    shown = (made._strip if isinstance(made, FeedStrip) else made._table).panel.object
    assert "&lt;img" in shown and "<img" not in shown
