"""Files go into history once; what cannot be read is named and the rest goes on."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.history import open_history
from workstation.market.errors import FrameError
from workstation.research.importing import expand, import_files
from workstation.research.replay import replay

HEADER = "DT,EX,SYMBOL,COND,SIZE,PRICE,CORR\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(
        HEADER + "2018-01-02 10:01:21.479,P,XXX,FTI,2,157.8,0\n2018-01-02 10:01:22,P,XXX,FTI,3,,0\n"
    )
    (folder / "b.csv").write_text(HEADER + "2018-01-03 10:01:21.479,P,YYY,FTI,2,157.8,0\n")
    (folder / "broken.csv").write_text("nothing,of,the,kind\n1,2,3,4\n")
    (folder / "binary.csv").write_bytes(b"\x00\xe2\xff" * 100)
    (folder / "README.md").write_text("left out")
    return folder


def test_import_counts_rejections_names_failures_and_goes_on(tmp_path: Path, files: Path) -> None:
    seen: list[tuple[str, int]] = []
    with open_history(tmp_path / "store") as store:
        done = import_files(
            store,
            "table",
            [files],
            progress=lambda path, rows: seen.append((path.name, rows)),
            mapping="taq_trades",
        )
        assert done.files == 2
        assert done.rows["trades"] == 2
        assert done.rejections.counts == {"no value for price": 1}
        assert list(done.failures) == [str(files / "binary.csv"), str(files / "broken.csv")]
        assert "wants column" in done.failures[str(files / "broken.csv")]
        assert seen == [("a.csv", 1), ("b.csv", 1)]
        trades = store.read("trades")
        assert trades["instrument"].tolist() == ["XXX", "YYY"]
        assert (trades["seq"] < 0).all(), "no hub numbered them"
        assert store.read("instruments")["instrument"].tolist() == ["XXX", "YYY"]
        events = store.read("health")["event"].tolist()
    assert sorted(events) == ["imported"] * 2 + ["rejected"] * 3


def test_the_same_content_is_imported_once_under_any_name(tmp_path: Path, files: Path) -> None:
    (files / "broken.csv").unlink()
    (files / "binary.csv").unlink()
    with open_history(tmp_path / "store") as store:
        import_files(store, "table", [files], mapping="taq_trades")
        (files / "copy_of_a.csv").write_text((files / "a.csv").read_text())
        second = import_files(store, "table", [files], mapping="taq_trades")
        assert (second.files, second.known) == (0, 3)
        assert len(store.read("trades")) == 2
        again = import_files(store, "table", [files / "a.csv"], again=True, mapping="taq_trades")
        assert (again.files, again.rows, again.known_rows) == (1, {}, {"trades": 1})
        assert len(store.read("trades")) == 2


@pytest.mark.parametrize("writes", range(1, 6))
def test_an_import_cut_off_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    lines = [f"2018-01-02 10:01:{second % 7:02d},P,XXX,FTI,2,157.8,0\n" for second in range(200)]
    ticks = tmp_path / "ticks.csv"
    ticks.write_text(HEADER + "".join(lines))
    monkeypatch.setattr("workstation.research.import_writer.WRITE_ROWS", 50)
    monkeypatch.setattr("workstation.feeds.files.table.ROWS", 30)
    with open_history(tmp_path / "store") as store:
        write, left = store.write, iter(range(writes))

        def cut_off(table: str, frame: pd.DataFrame) -> int:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return write(table, frame)

        monkeypatch.setattr(store, "write", cut_off)
        with pytest.raises(KeyboardInterrupt):
            import_files(store, "table", [ticks], mapping="taq_trades")
        monkeypatch.setattr(store, "write", write)
        before = len(store.read("trades")) if "trades" in set(store.tables()["name"]) else 0
        done = import_files(store, "table", [ticks], mapping="taq_trades")
        assert before < 200 or done.rows.get("trades", 0) == 0
        assert len(store.read("trades")) == 200, f"{before} were written before"
        with open_history(tmp_path / "whole") as whole:
            import_files(whole, "table", [ticks], mapping="taq_trades")
            pd.testing.assert_frame_equal(store.read("trades"), whole.read("trades"))


def test_a_missing_path_is_named() -> None:
    with pytest.raises(FrameError, match="no/such/file: no such file or folder"):
        expand(["no/such/file"])


MAPPING = """table: trades
time: {column: time, format: ms}
instrument: {constant: BTC/USDT}
constants: {venue: binance, side_source: venue}
columns: {price: price, size: qty, trade_id: id, side: {column: m, values: {sell: -1, buy: 1}}}
"""
WITHOUT_ID = MAPPING.replace(" trade_id: id,", "")
T = 1_774_000_020_000


class Panic(BaseException):
    """What a panic in Rust comes out as: no Exception."""


class Files:
    """Trade files of line numbers, and a store."""

    def __init__(self, folder: Path, mapping: str) -> None:
        self.folder, self.mapping = folder, folder / "map.yaml"
        self.mapping.write_text(mapping)
        self.store = open_history(folder / "store", upkeep=False)

    def write(self, name: str, numbers: Any) -> Path:
        path = self.folder / name
        # Three prints a millisecond, of three sizes: some lines are equal but for their id.
        lines = (
            f"{n},{70_000 + n % 3},{1 + n // 2 % 2},{T + n // 3},{'sell' if n % 2 else 'buy'}"
            for n in numbers
        )
        text = "id,price,qty,time,m\n" + "".join(line + "\n" for line in lines)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        return path

    def bring(self, *paths: Path, **options: Any) -> Any:
        return import_files(self.store, "table", paths, mapping=str(self.mapping), **options)

    def rows(self) -> pd.DataFrame:
        return self.store.read("trades") if "trades" in set(self.store.tables()["name"]) else pd.DataFrame()


@pytest.fixture(params=[MAPPING, WITHOUT_ID], ids=["ids", "no ids"])
def trades_in(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path, request.param)
    yield files
    files.store.close()


@pytest.mark.parametrize("rolled", [False, True])
def test_overlapping_growing_and_recompressed_files_add_nothing_twice(trades_in: Files, rolled: bool) -> None:
    noon, evening = trades_in.write("noon.csv", range(60)), trades_in.write("evening.csv", range(100))
    assert trades_in.bring(noon).rows["trades"] == 60
    if rolled:
        trades_in.store.roll()
    second = trades_in.bring(evening, trades_in.write("packed.csv.gz", range(100)))
    assert (second.rows["trades"], second.known_rows["trades"]) == (40, 160)
    trades_in.write("noon.csv", range(130))
    third = trades_in.bring(noon)
    assert (third.rows["trades"], third.known_rows["trades"]) == (30, 100)
    (trades_in.folder / "b").mkdir()
    with_whole = Files(trades_in.folder / "b", trades_in.mapping.read_text())
    with_whole.bring(with_whole.write("all.csv", range(130)))
    columns = ["event_ns", "price", "size", "side", "trade_id"]
    pd.testing.assert_frame_equal(trades_in.rows()[columns], with_whole.rows()[columns])
    with_whole.store.close()


def test_equal_rows_of_one_file_are_all_kept_when_they_have_no_id(tmp_path: Path) -> None:
    files = Files(tmp_path, WITHOUT_ID)
    files.bring(files.write("a.csv", [1, 1, 1]))
    assert len(files.rows()) == 3
    assert files.bring(files.write("b.csv", [1] * 5)).rows["trades"] == 2
    assert len(files.rows()) == 5
    files.store.close()


def test_a_print_repeated_in_a_file_is_one_print_and_days_may_begin_their_ids_anew(tmp_path: Path) -> None:
    files = Files(tmp_path, MAPPING)
    lines = [f"7,1.0,1,{T},buy", f"7,1.0,1,{T},buy", f"7,1.0,1,{T + 86_400_000},buy"]
    path = tmp_path / "x.csv"
    path.write_text("id,price,qty,time,m\n" + "\n".join(lines) + "\n")
    done = files.bring(path)
    assert (done.rows["trades"], done.known_rows["trades"]) == (2, 1)
    files.store.close()


def test_a_known_id_with_another_price_is_told_and_not_written(tmp_path: Path) -> None:
    files = Files(tmp_path, MAPPING)
    files.bring(files.write("a.csv", range(10)))
    path = tmp_path / "b.csv"
    path.write_text(f"id,price,qty,time,m\n4,99,1,{T + 1},buy\n")
    done = files.bring(path)
    assert done.rows == {}
    assert list(done.rejections.counts) == ["the id of a stored row of trades, with another price or size"]
    assert len(files.rows()) == 10
    files.store.close()


def test_a_file_without_rows_is_not_known_under_another_mapping(tmp_path: Path) -> None:
    files = Files(
        tmp_path, MAPPING.replace("column: m, values: {sell: -1", "column: m, values: {nothing: -1")
    )
    path = files.write("a.csv", [1, 3, 5])
    first = files.bring(path)
    assert (first.files, first.known) == (1, 0)
    files.mapping.write_text(MAPPING)
    second = files.bring(path)
    assert (second.known, len(files.rows())) == (0, 3)
    assert files.bring(path).known == 1
    files.store.close()


def test_a_damaged_file_leaves_nothing_and_the_good_one_comes_in_whole(trades_in: Files) -> None:
    good = trades_in.write("good.csv", range(200, 210))
    cut = trades_in.write("cut.csv.gz", range(300, 400))
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-20])
    done = trades_in.bring(cut, good)
    assert [Path(path).name for path in done.failures] == ["cut.csv.gz"]
    assert len(trades_in.rows()) == 10
    cut.write_bytes(whole)
    trades_in.bring(cut)
    assert len(trades_in.rows()) == 110


def test_a_bad_line_is_set_aside_and_the_mended_file_adds_nothing(trades_in: Files) -> None:
    broken = trades_in.write("broken.csv", range(150))
    broken.write_text(broken.read_text() + "1,2,3,4,5,6,7,8\n")
    done = trades_in.bring(broken)
    assert not done.failures and done.rejections.total == 1
    trades_in.write("broken.csv", range(150))
    trades_in.bring(broken)
    assert len(trades_in.rows()) == 150


@pytest.mark.parametrize(
    "error", [MemoryError(), KeyError("x"), RecursionError("deep"), ZeroDivisionError("0"), Panic("Rust")]
)
def test_whatever_a_reader_meets_is_a_failure_of_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    import workstation.research.importing as importing

    real = importing.read

    def fail(format_name: str, path: Path, rejections: Any, **options: Any) -> Any:
        yield from real(format_name, path, rejections, **options)
        if path.name == "b.csv":
            raise error

    monkeypatch.setattr(importing, "read", fail)
    files = Files(tmp_path, MAPPING)
    paths = [files.write(f"{name}.csv", range(n * 10, n * 10 + 5)) for n, name in enumerate("abc")]
    done = files.bring(*paths)
    assert list(done.failures) == [str(paths[1])]
    assert len(files.rows()) == 10
    files.store.close()


def test_a_file_that_grows_while_it_is_read_is_left_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import workstation.research.importing as importing

    real = importing.read
    files = Files(tmp_path, MAPPING)
    path = files.write("a.csv", range(10))

    def grow(*arguments: Any, **options: Any) -> Any:
        yield from real(*arguments, **options)
        with path.open("a") as file:
            file.write(f"10,7,1,{T},buy\n")

    monkeypatch.setattr(importing, "read", grow)
    assert "changed while it was read" in next(iter(files.bring(path).failures.values()))
    monkeypatch.undo()
    assert files.bring(path).rows["trades"] == 11
    files.store.close()


def test_rows_that_wait_on_disk_come_in_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workstation.research.importing.ROWS_IN_MEMORY", 20)
    monkeypatch.setattr("workstation.feeds.files.table.ROWS", 15)
    monkeypatch.setattr("workstation.research.known_rows.WINDOW_ROWS", 7)
    files = Files(tmp_path, WITHOUT_ID)
    files.bring(files.write("a.csv", range(50)))
    done = files.bring(files.write("b.csv", range(25, 100)))
    assert (done.rows["trades"], done.known_rows["trades"]) == (50, 25)
    assert files.rows()["price"].tolist() == [70_000.0 + n % 3 for n in range(100)]
    files.store.close()


def test_ties_keep_the_order_of_the_file_everywhere(trades_in: Files) -> None:
    prices = [5.0, 4.0, 9.0, 1.0, 7.0]
    path = trades_in.folder / "ties.csv"
    lines = [f"{n},{price},1,{T},buy" for n, price in enumerate(prices)]
    path.write_text("id,price,qty,time,m\n" + "\n".join([*lines, f"99,3,1,{T + 120_000},buy"]) + "\n")
    trades_in.bring(path)
    for _ in range(2):
        assert trades_in.rows()["price"].tolist() == [*prices, 3.0]
        assert (np.diff(trades_in.rows()["seq"]) > 0).all()
        answer = trades_in.store.sql(
            "SELECT first_value(price ORDER BY event_ns, seq) AS open, last_value(price ORDER BY event_ns, seq) AS close "
            "FROM trades WHERE price <> 3"
        )
        assert answer.values.tolist() == [[5.0, 7.0]]
        trades_in.store.roll()
    candles = replay(trades_in.store)["candles"]
    minute = candles[(candles["every_ns"] == 60 * 10**9) & (candles["volume"] == 5)]
    assert minute[["open", "close"]].values.tolist() == [[5.0, 7.0]]


def test_terms_are_kept_once(tmp_path: Path) -> None:
    files = Files(tmp_path, MAPPING)
    for numbers in (range(5), range(10), range(20)):
        files.bring(files.write("a.csv", numbers))
    assert len(files.store.read("instruments", revisions=True)) == 1
    files.store.close()


def test_two_imports_of_one_file_at_once_bring_it_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    files = Files(tmp_path, WITHOUT_ID)
    path = files.write("a.csv", range(500))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: files.bring(path), range(2)))
    assert len(files.rows()) == 500
    files.store.close()
