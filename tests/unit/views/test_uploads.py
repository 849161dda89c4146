"""A paper book is read beside the loop, within a limit that is told."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pandas as pd
import panel as pn
import pytest

from workstation.market.errors import FrameError
from workstation.market.tables import TABLES
from workstation.views.portfolio.loading import BookLoader, fills_of
from workstation.views.widgets.uploads import MESSAGE_LIMIT, UPLOAD_LIMIT, UPLOAD_MARK

HEAD = "time,venue,instrument,side,size,price\n"
LINE = "2026-03-20T05:00:00Z,deribit,BTC-PERPETUAL,buy,7000,70000\n"


@pytest.mark.parametrize(
    "content",
    [f"{UPLOAD_MARK}{31 * 2**20}".encode(), HEAD.encode() + b" " * UPLOAD_LIMIT],
    ids=["told", "sent"],
)
def test_a_file_beyond_the_limit_is_refused_with_the_limit(content: bytes) -> None:
    with pytest.raises(
        FrameError, match=rf"mine.csv has \d+\.\d MiB; a page takes files of up to {UPLOAD_LIMIT >> 20} MiB"
    ):
        fills_of(content, "mine.csv")


@pytest.mark.parametrize(
    "content", [UPLOAD_MARK, f"{UPLOAD_MARK}x", f"{UPLOAD_MARK}{'9' * 40}", f"{UPLOAD_MARK}7"]
)
def test_a_file_that_begins_with_the_mark_is_no_book(content: str) -> None:
    with pytest.raises(FrameError, match="column time"):
        fills_of(content.encode(), "mine.csv")


def test_a_page_s_message_holds_the_largest_file() -> None:
    assert MESSAGE_LIMIT > UPLOAD_LIMIT * 4 / 3 and MESSAGE_LIMIT > 20 * 2**20


class Document:
    """A page's document: what is handed to its loop runs when the test lets it."""

    def __init__(self) -> None:
        self.session_context = SimpleNamespace(destroyed=False)
        self.handed: list[Any] = []
        self.came = threading.Event()

    def add_next_tick_callback(self, take: Any) -> None:
        self.handed.append(take)
        self.came.set()


@pytest.mark.parametrize(
    ("lines", "said"), [(LINE, "1 fills of mine.csv"), (LINE.replace("buy", "hold"), "line 2, column side")]
)
def test_a_session_reads_a_book_beside_its_loop(
    monkeypatch: pytest.MonkeyPatch, lines: str, said: str
) -> None:
    document, threads, published = Document(), [], []
    source: Any = SimpleNamespace(latest=lambda table: TABLES[table].empty())
    loader = BookLoader(source, lambda fills: published.append((threading.current_thread(), fills)))

    def read(content: bytes, name: str) -> pd.DataFrame:
        threads.append(threading.current_thread())
        return fills_of(content, name)

    monkeypatch.setattr("workstation.views.portfolio.loading.fills_of", read)
    monkeypatch.setattr(type(pn.state), "curdoc", property(lambda _: document))
    loader.file.param.update(filename="mine.csv", value=(HEAD + lines).encode())
    loader.file.param.update(filename=None, value=None)  # the choice is cleared before the book is read
    assert document.came.wait(30) and threads[0] is not threading.current_thread() and not published
    assert "reading" in loader._told.panel.object
    document.handed[0]()
    assert said in loader._told.panel.object
    assert [thread for thread, _ in published] == [threading.current_thread()] * ("fills" in said)


def test_an_empty_file_is_told_in_place_of_the_file_before() -> None:
    source: Any = SimpleNamespace(latest=lambda table: TABLES[table].empty())
    loader = BookLoader(source, lambda fills: None)
    assert not loader.told.visible
    loader.file.param.update(filename="mine.csv", value=(HEAD + LINE).encode())
    assert loader.told.visible and "1 fills of mine.csv" in loader.told.object
    loader.file.param.update(filename="empty.csv", value=None)
    assert "empty.csv is empty" in loader.told.object and "mine.csv" not in loader.told.object


def test_a_refusal_names_the_file() -> None:
    source: Any = SimpleNamespace(latest=lambda table: TABLES[table].empty())
    loader = BookLoader(source, lambda fills: None)
    loader.file.param.update(filename="mine.csv", value=b"\xff\xfe\x00")
    assert "mine.csv" in loader.told.object and "alert" in loader.told.object
