"""What `workstation new` writes passes its own test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workstation.cli import app
from workstation.cli.new import KINDS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One run over all kinds: a process costs seconds."""
    folder = tmp_path_factory.mktemp("project")
    for kind in KINDS:
        answer = CliRunner().invoke(app, ["new", kind, f"my_{kind}", "--folder", str(folder)])
        assert answer.exit_code == 0, answer.output
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:nbval", "-p", "no:cacheprovider", "-v", str(folder)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    return run.stdout + run.stderr


@pytest.mark.thorough
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_a_written_template_passes_its_own_test(kind: str, told: str) -> None:
    verdicts = re.findall(rf"test_my_{kind}\.py::\w+ (PASSED|FAILED|ERROR)", told)
    assert verdicts and set(verdicts) == {"PASSED"}, told[-4000:]


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("page", "mine", "cannot write"),
        ("engine", "My Engine", "lower case"),
        ("feed", "class", "lower case"),
    ],
)
def test_what_cannot_be_written_is_said(kind: str, name: str, said: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["new", kind, name, "--folder", str(tmp_path)])
    assert answer.exit_code == 1 and said in answer.output
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("kept")
    answer = CliRunner().invoke(app, ["new", "engine", "mine", "--folder", str(tmp_path)])
    assert answer.exit_code == 1 and "there already" in answer.output
    assert (tmp_path / "mine.py").read_text() == "kept" and not (tmp_path / "test_mine.py").exists()
