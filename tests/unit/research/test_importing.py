"""Files go into history once; what cannot be read is named and the rest goes on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workstation.history import open_history
from workstation.market.errors import FrameError
from workstation.research.importing import expand, import_files

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
        assert (trades["seq"] == 0).all(), "no hub numbered them"
        assert store.read("instruments")["instrument"].tolist() == ["XXX", "YYY"]
        events = store.read("health")["event"].tolist()
    assert sorted(events) == ["imported"] * 2 + ["importing"] * 4 + ["rejected"] * 3


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
        assert again.files == 1
        assert len(store.read("trades")) == 3


@pytest.mark.parametrize("writes", range(1, 7))
def test_an_import_cut_off_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    lines = [f"2018-01-02 10:01:{second % 7:02d},P,XXX,FTI,2,157.8,0\n" for second in range(200)]
    ticks = tmp_path / "ticks.csv"
    ticks.write_text(HEADER + "".join(lines))
    monkeypatch.setattr("workstation.research.importing.WRITE_ROWS", 50)
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
