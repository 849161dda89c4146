"""The laws of every engine, proved for every subclass of ``Engine`` found in the package."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workstation
from tests.property.effort import effort
from tests.property.engine_streams import ROWS, Stream, cuts, fixed_stream, streams
from workstation.market.digest import digest
from workstation.market.engine import Engine, SnapshotError
from workstation.market.errors import TableError
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import arrays_of

pytestmark = pytest.mark.filterwarnings("ignore::workstation.indicators.batch.trade_batch.LateTradesWarning")


@dataclass(frozen=True)
class Case:
    """How an engine is proved: the parameters it is made with, and its function for a whole history, if any."""

    parameters: dict[str, Any]
    whole: Callable[[pd.DataFrame, dict[str, Any]], pd.DataFrame] | None = None
    """``whole(rows of the first input, parameters)``: what the engine gives, then what it has in progress."""
    max_rows: int = 40
    examples: int = 25
    fixed_rows: int = 240
    """Rows of the stream that is the same in every process: enough for a row to come out."""


def _candles(trades: pd.DataFrame, parameters: dict[str, Any]) -> pd.DataFrame:
    from workstation.indicators.candles.engine import candles

    return candles(trades, **parameters)


def _intensity(trades: pd.DataFrame, parameters: dict[str, Any]) -> pd.DataFrame:
    from workstation.indicators.ticks.intensity import intensity

    return intensity(trades, **parameters)


def _spikes(trades: pd.DataFrame, parameters: dict[str, Any]) -> pd.DataFrame:
    from workstation.indicators.ticks.spikes import spikes

    return spikes(trades, **parameters)


def _reversals(trades: pd.DataFrame, parameters: dict[str, Any]) -> pd.DataFrame:
    from workstation.indicators.ticks.reversals import reversals

    return reversals(trades, version=(1, 2, 3, 4), **parameters)


SHORT_WINDOWS: dict[str, Any] = {"ticks": 2, "length": 3, "window": 5, "split": 0.6, "lateness": "3s"}


CASES: dict[str, tuple[Case, ...]] = {
    "workstation.indicators.candles.engine.Candles": (
        Case({"every": "1s"}, _candles, fixed_rows=100),
        Case({"every": ("10s", "1s"), "lateness": "3s", "cancels_within": "30s"}, _candles),
        Case({"every": "1min", "lateness": "90s", "cancels_within": "0s"}, _candles),
    ),
    "workstation.indicators.ticks.intensity.Intensity": (
        Case({**SHORT_WINDOWS}, _intensity),
        Case({**SHORT_WINDOWS, "smoothing": "sma", "every": "5s"}, _intensity),
        Case({**SHORT_WINDOWS, "smoothing": ("zlma", "sma"), "every": "5s"}, _intensity),
        Case({**SHORT_WINDOWS, "smoothing": ("sma", "ema", "zlma")}, _intensity),
        Case(
            {**SHORT_WINDOWS, "smoothing": "ema", "kinds": ("option", "equity"), "lateness": "0s"}, _intensity
        ),
    ),
    "workstation.indicators.ticks.spikes.Spikes": (
        Case({**SHORT_WINDOWS, "start_sd": 1.0, "end_sd": 0.5, "unpriced": 0}, _spikes, max_rows=120),
    ),
    "workstation.indicators.ticks.reversals.Reversals": (
        Case(
            {
                **SHORT_WINDOWS,
                "unpriced": 0,
                "k": 0.2,
                "momentum": 2,
                "moves": 4,
                "low": "1s",
                "high": "10s",
                "fast": 1,
                "slow": 2,
                "atr": 2,
                "volume": 2,
                "volume_factor": 0.5,
                "choppiness": 2,
                "choppiness_below": 150.0,
                "volume_over": 0.5,
            },
            _reversals,
            max_rows=120,
        ),
    ),
    "workstation.exposure.book.ExposureBook": (
        Case({"every": "10s"}, max_rows=25, examples=15, fixed_rows=100),
        Case({"every": "1min", "sign_model": "flow", "stale_after_s": 30.0}, max_rows=25, examples=15),
    ),
    "workstation.exposure.levels.Levels": (
        Case({"every": "10s"}, max_rows=25, examples=10, fixed_rows=100),
        Case({"every": "1min", "basis": "volume", "stale_after_s": 30.0}, max_rows=25, examples=10),
    ),
    "workstation.pricing.surface_engine.Surface": (
        Case({"every": "10s"}, max_rows=25, examples=15, fixed_rows=100),
        Case({"every": "1min", "target": "mark", "stale_after_s": 30.0}, max_rows=25, examples=10),
    ),
    "workstation.exposure.cascade_engine.Cascade": (
        Case(
            {"every": "10s", "least_minutes": 1, "least_liquidated": 1},
            max_rows=40,
            examples=15,
            fixed_rows=100,
        ),
        Case({"every": "1min", "sign_model": "flow", "stale_after_s": 30.0}, max_rows=25, examples=10),
    ),
    "workstation.flow.large_trades.LargeTrades": (
        Case(
            {
                "block_usd": 2e7,
                "large_option_usd": 100.0,
                "large_usd": 200.0,
                "z": 0.5,
                "robust_z": 0.5,
                "history": 4,
                "samples": 2,
                "quiet": "2s",
            },
            max_rows=40,
            examples=15,
            fixed_rows=100,
        ),
        Case(
            {"samples": 2, "history": 8, "large_usd": 50.0, "gather": "30s"},
            max_rows=40,
            examples=10,
        ),
    ),
    "workstation.flow.nbbo.NbboPlacement": (
        Case({"max_age_ms": 4000.0, "lookback": "10s", "kinds": ()}, max_rows=40, examples=6, fixed_rows=100),
        Case({"rules": ("venue", "lee_ready", "depth", "trade_size")}, max_rows=30, examples=3),
    ),
    "workstation.flow.packets.Packets": (
        Case(
            {"window_ms": 2000.0, "history": 4, "samples": 2, "rank_history": 8, "rank_samples": 2},
            examples=8,
            fixed_rows=100,
        ),
    ),
    "workstation.flow.structures.Structures": (Case({}, max_rows=20, examples=5),),
    "workstation.flow.classifiers.Classifiers": (
        Case(
            {
                "sweep_usd": 1.0,
                "spike_usd": 1.0,
                "spike_size": 1.0,
                "structure_usd": 1.0,
                "structure_size": 1.0,
            },
            max_rows=20,
            examples=6,
        ),
    ),
    "workstation.flow.alerts.Alerts": (
        Case({"least_score": 1.0, "throttle": "30s", "per_name": 2}, max_rows=30, examples=8),
    ),
    "workstation.flow.offexchange.OffExchange": (
        Case(
            {"block_shares": 20.0, "print_shares": 20.0, "prints": 2, "shares": 40.0, "cooldown": "5s"},
            max_rows=30,
            examples=6,
        ),
    ),
    "workstation.flow.open_interest_verdicts.OpenInterestVerdicts": (
        Case({"least_usd": 1.0}, max_rows=30, examples=5),
    ),
    "workstation.exposure.wall_alerts.WallAlerts": (
        Case({"every": "10s", "walls": 2, "usd": 1.0}, max_rows=40, examples=15, fixed_rows=100),
        Case({"every": "1min", "share": 0.01, "usd": 10.0}, max_rows=40, examples=10),
    ),
    "workstation.portfolio.pnl.PnlSnapshots": (
        Case({"every": "10s"}, max_rows=30, examples=15, fixed_rows=100),
        Case({"every": "1min", "settle_after": "0s"}, max_rows=25, examples=10),
    ),
}
"""Engine -> cases. A new engine adds its line here, and rows of tables it is the first to read to ``ROWS`` of engine_streams.py."""


def engines() -> dict[str, type[Engine]]:
    """Every concrete engine of the package by its full name."""
    for module in pkgutil.walk_packages(workstation.__path__, "workstation."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: dict[str, type[Engine]] = {}
    waiting: list[type[Engine]] = [Engine]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if not inspect.isabstract(kind) and kind.__module__.startswith("workstation."):
                found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return found


def _make(name: str, case: Case) -> Engine:
    module, _, kind = name.rpartition(".")
    engine: Engine = getattr(importlib.import_module(module), kind)(**case.parameters)
    return engine


def _run(engine: Engine, stream: Stream) -> list[pd.DataFrame]:
    return [engine.update(frame, table) for table, frame in stream]


def _rows(engine: Engine, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """All rows given, and what is in progress after them."""
    forming = getattr(engine, "in_progress", None)
    return table_named(engine.output).concat([*parts, *([forming()] if forming else [])])


def _same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    if digest(one) != digest(other):
        plain = [
            frame.astype(dict.fromkeys(frame.select_dtypes("category"), "str")) for frame in (one, other)
        ]
        pd.testing.assert_frame_equal(*plain, check_exact=True)
        raise AssertionError("rows look equal and digest differently")


every_case = pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, case, id=f"{name.rpartition('.')[2]}-{place}") for name, cases in CASES.items() for place, case in enumerate(cases)],
)  # fmt: skip


def test_every_engine_has_a_case() -> None:
    found = engines()
    for name in found:
        assert name in CASES, (
            f"{name} has no case: add it to CASES in {Path(__file__).name} with the parameters to prove it with"
        )
    assert set(CASES) <= set(found), f"no such engines: {set(CASES) - set(found)}"
    for name, kind in found.items():
        missing = [table for table in kind.inputs if table not in ROWS]
        assert not missing, f"{name} reads {missing}: add a random row of each to ROWS in engine_streams.py"
        table_named(kind.output)


def _spoil(frame: pd.DataFrame) -> None:
    """Write over every NumPy column in place, as an owner may."""
    for values in arrays_of(frame):
        if isinstance(values, np.ndarray) and values.flags.writeable and values.dtype != object:
            values.fill(77)


def _conforming(engine: Engine, stream: Stream) -> list[pd.DataFrame]:
    """Run, and look that what comes out is of the output's schema and carries no number of the hub."""
    schema, given = table_named(engine.output), []
    for table, frame in stream:
        out = engine.update(frame, table)
        if len(out) or not given:  # empty ones are one frame, looked at once
            pd.testing.assert_frame_equal(schema.conform(out), out, check_exact=True)
            assert not out["seq"].any(), "the hub numbers rows, engines do not"
        given.append(out)
    return given


