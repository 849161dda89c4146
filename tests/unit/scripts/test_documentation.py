"""The reference covers every public name, table, column and setting; the site check finds what leads nowhere or elsewhere."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from workstation.feeds import FEEDS, feed_class
from workstation.feeds.options import option_types
from workstation.market.tables import TABLES
from workstation.settings import Settings

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return import_module


def test_every_public_name_has_its_entry_once(script: Any) -> None:
    names = script("reference_names")
    documented: dict[str, str] = {}
    pages = {face: names.names_page(face, documented) for face in names.faces()}
    assert {"workstation", "workstation.pricing", "workstation.plots", "workstation.process"} <= set(pages)
    for face, page in pages.items():
        for name in import_module(face).__all__:
            assert f":`{name} <" in page or f"``{name}``" in page, f"{face}.{name}"
        for one in names.public_names(face):
            if one.kind != "module":
                directives = "\n".join(pages.values()).count(f":: {one.address}\n")
                assert directives == 1, f"{one.address} is documented {directives} times"


OURS = dict(TABLES)
"""Without the tables that other tests of this process declare for indicators of their own."""


def test_every_table_and_column_is_listed(script: Any) -> None:
    page = script("reference_pages").tables_page()
    sections = dict(part.split("\n", 1) for part in page.split("\n### ")[1:])
    assert set(sections) >= set(OURS)
    for name, table in OURS.items():
        for column in table.columns:
            assert f"| `{column.name}` | {column.kind} |" in sections[name], f"{name}.{column.name}"
            assert column.doc, f"{name}.{column.name} says nothing of what it means"


def variables(prefix: str, held: Any) -> list[str]:
    names = (
        type(held).model_fields
        if isinstance(held, BaseModel)
        else [one.name for one in dataclasses.fields(held)]
    )
    return [
        variable
        for name in names
        for variable in (
            variables(f"{prefix}__{name.upper()}", getattr(held, name))
            if dataclasses.is_dataclass(getattr(held, name))
            else [f"{prefix}__{name.upper()}"]
        )
    ]


def test_every_setting_and_option_of_a_feed_is_listed(script: Any) -> None:
    page = script("reference_settings").settings_page()
    held = Settings(_env_file=None)  # type: ignore[call-arg]
    for name in Settings.model_fields:
        value, variable = getattr(held, name), f"WORKSTATION_{name}".upper()
        nested = isinstance(value, BaseModel) or dataclasses.is_dataclass(value)
        for one in variables(variable, value) if nested else [variable]:
            assert f"| `{one}` |" in page, one
    for name in FEEDS:
        section = page.split(f"### `{name}`\n")[1].split("\n### ")[0]
        options = {
            option for option, kind in option_types(feed_class(name)).items() if "Callable" not in str(kind)
        }
        assert options and all(f"| `{option}` |" in section for option in options), name


def test_the_meaning_of_a_setting_is_that_of_its_class(script: Any) -> None:
    (every,) = (
        one
        for one in script("reference_settings").settings()["exposure"]
        if one.variable == "WORKSTATION_EXPOSURE__EVERY"
    )
    assert every.default == "`'10s'`" and "multiples in UTC" in every.meaning


def test_links_that_lead_nowhere_and_requests_to_elsewhere_are_found(script: Any, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        "<link rel='stylesheet' href='https://cdn.example/a.css'><h1 id='top'></h1><a href='other.html#here'>x</a>"
        "<a href='#top'>x</a><a href='https://example.org/'>x</a><a href='other.html#gone'>x</a><img src='lost.png'>"
    )
    (tmp_path / "other.html").write_text("<p id='here'></p><script src='index.html'></script>")
    assert script("check_site").complaints(tmp_path) == [
        "index.html loads https://cdn.example/a.css",
        "index.html links to other.html#gone",
        "index.html links to lost.png",
    ]


def test_every_guide_and_concept_is_in_its_index() -> None:
    for folder in ("guides", "concepts"):
        pages = SCRIPTS.parent / "docs" / folder
        listed = (pages / "index.md").read_text().split()
        assert {path.stem for path in pages.glob("*.md")} - {"index"} <= set(listed), folder
