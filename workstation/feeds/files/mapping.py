"""What a mapping file may say: which columns of a table make which columns of ours, in which units."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from workstation.market.errors import FrameError
from workstation.market.instants import YEAR_DAYS
from workstation.market.symbology import GRAMMARS
from workstation.market.tables import Column, table

UNITS = {
    "percent": 0.01,
    "basis_points": 1e-4,
    "per_vol_point": 100.0,
    "per_day": float(YEAR_DAYS),
    "cents": 0.01,
}
"""Ours = theirs x this: IV in percent, vega per vol point, theta per calendar day."""
_FORMATS = ("iso", "s", "ms", "us", "ns", "excel")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _checked_format(form: str) -> str:
    if form not in _FORMATS and "%" not in form:
        raise ValueError(
            f"format {form!r} is neither {', '.join(_FORMATS)} nor a pattern with % (as %d.%m.%Y)"
        )
    return form


def _checked_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {zone!r}; name it as Europe/Berlin") from error
    return zone


class TimeColumn(_Strict):
    """Where the time stands: in a column, in the file's name, or one time for the whole file; and how it is written.

    ``file_name`` is a pattern with the groups year, month, day and perhaps hour, minute, second; ``at`` gives the time
    of day where the name has none. ``ambiguous`` says which hour a local time means that happens twice.
    """

    column: str = ""
    constant: str = ""
    file_name: str = ""
    at: str = ""
    format: str = "iso"
    zone: str = "UTC"
    ambiguous: Literal["", "first", "second", "by order"] = ""

    _format = field_validator("format")(_checked_format)
    _zone = field_validator("zone")(_checked_zone)

    @field_validator("constant", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, dt.date) else str(value)

    @field_validator("at", mode="before")
    @classmethod
    def _clock(cls, value: Any) -> Any:
        """YAML reads 16:00 without quotes as 960, and 16:00:30 as 57630: numbers in base 60."""
        if isinstance(value, int):
            seconds = value if value >= 1440 else value * 60
            return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(map(bool, (self.column, self.constant, self.file_name))) != 1:
            raise ValueError("time wants exactly one of column, constant and file_name")
        if self.file_name:
            groups = set(re.compile(self.file_name).groupindex)
            if not {"year", "month", "day"} <= groups:
                raise ValueError("file_name wants the named groups year, month and day")
            if "hour" not in groups and not self.at:
                raise ValueError("file_name has no group hour; say the time of day with at: '16:00'")
        return self


class ValueColumn(_Strict):
    """A column of the file with its change of unit, values that mean "none", and what its words mean.

    ``unit`` is one of ``UNITS``, or ``lots`` with the size of a lot in ``lot``. ``format`` and ``zone`` are for columns
    of time.
    """

    column: str
    scale: float = 1.0
    unit: str = ""
    lot: float = 0.0
    missing: tuple[float | str, ...] = ()
    values: dict[Any, float | str | bool] = {}
    format: str = ""
    zone: str = "UTC"

    _zone = field_validator("zone")(_checked_zone)

    @field_validator("format")
    @classmethod
    def _known_format(cls, form: str) -> str:
        return _checked_format(form) if form else form

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if self.unit and self.unit not in UNITS and self.unit != "lots":
            raise ValueError(f"no unit {self.unit!r}; known are {', '.join(UNITS)}, lots; else give scale")
        if (self.unit == "lots") != bool(self.lot):
            raise ValueError("unit: lots wants lot: the size of one, and lot wants unit: lots")
        if self.unit and self.scale != 1.0:
            raise ValueError("give scale or unit, not both")
        return self

    @property
    def factor(self) -> float:
        """Ours = theirs x factor."""
        return self.lot or UNITS.get(self.unit, self.scale)


class Part(_Strict):
    """A term of an instrument: in a column, or one for all rows."""

    column: str = ""
    constant: str | float = ""
    scale: float = 1.0
    format: str = "iso"
    values: dict[Any, str] = {}

    _format = field_validator("format")(_checked_format)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.column) == (self.constant != ""):
            raise ValueError("a term wants a column or a constant")
        return self


class TermColumns(_Strict):
    """An instrument built of its terms: an option, or a future when it has no strike.

    With ``quote`` and ``settle`` it is crypto under its unified name, without them a US option under its OSI symbol.
    """

    root: Part
    expiry: Part
    strike: Part | None = None
    right: Part | None = None
    quote: str = ""
    settle: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.quote) != bool(self.settle):
            raise ValueError("crypto wants quote and settle, a US listing neither")
        if self.strike is None and not self.quote:
            raise ValueError("a US option wants a strike")
        return self


class InstrumentColumn(_Strict):
    """Where the instrument stands and in which grammar; or one name for the whole file; or its terms."""

    column: str = ""
    grammar: str = ""
    constant: str = ""
    terms: TermColumns | None = None

    @field_validator("grammar")
    @classmethod
    def _known(cls, grammar: str) -> str:
        if grammar and grammar not in GRAMMARS:
            raise ValueError(f"no grammar {grammar!r}; known are {', '.join(GRAMMARS)}")
        return grammar

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum((bool(self.column), bool(self.constant), self.terms is not None)) != 1:
            raise ValueError("instrument wants exactly one of column, constant and terms")
        return self


class ConditionColumns(_Strict):
    """Sale conditions of a named tape, read into ``trades.flags``; ``correction`` is TAQ's correction indicator."""

    column: str
    tape: Literal["cta", "utp", "opra", "lean"]
    exchange: str = ""
    correction: str = ""


