"""Files go into history once; what cannot be read is named and the rest goes on."""

from __future__ import annotations

from pathlib import Path

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
        assert list(done.failures) == [str(files / "broken.csv")]
        assert "wants column" in done.failures[str(files / "broken.csv")]
        assert seen == [("a.csv", 1), ("b.csv", 1)]
        trades = store.read("trades")
        assert trades["instrument"].tolist() == ["XXX", "YYY"]
        assert (trades["seq"] == 0).all(), "no hub numbered them"
        assert store.read("instruments")["instrument"].tolist() == ["XXX", "YYY"]
        events = store.read("health")["event"].tolist()
    assert sorted(events) == ["imported", "imported", "rejected", "rejected"]


def test_the_same_content_is_imported_once_under_any_name(tmp_path: Path, files: Path) -> None:
    (files / "broken.csv").unlink()
    with open_history(tmp_path / "store") as store:
        import_files(store, "table", [files], mapping="taq_trades")
        (files / "copy_of_a.csv").write_text((files / "a.csv").read_text())
        second = import_files(store, "table", [files], mapping="taq_trades")
        assert (second.files, second.known) == (0, 3)
        assert len(store.read("trades")) == 2
        again = import_files(store, "table", [files / "a.csv"], again=True, mapping="taq_trades")
        assert again.files == 1
        assert len(store.read("trades")) == 3


def test_a_missing_path_is_named() -> None:
    with pytest.raises(FrameError, match="no/such/file: no such file or folder"):
        expand(["no/such/file"])
