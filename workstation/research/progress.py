"""How far long work is: a bar in a notebook or a terminal, with an estimate of the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

SHOWN_AFTER_S = 0.5
"""Work that is done sooner shows no bar."""
_BETWEEN_S = 0.2


class Bar(Protocol):
    """Where progress is shown."""

    def show(self, share: float, detail: str, left_s: float) -> None:
        """Show a share between 0 and 1, what is worked on, and the seconds that are left (NaN: not known yet)."""

    def end(self) -> None:
        """Take the bar away."""


class Progress:
    """Progress of one piece of work.

    Parameters
    ----------
    title
        What is done.
    total
        In any unit: files, seconds of event time.
    bar
        Where it is shown; None: nowhere.

    Examples
    --------
    >>> with Progress("import", 10, None) as progress:
    ...     progress.tell(3, "a.csv")
    >>> progress.share
    0.3
    """

    def __init__(self, title: str, total: float, bar: Bar | None) -> None:
        self.title, self.share = title, 0.0
        self._total, self._bar = total, bar
        self._began_s, self._told_s = time.monotonic(), 0.0

    def tell(self, done: float, detail: str = "") -> None:
        """So much is done; ``detail`` names what is worked on."""
        self.share = min(max(done / self._total, 0.0), 1.0) if self._total > 0 else 1.0
        now = time.monotonic()
        spent_s = now - self._began_s
        if self._bar is None or spent_s < SHOWN_AFTER_S or now - self._told_s < _BETWEEN_S:
            return
        self._told_s = now
        left_s = spent_s * (1.0 - self.share) / self.share if self.share > 0.0 else float("nan")
        self._bar.show(self.share, detail, left_s)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.end()


@contextmanager
def progress(title: str, total: float, *, shown: bool | None = None) -> Iterator[Progress]:
    """Progress of a block of work, on a bar where somebody looks: a notebook, or a terminal.

    Parameters
    ----------
    title, total
        See ``Progress``.
    shown
        None: where somebody looks; False: nowhere.
    """
    with Progress(title, total, None if shown is False else _bar(title)) as told:
        yield told


def _bar(title: str) -> Bar | None:
    """The bar that suits this process."""
    if in_notebook():
        return NotebookBar(title)
    return TerminalBar(title) if sys.stderr.isatty() else None


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class TerminalBar:
    """A bar of ``rich`` on the error output."""

    def __init__(self, title: str) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
        )
        self._rich = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._rich.add_task(title, total=1.0, detail="")
        self._begun = False

    def show(self, share: float, detail: str, left_s: float) -> None:
        """Show it."""
        if not self._begun:
            self._begun = True
            self._rich.start()
        self._rich.update(self._task, completed=share, detail=detail[:40])

    def end(self) -> None:
        """Take it away."""
        if self._begun:
            self._rich.stop()


class NotebookBar:
    """A bar of HTML in the output of the cell; ``rich`` needs ipywidgets there."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._display: Any = import_module("IPython.display")
        self._handle: Any = None

    def show(self, share: float, detail: str, left_s: float) -> None:
        """Show it."""
        left = "" if left_s != left_s else f", {left_s:.0f} s left"
        html = self._display.HTML(
            f'<progress value="{share:.3f}" max="1"></progress> {escape(self._title)} {100 * share:.0f} % '
            f'<span style="opacity:.7">{escape(detail[:60])}{left}</span>'
        )
        if self._handle is None:
            self._handle = self._display.display(html, display_id=True)
        else:
            self._handle.update(html)

    def end(self) -> None:
        """Take it away."""
        if self._handle is not None:
            self._handle.update(self._display.HTML(""))
