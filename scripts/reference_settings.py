"""Settings and options of feeds for the reference, in Markdown."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from workstation.feeds import FEEDS, feed_class
from workstation.feeds.options import option_types
from workstation.settings import Settings


def grid(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), line(["---"] * len(head)), *map(line, rows)]


class Setting(NamedTuple):
    """One setting: its environment variable, type, default and meaning."""

    variable: str
    kind: str
    default: str
    meaning: str


def settings() -> dict[str, list[Setting]]:
    """Every setting, by section: those at the top under the empty name, nested ones under their class."""
    found: dict[str, list[Setting]] = {"": []}
    for name, field in Settings.model_fields.items():
        variable = f"WORKSTATION_{name}".upper()
        if isinstance(field.default, BaseModel) or dataclasses.is_dataclass(field.default):
            found[name] = list(_nested(variable, field.default))
            continue
        made = field.default_factory() if field.default is PydanticUndefined else field.default  # type: ignore[misc, call-arg]
        found[""].append(
            Setting(variable, _words(field.annotation), _shown(name, made), field.description or "")
        )
    return found


def _shown(name: str, value: Any) -> str:
    """A default as text; the history's is a folder of the user's, which differs by machine."""
    return "a folder of the user's data directory" if name == "history" else _value(value)


def _value(value: Any) -> str:
    return "unset" if value is None else f"`{value!r}`"


def _nested(variable: str, holder: Any) -> Iterator[Setting]:
    meanings = attributes(type(holder))
    kinds = _kinds(type(holder))
    for name, kind in kinds.items():
        value = getattr(holder, name)
        own = f"{variable}__{name.upper()}"
        if dataclasses.is_dataclass(value):
            yield from _nested(own, value)
        else:
            yield Setting(own, _words(kind), _value(value), meanings.get(name, ""))


def _kinds(holder: type) -> dict[str, Any]:
    if issubclass(holder, BaseModel):
        return {name: field.annotation for name, field in holder.model_fields.items()}
    return {one.name: one.type for one in dataclasses.fields(holder)}


def _words(kind: Any) -> str:
    text = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    return text.replace("pathlib.", "").replace("pydantic.types.", "")


def attributes(holder: type) -> dict[str, str]:
    """Meanings of a class's fields: of its docstring's sections, of a field's description, and of those it is derived from.

    Examples
    --------
    >>> from workstation.exposure.cascade_engine import CascadeParameters
    >>> attributes(CascadeParameters)["scales"]
    'What counts in full; see ``CascadeScales``.'
    """
    found: dict[str, str] = {}
    for kind in reversed(holder.__mro__[:-1]):
        found |= _sections(kind.__dict__.get("__doc__") or "")
    if issubclass(holder, BaseModel):
        found |= {name: field.description for name, field in holder.model_fields.items() if field.description}
    return found


_HEAD = re.compile(r"^(Attributes|Parameters|Examples|Returns|Raises|Notes)\n-{3,}\n", re.MULTILINE)


def _sections(doc: str) -> dict[str, str]:
    parts = _HEAD.split(inspect.cleandoc(doc))
    found: dict[str, str] = {}
    for head, body in zip(parts[1::2], parts[2::2], strict=True):
        if head not in ("Attributes", "Parameters"):
            continue
        for names, text in re.findall(
            r"^(\w[\w, *]*)(?: *:[^\n]*)?\n((?:[ \t]+[^\n]*\n?|\n)+)", body + "\n", re.MULTILINE
        ):
            found |= dict.fromkeys(re.split(r",\s*", names.strip()), " ".join(text.split()))
    return found


def settings_page() -> str:
    """Every setting and every option of a feed, in Markdown."""
    lines = ["# Settings", "", _SETTINGS, ""]
    for section, held in settings().items():
        lines += [f"## `{section}`" if section else "## At the top", ""]
        if section:
            lines += [
                f"`{type(Settings.model_fields[section].default).__name__}`; in TOML under `[{section}]`.",
                "",
            ]
        lines += [
            *grid(
                ["variable", "type", "default", "meaning"],
                [[f"`{one.variable}`", f"`{one.kind}`", one.default, one.meaning] for one in held],
            ),
            "",
        ]
    return "\n".join([*lines, *_feed_options()])


_SETTINGS = """\
Read, the first that says something: arguments of `Settings`, the environment, `.env`, `workstation.toml` in the working directory.
In TOML the names are those of the variables without `WORKSTATION_`, in lower case, nested by tables: `WORKSTATION_SERVER__PORT=5010`
is `port = 5010` under `[server]`. A name that does not exist inside a section is refused with the nearest one; keys and secrets are in no text."""


def feed_options() -> dict[str, list[Setting]]:
    """Options of every feed, as its constructor takes them."""
    found: dict[str, list[Setting]] = {}
    for name in FEEDS:
        kind = feed_class(name)
        meanings, defaults = _option_meanings(kind), _option_defaults(kind)
        found[name] = [
            Setting(
                option,
                _words(typed),
                _value(defaults[option]) if option in defaults else "required",
                meanings.get(option, ""),
            )
            for option, typed in option_types(kind).items()
            if "Callable" not in _words(typed)  # a clock or a pause of a test's own
        ]
    return found


def _parameter_class(kind: type) -> type | None:
    hint = inspect.get_annotations(kind.__init__, eval_str=True).get("parameters")  # type: ignore[misc]
    return next((one for one in (*get_args(hint), hint) if dataclasses.is_dataclass(one)), None)  # type: ignore[return-value]


def _option_meanings(kind: type) -> dict[str, str]:
    held = _parameter_class(kind)
    return (
        (attributes(held) if held else {}) | attributes(kind) | _sections(inspect.getdoc(kind.__init__) or "")
    )  # type: ignore[misc]


def _option_defaults(kind: type) -> dict[str, Any]:
    empty = inspect.Parameter.empty
    found = {
        name: one.default
        for name, one in inspect.signature(kind).parameters.items()
        if one.default is not empty
    }
    if held := _parameter_class(kind):
        found |= {
            one.name: one.default
            for one in dataclasses.fields(held)
            if one.default is not dataclasses.MISSING
        }
        found |= {
            one.name: one.default_factory()
            for one in dataclasses.fields(held)
            if one.default_factory is not dataclasses.MISSING
        }
    return found


def _feed_options() -> list[str]:
    lines = [
        "## Options of feeds",
        "",
        "Under `[feed_options.NAME]` in TOML, or as `WORKSTATION_FEED_OPTIONS__NAME__OPTION`.",
        "",
    ]
    for name, held in feed_options().items():
        lines += [
            f"### `{name}`",
            "",
            *grid(
                ["option", "type", "default", "meaning"],
                [[f"`{one.variable}`", f"`{one.kind}`", one.default, one.meaning] for one in held],
            ),
            "",
        ]
    return lines