def _spoiling(engine: Engine, stream: Stream) -> list[pd.DataFrame]:
    """Run, and write over whatever was given as soon as a copy of it is kept."""
    given, forming = [], getattr(engine, "in_progress", None)
    for table, frame in stream:
        out = engine.update(frame, table)
        given.append(out.copy(deep=True))
        _spoil(out)
        if forming:
            _spoil(forming())
    return given


@every_case
def test_any_split_restart_or_owner_gives_the_same_rows(name: str, case: Case) -> None:
    """One stream whole; and in any split, spoilt by the owner of the rows, with a snapshot at any moment that goes on.

    Inputs stay as they were; the rows conform.
    """

    @effort(case.examples)
    @given(st.data())
    def law(data: st.DataObject) -> None:
        whole, split, restored = (_make(name, case) for _ in range(3))
        stream = data.draw(streams(whole.inputs, case.max_rows))
        parts = data.draw(cuts(stream))
        stop = data.draw(st.integers(0, len(parts)))
        before = [digest(frame) for _, frame in parts]
        wanted = _rows(whole, _conforming(whole, stream))
        first = _spoiling(split, parts[:stop])
        kept = pickle.dumps(split.snapshot())
        _same(wanted, _rows(split, first + _spoiling(split, parts[stop:])))
        restored.restore(pickle.loads(kept))
        _same(wanted, _rows(restored, first + _conforming(restored, parts[stop:])))
        assert [digest(frame) for _, frame in parts] == before

    law()


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, case, id=f"{name.rpartition('.')[2]}-{place}") for name, cases in CASES.items() for place, case in enumerate(cases) if case.whole],
)  # fmt: skip
def test_the_function_for_a_whole_history_gives_the_same_rows(name: str, case: Case) -> None:
    @effort(case.examples)
    @given(st.data())
    def law(data: st.DataObject) -> None:
        engine = _make(name, case)
        stream = data.draw(streams(engine.inputs[:1], case.max_rows))
        parts = data.draw(cuts(stream))
        assert case.whole is not None
        rows = table_named(engine.inputs[0]).concat([frame for _, frame in stream])
        _same(_rows(engine, _run(engine, parts)), case.whole(rows, case.parameters))

    law()


