"""The reference of the documentation, written from the code: public names, tables, settings, options of feeds, commands.

Nothing in it is written by hand: what the code does not say, the reference does not say either.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from reference_names import faces, names_page
from reference_settings import grid, settings_page

import workstation.bus  # noqa: F401 - registers its feed
from workstation.feeds import FEEDS, feed_class
from workstation.market.tables import TABLES, Column, Table


def tables_page(tables: dict[str, Table] | None = None) -> str:
    """Every table with its key and columns, in Markdown."""
    lines = ["# Tables and columns", "", _TABLES, ""]
    for raw, title in ((True, "Raw: what feeds bring"), (False, "Derived: what engines make of it")):
        lines += [f"## {title}", ""]
        for one in (tables or TABLES).values():
            if one.raw == raw:
                lines += [*_table(one), ""]
    return "\n".join(lines)


_TABLES = """\
A batch is a DataFrame of one of these tables, checked once at the edge by `Table.conform`. Every time is nanoseconds of UTC;
a time that is not known is NaT to a reader, a number that is not known NaN, a text empty. What is *required* a batch must bring;
all other columns are filled with the unknown value. A later row with the same key replaces an earlier one."""


def _table(one: Table) -> list[str]:
    head = ["column", "kind", "unit", "required", "may hold", "meaning"]
    rows = [_column(column) for column in one.columns]
    return [
        f"### {one.name}",
        "",
        one.doc,
        "",
        f"Key: {', '.join(f'`{name}`' for name in one.key)}.",
        "",
        *grid(head, rows),
    ]


def _column(column: Column) -> list[str]:
    return [
        f"`{column.name}`", column.kind, column.unit, "yes" if column.required else "", _bounds(column), column.doc,
    ]  # fmt: skip


def _bounds(column: Column) -> str:
    if column.price:
        return "a price"
    ends = [("≥", column.least), ("≤", column.most)]
    return ", ".join(f"{sign} {end:g}" for sign, end in ends if end is not None)


def commands_page() -> str:
    """Every command with its arguments and options, in Markdown."""
    from workstation.cli import app

    lines = [
        "# Commands",
        "",
        "Each ends with 0 when it did what was asked, else says why in one line. `workstation COMMAND --help` says the same.",
        "",
    ]
    for path, command in _commands("workstation", typer.main.get_command(app)):
        lines += [f"## `{path}`", "", (command.help or "").strip(), ""]
        rows = [
            [
                f"`{_flags(one)}`",
                "" if one.default in (None, "") or not one.default else f"`{one.default}`",
                getattr(one, "help", "") or "",
            ]
            for one in command.params
            if one.name != "help"
        ]
        if rows:
            lines += [*grid(["argument or option", "default", "meaning"], rows), ""]
    return "\n".join(lines)


def _flags(one: Any) -> str:
    return (one.metavar or one.name.upper()) if one.param_type_name == "argument" else ", ".join(one.opts)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name in sorted(inner):
        if not name.startswith("install") and not inner[name].hidden:
            yield from _commands(f"{path} {name}", inner[name])


def untried() -> dict[str, str]:
    """Feed -> what it cannot do and what was not tried on the live venue, as the feed itself says."""
    return {name: notes for name in FEEDS if (notes := _notes(feed_class(name)))}


def _notes(kind: type) -> str:
    held = getattr(kind, "capabilities", None)
    return getattr(held, "notes", "") if not isinstance(held, property) else ""


def written(folder: Path) -> list[Path]:
    """Write the whole reference into a folder; returns its pages."""
    folder.mkdir(parents=True, exist_ok=True)
    documented: dict[str, str] = {}
    own = faces()
    pages = {f"{face}.rst": names_page(face, documented) for face in (*own[1:], own[0])}
    pages |= {"tables.md": tables_page(), "settings.md": settings_page(), "commands.md": commands_page()}
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pages]
