"""Circles of imports are found whatever their length, and only real imports count."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "check_circles.py"


@pytest.fixture
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_circles", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(folder: Path, **files: str) -> Path:
    root = folder / "house"
    for name, text in {"__init__": "", **files}.items():
        path = root / f"{name.replace('__dot__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_circle_is_printed_and_refused(
    check: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = package(
        tmp_path,
        a="from house.b import one",
        b="import house.c",
        c="def late():\n    from house import a\n",
        d="from house.a import two",
    )
    assert check.main(str(root)) == 1
    assert capsys.readouterr().out == "circle: house.a -> house.b -> house.c -> house.a\n"


@pytest.mark.parametrize(
    "text",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.a import one\n",
        "import typing\nif typing.TYPE_CHECKING:\n    import house.a\n",
        "'''from house.a import one'''\n",
        "import os\nfrom other.a import one\n",
    ],
)
def test_what_is_no_import_of_the_package_at_run_time_does_not_count(
    check: ModuleType, tmp_path: Path, text: str
) -> None:
    assert check.main(str(package(tmp_path, a="from house.b import one", b=text))) == 0


def test_relative_imports_and_faces_of_packages_count(check: ModuleType, tmp_path: Path) -> None:
    root = package(
        tmp_path,
        room__dot____init__="from .one import x",
        room__dot__one="from ..other import y",
        other="from house.room import x",
    )
    found = check.circles(check.graph(root))
    assert [set(circle) for circle in found] == [{"house.room", "house.room.one", "house.other"}]


def test_an_import_beside_the_type_checking_one_counts(check: ModuleType, tmp_path: Path) -> None:
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from house.a import one\n"
    )
    assert check.main(str(package(tmp_path, a="from house.b import one", b=text))) == 1