class Side(_Strict):
    """One side of a row that holds a call and a put: its columns, and its symbol where it has one of its own."""

    columns: dict[str, str | ValueColumn] = {}
    instrument: InstrumentColumn | None = None


class Mapping(_Strict):
    """A mapping file."""

    table: str
    time: TimeColumn
    instrument: InstrumentColumn | None = None
    columns: dict[str, str | ValueColumn] = {}
    constants: dict[str, str | float | int | bool] = {}
    conditions: ConditionColumns | None = None
    split: dict[Literal["C", "P"], Side] = {}
    delimiter: str = ","

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, mark: str) -> str:
        if len(mark) != 1 or mark in '"\r\n' or not mark.isascii():
            raise ValueError(f"delimiter wants one character, got {mark!r}")
        return mark

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sides = self.split.values()
        if self.instrument is None and not (sides and all(side.instrument for side in sides)):
            raise ValueError("instrument is missing")
        terms = self.instrument.terms if self.instrument else None
        if terms and terms.strike and not terms.right and not self.split:
            raise ValueError("an option's terms want right, or split into C and P")
        if self.conditions and self.table != "trades":
            raise ValueError("conditions are of the table trades")
        return self

    def parts(self) -> Iterator[tuple[str, InstrumentColumn, dict[str, ValueColumn]]]:
        """Right ('' when rows are not split), instrument and columns of each row that a row of the file makes."""
        if not self.split:
            assert self.instrument is not None
            yield "", self.instrument, _rules(self.columns)
        for right, side in self.split.items():
            instrument = side.instrument or self.instrument
            assert instrument is not None
            yield right, instrument, _rules(self.columns | side.columns)

    def wanted(self) -> list[str]:
        """Columns of the file that are read."""
        return list(dict.fromkeys(name for name in self._wanted() if name))

    def _wanted(self) -> Iterator[str]:
        yield self.time.column
        for _, instrument, columns in self.parts():
            yield instrument.column
            if terms := instrument.terms:
                yield from (
                    part.column for part in (terms.root, terms.expiry, terms.strike, terms.right) if part
                )
            yield from (rule.column for rule in columns.values())
        if self.conditions:
            yield from (self.conditions.column, self.conditions.exchange, self.conditions.correction)


def _rules(columns: dict[str, str | ValueColumn]) -> dict[str, ValueColumn]:
    return {
        name: ValueColumn(column=rule) if isinstance(rule, str) else rule for name, rule in columns.items()
    }


@lru_cache(maxsize=1)
def shipped_mappings() -> tuple[str, ...]:
    """Names of the mappings that come with the project."""
    folder = resources.files("workstation.feeds.files") / "mappings"
    return tuple(
        sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
    )


def load_mapping(name: str) -> Mapping:
    """A mapping by the name of a shipped one or by path. Raises ``FrameError`` naming the offending key."""
    if name in shipped_mappings():
        text = (resources.files("workstation.feeds.files") / "mappings" / f"{name}.yaml").read_text("utf-8")
    elif Path(name).is_file():
        text = Path(name).read_text("utf-8")
    else:
        raise FrameError(f"no mapping {name!r}: not a file, and shipped are {', '.join(shipped_mappings())}")
    return _understood(name, text)


@lru_cache(maxsize=64)
def _understood(name: str, text: str) -> Mapping:
    try:
        mapping = Mapping.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise FrameError(f"mapping {name}: {_in_words(error)}") from error
    except (yaml.YAMLError, re.error) as error:
        raise FrameError(f"mapping {name}: {error}") from error
    known = table(mapping.table).by_name
    named = {
        *mapping.columns,
        *mapping.constants,
        *(c for side in mapping.split.values() for c in side.columns),
    }
    unknown = sorted(named - set(known))
    if unknown:
        raise FrameError(f"mapping {name}: table {mapping.table} has no column {', '.join(unknown)}")
    for column, value in _said(mapping):
        if problem := _unfit(known[column], value):
            raise FrameError(f"mapping {name}: {mapping.table}.{column} cannot be {value!r}: {problem}")
    return mapping


def _in_words(error: ValidationError) -> str:
    """What is wrong with a mapping, key by key."""
    problems = []
    for one in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in one["loc"])
        said = "no such key" if one["type"] == "extra_forbidden" else one["msg"].removeprefix("Value error, ")
        problems.append(f"{key}: {said}" if key else said)
    return "; ".join(problems)


def _said(mapping: Mapping) -> Iterator[tuple[str, Any]]:
    """Values that the mapping itself puts into columns."""
    yield from mapping.constants.items()
    for _, _, columns in mapping.parts():
        for column, rule in columns.items():
            yield from ((column, value) for value in rule.values.values())


def _unfit(column: Column, value: Any) -> str:
    """Why a column cannot hold a value; '' where it can."""
    if column.dtype is None:
        return "" if isinstance(value, str) else "it holds text; put it in quotes"
    if isinstance(value, str):
        return "it holds numbers"
    if column.kind not in ("float64", "bool") and value != int(value):
        return "it holds whole numbers"
    if (column.least is not None and value < column.least) or (
        column.most is not None and value > column.most
    ):
        return f"it holds {column.doc or column.kind}"
    return ""
