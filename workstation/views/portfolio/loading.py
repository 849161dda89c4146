"""Loading a paper book: a CSV of the user's own, or the sample on the market that runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from workstation.market.errors import FrameError, WorkstationError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.portfolio.paper import paper_fills, removal
from workstation.portfolio.sample import sample_fills
from workstation.views.state.hand_over import hand_over
from workstation.views.state.source import Source
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Markup
from workstation.views.widgets.theme import stylesheet
from workstation.views.widgets.uploads import check_size

_CSS = asset(__package__, "loading.css")
_FILE = stylesheet(asset(__package__, "loading_file.css"))
_READERS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="paper-book")
"""Books are read one by one beside the loop that serves all sessions."""
REMOVE = "Remove book"
_Read = tuple[pd.DataFrame, int]


def fills_of(content: bytes, name: str) -> pd.DataFrame:
    """Fills of an uploaded paper book.

    Raises
    ------
    FrameError
        Names file, line and column, what stands there and what is expected.
    """
    check_size(content, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (Path(name).name or "book.csv")
        path.write_bytes(content)
        fills = paper_fills(path)
    aside = fills.attrs["set_aside"]
    if aside:
        more = f" (and {len(aside) - 1} more lines)" if len(aside) > 1 else ""
        raise FrameError(f"{aside[0]}{more}; mend it, then load the book again")
    return fills


def with_index(fills: pd.DataFrame, marks: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Fills without an index given the newest one of the marks, and how many there were of them.

    Coin amounts turn into USD at it; what the marks do not know stays unknown.
    """
    newest = marks[marks["index"].notna()].drop_duplicates("instrument", keep="last")
    if not len(newest) or not len(fills):
        return fills, 0
    owners = INSTRUMENT_TERMS.describe(newest["instrument"].astype("str").tolist())["underlying"].astype(
        "str"
    )
    known = dict(zip(owners, newest["index"], strict=True))
    names = INSTRUMENT_TERMS.describe(fills["instrument"].astype("str").tolist())["underlying"].astype("str")
    index = fills["index"].to_numpy(dtype=np.float64)
    lent = np.isnan(index) & names.isin(list(known)).to_numpy()
    return fills.assign(index=np.where(lent, names.map(known).to_numpy(dtype=np.float64), index)), int(
        lent.sum()
    )


def paper_only(source: Source) -> pd.DataFrame:
    """The fills but for those of accounts that a venue tells of: they are what the venue says they are."""
    told = [source.latest(table)[["venue", "account"]].astype("str") for table in ("positions", "balances")]
    connected = set(pd.concat(told).itertuples(index=False, name=None))
    fills = source.latest("fills")
    owners = fills[["venue", "account"]].astype("str").itertuples(index=False, name=None)
    kept: pd.DataFrame = fills[np.array([owner not in connected for owner in owners], dtype=bool)]
    return kept


class BookLoader:
    """The widgets that load a paper book.

    Parameters
    ----------
    source
        The market whose marks the sample book is made of.
    publish
        Takes the fills.
    """

    def __init__(self, source: Source, publish: Callable[[pd.DataFrame], Any]) -> None:
        self._source, self._publish = source, publish
        self.file = pn.widgets.FileInput(
            accept=".csv", multiple=False, margin=0, stylesheets=[_FILE], label="paper book CSV"
        )
        self.file.param.watch(self._uploaded, ["value", "filename"])
        self.sample = pmui.Button(
            label="Load sample book",
            size="small",
            variant="text",
            margin=0,
            sx={"py": "1px", "fontSize": "12px", "textTransform": "none"},
        )
        self.sample.on_click(lambda _: self.load_sample())
        self.remove = pmui.Button(
            label=REMOVE,
            size="small",
            variant="text",
            margin=0,
            sx={"py": "1px", "fontSize": "12px", "textTransform": "none"},
        )
        self.remove.on_click(lambda _: self.remove_books())
        self._told = Markup(_CSS, sizing_mode="stretch_width")
        self.told = self._told.panel
        """What became of the last deed, in a line of its own below the choices; hidden until there is something to say."""
        self.told.visible = False
        self.panel = pn.Row(self.file, self.sample, self.remove, margin=0, styles={"align-items": "center"})

    def _uploaded(self, *_: Any) -> None:
        """Load the chosen file; the choice is cleared, so that the same file can be chosen again."""
        content, name = self.file.value, self.file.filename
        if not name:
            return
        if content:
            self._load(lambda: fills_of(content, name), name)
        else:
            self._refuse(f"{name} is empty; a book has a line of column names, then a line for each fill")
        self.file.clear()

    def load_sample(self) -> None:
        """Trade the sample book at the newest marks."""
        marks = self._source.latest("marks")
        self._load(lambda: sample_fills(marks, self._source.latest("trades")), "sample book")

    def remove_books(self) -> None:
        """Take back the fills of all paper books: the first press says of how many, the second does it."""
        fills = paper_only(self._source)
        removals = removal(fills, event_ns=self._source.asof_ns)
        if not len(removals):
            self._say("no paper fills to remove")
        elif self.remove.label == REMOVE:
            self.remove.label = f"Remove {len(removals)} positions?"
            self._say("press again to take back their fills; a book can be loaded anew")
            return
        else:
            self._publish(removals)
            self._say(f"fills of {len(removals)} positions removed")
        self.remove.label = REMOVE

    def _say(self, words: str) -> None:
        self._tell(f'<span class="told" role="status">{escape(words)}</span>')

    def _refuse(self, words: str) -> None:
        self._tell(f'<span class="bad" role="alert">{escape(words)}</span>')

    def _tell(self, markup: str) -> None:
        self._told.show(markup)
        self.told.visible = True

    def _load(self, read: Callable[[], pd.DataFrame], name: str) -> None:
        """Read a book, in a session beside the loop, and publish it."""
        marks = self._source.latest("marks")
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            done: Future[_Read] = Future()
            try:
                done.set_result(with_index(read(), marks))
            except Exception as error:  # noqa: BLE001 - told where the book was asked for
                done.set_exception(error)
            self._loaded(done, name)
            return
        self._say(f"reading {name}")
        reading = _READERS.submit(lambda: with_index(read(), marks))
        reading.add_done_callback(lambda done: hand_over(document, lambda: self._loaded(done, name)))

    def _loaded(self, done: Future[_Read], name: str) -> None:
        error = done.exception()
        if isinstance(error, WorkstationError | UnicodeDecodeError | ValueError):
            words = str(error)
            self._refuse(words if name in words else f"{name}: {words}")
            return
        fills, lent = done.result()
        self._publish(fills)
        how = f"; {lent} without an index took the newest" if lent else ""
        self._say(f"{len(fills)} fills of {name}{how}")