def _foreign(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The same rows as a caller may hold them."""
    if kind == "pickled":
        return pickle.loads(pickle.dumps(frame))  # type: ignore[no-any-return]
    if kind == "sliced":
        return pd.concat([frame.iloc[:1], frame, frame.iloc[:1]]).iloc[1:-1]
    if kind == "objects":
        return frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))
    if kind == "pruned":
        pruned = {
            name: frame[name].cat.remove_unused_categories() for name in frame.select_dtypes("category")
        }
        return frame.assign(**pruned)
    if kind == "other categories":
        return (
            frame.assign(instrument=_renumbered(frame["instrument"]))
            if "instrument" in frame
            else frame.copy()
        )
    locked = frame.copy()
    for values in arrays_of(locked):
        if isinstance(values, np.ndarray):
            values.setflags(write=False)
    return locked


def _renumbered(names: pd.Series) -> pd.Categorical:
    """The names with other codes, and with categories that no row has."""
    texts = names.astype("str").tolist()
    return pd.Categorical(texts, categories=["Z/USD", *sorted(set(texts), reverse=True), "A/USD"])


@cache
def _fixed_run(name: str) -> tuple[Stream, pd.DataFrame]:
    """A fixed stream for the first case of an engine, and what it gives."""
    case = CASES[name][0]
    engine = _make(name, case)
    stream = fixed_stream(engine.inputs, rows=case.fixed_rows)
    rows = _rows(engine, _run(engine, stream))
    assert len(rows)
    return stream, rows


FOREIGN = ("pickled", "sliced", "objects", "pruned", "other categories", "read-only")


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", CASES)
def test_rows_as_a_caller_may_hold_them_give_the_same_rows(name: str, kind: str) -> None:
    stream, wanted = _fixed_run(name)
    theirs = _make(name, CASES[name][0])
    _same(_rows(theirs, _run(theirs, [(table, _foreign(frame, kind)) for table, frame in stream])), wanted)


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(name, cases[0], id=name.rpartition(".")[2]) for name, cases in CASES.items() if cases[0].whole]
)  # fmt: skip
def test_a_function_takes_rows_as_a_caller_may_hold_them(name: str, case: Case, kind: str) -> None:
    assert case.whole is not None
    stream = fixed_stream(_make(name, case).inputs[:1], rows=case.fixed_rows)
    rows = table_named(_make(name, case).inputs[0]).concat([frame for _, frame in stream])
    _same(case.whole(_foreign(rows, kind), case.parameters), case.whole(rows, case.parameters))


def fixed_digests(given: dict[str, Stream]) -> list[str]:
    """Digest of every engine's first case on the stream given for it, one per line."""
    told = []
    for name, stream in given.items():
        engine = _make(name, CASES[name][0])
        told.append(f"{name} {digest(_rows(engine, _run(engine, stream)))}")
    return told


def fixed_streams() -> dict[str, Stream]:
    """The stream of every engine's first case, made by this process."""
    return {
        name: fixed_stream(_make(name, case).inputs, rows=case.fixed_rows)
        for name, (case, *_) in CASES.items()
    }


@pytest.mark.thorough
@pytest.mark.timeout(700)
def test_another_process_with_another_registry_gives_the_same_rows(tmp_path: Path) -> None:
    """Instruments have other codes there: of frames pickled here, and of frames made there, the rows are those of here."""
    (tmp_path / "streams").write_bytes(pickle.dumps({name: _fixed_run(name)[0] for name in CASES}))
    script = (
        "import sys, runpy, pickle, pathlib\n"
        "from workstation.market.instruments import REGISTRY\n"
        "REGISTRY.codes([f'X{n}' for n in range(300)] + ['AAPL', 'Q0', 'ETH/USD', 'Q1', 'BTC/USD:BTC-261225-105000-P'])\n"
        "laws = runpy.run_path(sys.argv[1])\n"
        "for streams in (pickle.loads(pathlib.Path(sys.argv[2]).read_bytes()), laws['fixed_streams']()):\n"
        "    print('\\n'.join(laws['fixed_digests'](streams)))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, __file__, str(tmp_path / "streams")],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    ours = [f"{name} {digest(_fixed_run(name)[1])}" for name in CASES]
    assert told.stdout.split("\n")[:-1] == ours + ours


def _changed(value: Any) -> list[Any]:
    """Other values of a parameter, of which an engine may refuse some."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value + 0.001, *([value / 2] if value else [])]
    if isinstance(value, str):
        return [f"{pd.Timedelta(value) * 2}"] if value and value[0].isdigit() else []
    return []


@pytest.mark.parametrize("name", CASES)
def test_a_snapshot_of_other_parameters_or_of_another_engine_is_refused(name: str) -> None:
    engine = _make(name, CASES[name][0])
    state, tried = engine.snapshot(), 0
    for field, value in asdict(engine.parameters).items():
        for changed in _changed(value):
            try:
                other = type(engine)(engine.parameters, **{field: changed})
            except (ValueError, TypeError):
                continue
            tried += 1
            with pytest.raises(SnapshotError, match=f"{field} is "):
                other.restore(state)
    assert tried
    with pytest.raises(SnapshotError, match="this is"):
        engine.restore({**state, "engine": "Another"})
    engine.restore(state)


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_batch_of_an_input_is_refused_by_name(name: str) -> None:
    engine = _make(name, CASES[name][0])
    with pytest.raises(ValueError, match=f"{type(engine).__name__} reads .*, not 'frames'"):
        engine.update(table_named("frames").empty(), "frames")
    with pytest.raises(TypeError, match=r"must be a pandas\.DataFrame, got list"):
        engine.update([1], engine.inputs[0])  # type: ignore[arg-type]
    with pytest.raises(TableError, match=f"{engine.inputs[0]}.price_of_nothing"):
        engine.update(pd.DataFrame({"price_of_nothing": [1.0]}), engine.inputs[0])
