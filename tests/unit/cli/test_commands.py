"""Every command as a person would type it."""

from __future__ import annotations

import socket
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from workstation import open_history
from workstation.cli import app
from workstation.cli.compiling import PARTS
from workstation.cli.doctor import examine
from workstation.cli.serving import dashboards, free_port
from workstation.market.errors import WorkstationError
from workstation.settings import Settings

SNAPSHOT = """timestamp,instrument_name,bid_price,ask_price,mark_price,futures_price,implied_volatility,delta,vega,open_interest,volume,index_price
2026-03-20T04:29:14+00:00,BTC-25DEC26-100000-C,0.0675,0.0685,0.0681,72702.59,0.497,0.3035,222.6,3001.3,0.6,70914.75
2026-03-20T04:29:14+00:00,BTC-25DEC26-60000-P,0.0475,0.0485,0.0481,72702.59,0.52,-0.2,182.6,2001.3,0.6,70914.75
2026-03-20T05:29:14+00:00,BTC-25DEC26-60000-P,0.0475,0.0485,0.0481,72702.59,0.52,-0.2,182.6,2001.3,0.6,70914.75
"""


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


@pytest.fixture
def store(tmp_path: Path, runner: CliRunner) -> Path:
    (tmp_path / "snapshot.csv").write_text(SNAPSHOT)
    arguments = [
        "import",
        "table",
        str(tmp_path / "snapshot.csv"),
        "--mapping",
        "deribit_snapshots",
        "--history",
        str(tmp_path / "store"),
    ]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "1 files: 3 marks, 2 instruments" in result.output
    return tmp_path / "store"


