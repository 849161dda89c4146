"""Any CSV or Parquet file through a small YAML mapping of columns, units and time.

A mapping::

    table: marks                       # the table it becomes
    time: {column: timestamp, format: iso}       # iso, s, ms, us, ns; zone: UTC unless said
    instrument: {column: instrument_name, grammar: deribit}   # or {constant: XXX}
    constants: {venue: deribit}
    columns:                           # our column: theirs, or with a unit change
      bid: bid_price
      vega: {column: vega, scale: 100}           # ours = theirs x scale
      bid_iv: {column: bid_iv, scale: 0.01, missing: [0]}   # these values mean "none"
      side: {column: direction, values: {buy: 1, sell: -1}}

Times without a zone are taken in ``zone``. Mappings shipped with the project are named without a path.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow.parquet as pq
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from workstation.feeds.feed import Batch
from workstation.feeds.files.reading import ROWS, Rejections, nanoseconds, open_text
from workstation.market.errors import FrameError, SymbolError
from workstation.market.symbology import unified
from workstation.market.tables import table

_SCALES = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeColumn(_Strict):
    """Where the time stands and how it is written."""

    column: str
    format: Literal["iso", "s", "ms", "us", "ns"] = "iso"
    zone: str = "UTC"


class InstrumentColumn(_Strict):
    """Where the instrument stands and in which grammar; or one name for the whole file."""

    column: str = ""
    grammar: str = ""
    constant: str = ""


class ValueColumn(_Strict):
    """A column of the file with its change of unit, values that mean "none", and words for numbers."""

    column: str
    scale: float = 1.0
    missing: tuple[float | str, ...] = ()
    values: dict[str, float] = {}


class Mapping(_Strict):
    """A mapping file."""

    table: str
    time: TimeColumn
    instrument: InstrumentColumn
    columns: dict[str, str | ValueColumn]
    constants: dict[str, str | float | int | bool] = {}


def shipped_mappings() -> tuple[str, ...]:
    """Names of the mappings that come with the project."""
    folder = resources.files("workstation.feeds.files") / "mappings"
    return tuple(
        sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
    )


def load_mapping(name: str) -> Mapping:
    """A mapping by the name of a shipped one or by path. Raises ``FrameError`` naming the offending key."""
    if name in shipped_mappings():
        text = (resources.files("workstation.feeds.files") / "mappings" / f"{name}.yaml").read_text()
    elif Path(name).is_file():
        text = Path(name).read_text()
    else:
        raise FrameError(f"no mapping {name!r}: not a file, and shipped are {', '.join(shipped_mappings())}")
    try:
        mapping = Mapping.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise FrameError(f"mapping {name}: {error}") from error
    known = table(mapping.table).by_name
    unknown = [column for column in (*mapping.columns, *mapping.constants) if column not in known]
    if unknown:
        raise FrameError(f"mapping {name}: table {mapping.table} has no column {', '.join(unknown)}")
    return mapping


def read(path: Path, rejections: Rejections, mapping: str | Mapping = "") -> Iterator[Batch]:
    """Batches of the mapping's table, in file order."""
    if not mapping:
        raise FrameError(
            f"{path.name}: the table format needs a mapping; shipped are {', '.join(shipped_mappings())}"
        )
    rules = load_mapping(mapping) if isinstance(mapping, str) else mapping
    for chunk in _chunks(path):
        absent = sorted({c for c in _wanted(rules) if c not in chunk.columns})
        if absent:
            raise FrameError(
                f"{path.name}: the mapping wants column {', '.join(absent)}; the file has {', '.join(chunk.columns)}"
            )
        yield Batch(rules.table, _rows(chunk, rules, path.name, rejections))


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(batch_size=ROWS):
            yield batch.to_pandas()
    else:
        with open_text(path) as lines:
            yield from pd.read_csv(lines, chunksize=ROWS)


def _wanted(rules: Mapping) -> Iterator[str]:
    yield rules.time.column
    if rules.instrument.column:
        yield rules.instrument.column
    for value in rules.columns.values():
        yield value if isinstance(value, str) else value.column


def _rows(chunk: pd.DataFrame, rules: Mapping, file: str, rejections: Rejections) -> pd.DataFrame:
    schema = table(rules.table)
    rows = pd.DataFrame(
        {name: _values(chunk, value, schema.by_name[name].kind) for name, value in rules.columns.items()}
    )
    times = _times(chunk[rules.time.column], rules.time)
    rows["event_ns"] = nanoseconds(times)
    rows["instrument"] = _instruments(chunk, rules.instrument, file, rejections)
    bad_time = pd.isna(times)
    rejections.add(f"no time in {rules.time.column}", int(bad_time.sum()), file)
    kept = ~bad_time & rows["instrument"].notna().to_numpy()
    for name in rules.columns:
        if schema.by_name[name].required:
            empty = kept & rows[name].isna().to_numpy()
            rejections.add(f"no value for {name}", int(empty.sum()), file)
            kept &= ~empty
    return rows[kept].assign(**rules.constants)


def _values(chunk: pd.DataFrame, value: str | ValueColumn, kind: str) -> Any:
    rule = ValueColumn(column=value) if isinstance(value, str) else value
    series = chunk[rule.column]
    if rule.values:
        return series.map(rule.values).fillna(0).astype("int8" if kind == "int8" else "float64")
    if rule.missing:
        series = series.where(~series.isin(list(rule.missing)))
    if kind == "float64":
        series = pd.to_numeric(series, errors="coerce").astype("float64")
        return series * rule.scale if rule.scale != 1.0 else series
    return series


def _times(series: pd.Series, rule: TimeColumn) -> pd.DatetimeIndex:
    if rule.format == "iso":
        times = pd.DatetimeIndex(
            pd.to_datetime(series, format="ISO8601", errors="coerce", utc=rule.zone == "UTC")
        )
    else:
        times = pd.DatetimeIndex(
            (pd.to_numeric(series, errors="coerce") * _SCALES[rule.format]).astype("Int64").astype("M8[ns]")
        )
    return times if times.tz is not None else times.tz_localize(rule.zone)


def _instruments(chunk: pd.DataFrame, rule: InstrumentColumn, file: str, rejections: Rejections) -> pd.Series:
    if rule.constant:
        return pd.Series(rule.constant, index=chunk.index)
    symbols = chunk[rule.column].astype("str")
    if not rule.grammar:
        return symbols
    names: dict[str, str] = {}
    for symbol in symbols.unique():
        try:
            names[symbol] = unified(symbol, rule.grammar)
        except SymbolError as error:
            rejections.add("symbol", int((symbols == symbol).sum()), f"{file}: {error}")
    return symbols.map(names)
