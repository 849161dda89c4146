"""Signals and spikes of the instruments on screen, the newest first."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from workstation.views import formats
from workstation.views.card import Card, Markup
from workstation.views.live import Source, View
from workstation.views.spacetime.evidence import SIDES, numbers, words

SHOWN = 60
_MARKS = {1: "▲", 2: "◆", 3: "★", 4: "■"}
_CSS = """
:host { width: 100%; overflow: auto; }
table { width: 100%; border-collapse: collapse; font-size: 12px; color: var(--ws-text); }
th { color: var(--ws-muted); font-weight: 400; font-size: 11px; text-align: left; padding: 1px 10px 2px 0; white-space: nowrap;
  position: sticky; top: 0; background: var(--ws-card); z-index: 1; }
td { padding: 2px 10px 2px 0; border-top: 1px solid var(--ws-line); white-space: nowrap; line-height: 17px; }
td.n, th.n { text-align: right; }
td.why { width: 100%; max-width: 0; overflow: hidden; text-overflow: ellipsis; color: var(--ws-muted); }
.up { color: var(--ws-up); font-weight: 700; } .down { color: var(--ws-down); font-weight: 700; }
.none { color: var(--ws-muted); padding: 6px 0; margin: 0; font-size: 12px; line-height: 18px; }
.bar { display: inline-block; height: 8px; background: var(--ws-accent); border-radius: 1px; vertical-align: baseline; margin-right: 6px; }
"""


class _Listing(View):
    """Rows of one table as an HTML table."""

    every_s = 0.5
    heads: tuple[tuple[str, str], ...] = ()
    nothing = ""

    def __init__(
        self, title: str, table: str, area: str, shown: Callable[[], list[str]], unit: str = ""
    ) -> None:
        self.inputs = (table,)
        self._shown = shown
        self._written: dict[int, str] = {}
        self._table = Markup(_CSS, sizing_mode="stretch_both")
        self.card = Card(title, self._table.panel, unit=unit, area=area)

    def refresh(self, source: Source) -> None:
        """Write the newest rows."""
        frame = source.latest(self.inputs[0])
        codes = frame["instrument"].cat.categories.get_indexer(self._shown())
        mine = frame.take(
            np.flatnonzero(np.isin(frame["instrument"].cat.codes.to_numpy(), codes[codes >= 0]))
        )
        self._say(mine)
        if not len(mine):
            self._table.show(f'<p class="none">{self.nothing}</p>')
            return
        head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in self.heads)
        mine = mine.iloc[-SHOWN:]
        seqs = [int(seq) for seq in mine["seq"]]
        unwritten = mine[[seq not in self._written for seq in seqs]]
        for row in unwritten.to_dict("records"):
            self._written[int(row["seq"])] = f"<tr>{self._cells(row)}</tr>"
        self._written = {seq: self._written[seq] for seq in seqs}
        body = "".join(reversed(self._written.values()))
        self._table.show(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def _say(self, rows: pd.DataFrame) -> None:
        self.card.say(f"{len(rows)}" if len(rows) else "")

    def _cells(self, row: dict[str, Any]) -> str:
        raise NotImplementedError

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


class SignalList(_Listing):
    """Reversal signals with the numbers that fired them."""

    heads = (
        ("time UTC", ""),
        ("instrument", ""),
        ("version", ""),
        ("side", ""),
        ("price", "n"),
        ("strength", "n"),
        ("why", ""),
    )
    nothing = "No signal yet. Windows need 1 000 ticks before they speak, and begin anew after every gap."

    def __init__(self, shown: Callable[[], list[str]]) -> None:
        super().__init__("Reversal signals", "reversals", "signals", shown, unit="never repainted")

    def _say(self, rows: pd.DataFrame) -> None:
        versions, counts = np.unique(rows["version"].to_numpy(), return_counts=True)
        self.card.say(
            " · ".join(f"v{version} {count}" for version, count in zip(versions, counts, strict=True))
        )

    def _cells(self, row: dict[str, Any]) -> str:
        side, version = int(row["side"]), int(row["version"])
        told = escape(
            "\n".join(f"{name}: {value}" for name, value in numbers(row["evidence"]).items()), quote=True
        )
        return (
            f"<td>{_clock(row['event_ns'])}</td><td>{escape(str(row['instrument']))}</td><td>{_MARKS.get(version, '')} v{version}</td>"
            f'<td class="{_role(side)}">{SIDES.get(side, "–")}</td><td class="n">{formats.price(row["price"])}</td>'
            f'<td class="n">{formats.number(row["strength"], 2)}</td><td class="why" title="{told}">{escape(words(row["evidence"]))}</td>'
        )


class SpikeList(_Listing):
    """Bursts of intensity that have ended."""

    heads = (
        ("began UTC", ""),
        ("instrument", ""),
        ("move", ""),
        ("height", "n"),
        ("peak bps/s", "n"),
        ("lasted", "n"),
    )
    nothing = "No spike yet: smoothed intensity has not left mean + 3 sd of its baseline."

    def __init__(self, shown: Callable[[], list[str]]) -> None:
        super().__init__("Spikes", "spikes", "spikes", shown)

    def _cells(self, row: dict[str, Any]) -> str:
        side = int(row["direction"])
        width = int(np.clip(4 * row["height_sd"], 2, 56)) if np.isfinite(row["height_sd"]) else 2
        return (
            f"<td>{_clock(row['start_ns'])}</td><td>{escape(str(row['instrument']))}</td>"
            f'<td class="{_role(side)}">{SIDES.get(side, "–")}</td>'
            f'<td class="n"><span class="bar" style="width:{width}px"></span>{formats.number(row["height_sd"], 1)}{formats.THIN}sd</td>'
            f'<td class="n">{formats.si(row["peak"])}</td><td class="n">{formats.age((row["end_ns"] - row["start_ns"]) / 1e9)}</td>'
        )


def _role(side: int) -> str:
    return {1: "up", -1: "down"}.get(side, "")


def _clock(event_ns: int) -> str:
    return pd.Timestamp(event_ns, unit="ns").strftime("%H:%M:%S.%f")[:-3]