def test_import_then_replay_prints_a_stable_digest(store: Path, runner: CliRunner) -> None:
    arguments = ["replay", "--from", "2026-03-20", "--to", "2026-03-21", "--history", str(store)]
    first, second = (runner.invoke(app, arguments) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    row = next(line for line in first.output.splitlines() if "levels" in line)
    assert " 2 " in row, "one snapshot after each of the two moments"


def test_importing_again_says_so(store: Path, runner: CliRunner, tmp_path: Path) -> None:
    arguments = [
        "import",
        "table",
        str(tmp_path / "snapshot.csv"),
        "--mapping",
        "deribit_snapshots",
        "--history",
        str(store),
    ]
    result = runner.invoke(app, arguments)
    assert "1 files were in the store already" in result.output


def test_rejections_are_listed_and_a_broken_file_fails_the_command(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(SNAPSHOT.replace("BTC-25DEC26-100000-C", "NONSENSE"))
    (tmp_path / "b.csv").write_text("what,is,this\n1,2,3\n")
    arguments = [
        "import",
        "table",
        str(tmp_path),
        "--mapping",
        "deribit_snapshots",
        "--history",
        str(tmp_path / "store"),
    ]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "symbol" in result.output
    assert "NONSENSE" in result.output
    assert "not read" in result.output
    assert len(open_history(tmp_path / "store").read("marks")) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "xls", "."], "no such format"),
        (["import", "table", "no/such/file"], "no such file or folder"),
        (["replay", "--from", "yesterday-ish", "--to", "2026-03-21"], "yesterday-ish"),
    ],
)
def test_mistakes_are_answered_in_one_line(
    runner: CliRunner, tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = runner.invoke(app, [*arguments, "--history", str(tmp_path / "store")])
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_collect_records_until_its_time_is_up(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSTATION_FEED_OPTIONS", '{"synthetic": {"rate": 200, "history_minutes": 0}}')
    for seconds in (4, 16, 60):  # a machine under load is slow to its first print, not wrong
        store = str(tmp_path / f"store-{seconds}")
        result = runner.invoke(app, ["collect", "synthetic", "--history", store, "--seconds", str(seconds)])
        assert result.exit_code == 0, result.output
        rows = open_history(store).tables().set_index("name")["rows"]
        if "trades" in rows:
            break
    assert rows["trades"] > 0
    assert rows["instruments"] > 0


def test_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    settings = Settings(history=str(tmp_path / "store"), sample_data=tmp_path / "absent", _env_file=None)  # type: ignore[call-arg]
    findings = {finding.what: finding for finding in examine(settings)}
    assert findings["engines"].ok, findings["engines"].detail
    assert findings["history"].ok
    assert not findings["recorded data"].ok
    assert "absent" in findings["recorded data"].detail


def test_a_taken_port_gives_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port
    assert free_port("127.0.0.1", 0) > 0


def test_every_dashboard_is_served() -> None:
    assert "exposure" in dashboards()


def test_dashboards_of_the_working_directory_are_not_run_unless_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dashboards"
    folder.mkdir()
    for name in ("mine", "test_mine", "_part"):
        (folder / f"{name}.py").write_text("")
        (folder / f"{name}.py").chmod(0o644)
    folder.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    shipped = dashboards()
    assert "mine" not in shipped and "exposure" in shipped
    assert dashboards(Path("dashboards")) == shipped | {"mine": str(folder / "mine.py")}
    (folder / "mine.py").chmod(0o666)
    with pytest.raises(WorkstationError, match=r"anybody may write to .*mine\.py"):
        dashboards(folder)
    with pytest.raises(WorkstationError, match="no dashboard there"):
        dashboards(tmp_path)


class Stamp:
    """A cache that was, or was not, filled from these sources; counts how often it was emptied."""

    def __init__(self, complete: bool) -> None:
        self.filled, self.dropped = complete, 0

    def complete(self) -> bool:
        return self.filled

    def drop(self) -> None:
        self.dropped += 1

    def mark_complete(self) -> None:
        self.filled = True


@pytest.mark.parametrize("complete", [False, True])
def test_compiling_empties_a_cache_of_other_sources_alone(
    complete: bool, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts run in processes of their own; here the shortest one stands for all."""
    cache = Stamp(complete)
    monkeypatch.setattr("workstation.cli.compiling.KernelCache", lambda: cache)
    monkeypatch.setattr("workstation.cli.compiling.PARTS", {"feeds": PARTS["feeds"]})
    result = runner.invoke(app, ["compile"])
    assert result.exit_code == 0, result.output
    assert "The numerical kernels are compiled" in result.output
    assert cache.filled
    assert cache.dropped == (not complete)


def test_compiling_names_an_engine_that_does_not_run(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*batch: object) -> None:
        raise ValueError("no compiler")

    monkeypatch.setattr("workstation.exposure.levels.Levels.update", refuse)
    result = runner.invoke(app, ["compile", "--part", "chains"])
    assert result.exit_code != 0
    told = " ".join(result.output.split())
    assert "Levels did not run: ValueError: no compiler" in told
    assert (
        f"no part 'x'; there are {', '.join(PARTS)}" in runner.invoke(app, ["compile", "--part", "x"]).output
    )


def test_a_replay_of_a_mistyped_history_makes_none(tmp_path: Path, runner: CliRunner) -> None:
    missing = tmp_path / "mistyped"
    arguments = ["replay", "--from", "2026-03-20", "--to", "2026-03-21", "--history", str(missing)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "there is no history" in result.output
    assert not missing.exists()


def test_a_replay_that_derives_nothing_says_what_it_played(tmp_path: Path, runner: CliRunner) -> None:
    with open_history(str(tmp_path / "store")) as history:
        times = pd.date_range("2026-03-20", periods=50, freq="s")
        history.write(
            "quotes", pd.DataFrame({"event_ns": times, "instrument": "BTC/USDT", "bid": 1.0, "ask": 2.0})
        )
    arguments = ["replay", "--from", "2026-03-20", "--to", "2026-03-21", "--history", str(tmp_path / "store")]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0
    assert "nothing was derived" in result.output
    assert "50 quotes" in result.output


def test_a_damaged_file_is_named_and_the_others_come_in(tmp_path: Path, runner: CliRunner) -> None:
    (tmp_path / "a.csv").write_text(SNAPSHOT)
    (tmp_path / "b.csv").write_bytes(b"\x00\xff" * 500)
    arguments = [
        "import",
        "table",
        str(tmp_path),
        "--mapping",
        "deribit_snapshots",
        "--history",
        str(tmp_path / "s"),
    ]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "1 files: 3 marks" in result.output
    assert "b.csv" in result.output
    assert "Aborted" not in result.output
    repeated = runner.invoke(app, [*arguments, "--again"])
    assert "3 marks" in repeated.output.split("not written again:")[1]


def test_a_store_is_looked_at_and_repaired(store: Path, runner: CliRunner) -> None:
    assert "marks" in runner.invoke(app, ["history", "tables", str(store)]).output
    assert runner.invoke(app, ["history", "compact", str(store)]).exit_code == 0
    assert runner.invoke(app, ["history", "verify", str(store)]).exit_code == 0
    (store / "history.sqlite").unlink()
    told = runner.invoke(app, ["history", "tables", str(store)])
    assert told.exit_code == 1
    assert "workstation history repair" in told.output
    repaired = runner.invoke(app, ["history", "repair", str(store)])
    assert repaired.exit_code == 0
    assert "taken in" in repaired.output
    with open_history(str(store)) as history:
        assert len(history.read("marks")) == 3
    assert runner.invoke(app, ["history", "problems", str(store)]).exit_code == 0
    assert runner.invoke(app, ["history", "retain", "marks", "30", str(store)]).exit_code == 0
