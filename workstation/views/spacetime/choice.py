"""What a session has chosen to see of the ticks: charts, and in each an instrument, a candle length and layers."""

from __future__ import annotations

import numpy as np
import param

from workstation.market.instants import SECOND_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.views.state.source import Source

LAYERS = {
    "candles": "Candles",
    "sma": "SMA 20 of close",
    "ema": "EMA 20 of close",
    "zlma": "ZLMA 20 of close",
    "volume": "Volume",
    "volume_zlma": "ZLMA 20 of volume",
    "intensity": "Intensity",
    "buffer": "Adaptive buffer",
    "intensity_sma": "SMA 20 of intensity",
    "intensity_ema": "EMA 20 of intensity",
    "intensity_zlma": "ZLMA 20 of intensity",
    "spikes": "Spikes",
    "v1": "Reversals v1: intensity and buffer",
    "v2": "Reversals v2: momentum and deviation",
    "v3": "Reversals v3: two timeframes",
    "v4": "Reversals v4: candles",
}
"""Every layer of a chart and what it is called."""
SHOWN_LAYERS = (
    "candles", "ema", "zlma", "volume", "volume_zlma", "intensity", "buffer", "intensity_zlma", "spikes", "v1", "v2", "v3", "v4",
)  # fmt: skip
VERSION_LAYERS = ("v1", "v2", "v3", "v4")
LENGTHS = {1: "1s", 10: "10s", 60: "1m", 300: "5m", 900: "15m", 3600: "1h"}
LAYOUTS = {1: "1", 2: "2", 4: "4"}
MOST_CHARTS = 4
_KINDS = ("perpetual", "spot", "future", "index", "equity", "")


class ChartChoice(param.Parameterized):
    """The choices of one chart; ``code`` holds them all for the page's address.

    Examples
    --------
    >>> chart = ChartChoice(instrument="BTC/USD:BTC", every_s=10)
    >>> chart.code
    'BTC/USD:BTC~10~~'
    >>> chart.take("ETH/USD:ETH~60~candles,v4~1,2,3,4")
    >>> chart.every_ns, chart.layers, chart.window
    (60000000000, ['candles', 'v4'], [1.0, 2.0, 3.0, 4.0])
    """

    instrument = param.String(default="")
    every_s = param.Selector(default=10, objects=list(LENGTHS), doc="length of the candles")
    layers = param.List(default=list(SHOWN_LAYERS), item_type=str)
    window = param.List(
        default=[], item_type=float, doc="x0, x1, y0, y1 of the chart once it was moved by hand; empty: live"
    )
    underlying = ""
    scale = "price"

    @property
    def every_ns(self) -> int:
        """Length of the candles shown."""
        return int(self.every_s) * SECOND_NS

    @property
    def code(self) -> str:
        """All choices in one word."""
        layers = "" if self.layers == list(SHOWN_LAYERS) else ",".join(self.layers) or "none"
        window = ",".join(f"{edge:.15g}" for edge in self.window)
        return f"{self.instrument}~{self.every_s}~{layers}~{window}"

    def take(self, code: str) -> None:
        """Take the choices of a ``code``; what is not understood stays as it is."""
        parts = [*code.split("~"), "", "", "", ""][:4]
        wanted: dict[str, object] = {"instrument": parts[0]} if parts[0] else {}
        if parts[1].isdigit() and int(parts[1]) in LENGTHS:
            wanted["every_s"] = int(parts[1])
        wanted["layers"] = (
            [name for name in LAYERS if name in parts[2].split(",")] if parts[2] else list(SHOWN_LAYERS)
        )
        try:
            window = [float(edge) for edge in parts[3].split(",")] if parts[3] else []
        except ValueError:
            window = []
        wanted["window"] = window if len(window) in (0, 4) and np.isfinite(window).all() else []
        self.param.update(**wanted)


class SpacetimeChoice(param.Parameterized):
    """How many charts, and the code of each.

    Examples
    --------
    >>> choice = SpacetimeChoice(layout=4)
    >>> choice.charts[1].every_s = 60
    >>> choice.chart2
    '~60~~'
    """

    layout = param.Selector(default=2, objects=list(LAYOUTS), doc="how many charts")
    linked = param.Boolean(default=True, doc="whether panning or zooming one chart moves the others")
    chart1 = param.String(default="")
    chart2 = param.String(default="")
    chart3 = param.String(default="")
    chart4 = param.String(default="")
    underlying = param.String(default="", doc="whose instruments charts without one show first")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.charts = tuple(ChartChoice() for _ in range(MOST_CHARTS))
        for index, chart in enumerate(self.charts, start=1):
            name = f"chart{index}"
            if getattr(self, name):
                chart.take(getattr(self, name))
            self.param.watch(lambda event, *, chart=chart: self._decode(chart, event.new), name)
            chart.param.watch(
                lambda *_, chart=chart, name=name: self.param.update(**{name: chart.code}),
                ["instrument", "every_s", "layers", "window"],
            )

    @staticmethod
    def _decode(chart: ChartChoice, code: str) -> None:
        if code != chart.code:
            chart.take(code)

    def fill(self, names: list[str]) -> None:
        """Give charts without an instrument one of these: the best of each underlying, at 10 s and at 1 min."""
        best = _firsts(names, self.underlying)
        for index, chart in enumerate(self.charts):
            if best and not chart.instrument:
                chart.param.update(instrument=best[index // 2 % len(best)], every_s=(10, 60)[index % 2])


def _firsts(names: list[str], underlying: str = "") -> list[str]:
    """The first instrument of each underlying, that of ``underlying`` before the others."""
    if not names:
        return []
    terms = INSTRUMENT_TERMS.describe(names).reset_index(drop=True)
    firsts = terms.assign(underlying=terms["underlying"].astype("str")).drop_duplicates("underlying").index
    found = [names[row] for row in firsts]
    at = terms["underlying"].astype("str").loc[firsts].tolist()
    return sorted(found, key=lambda name: at[found.index(name)] != underlying)


def followed(source: Source) -> list[str]:
    """Instruments with candles, without options: the one with most trades of each kind first."""
    traded = source.traded()
    if not traded:
        return []
    kinds = INSTRUMENT_TERMS.describe(list(traded))["kind"].astype("str").tolist()
    ranked = sorted(
        (_KINDS.index(kind), -trades, name)
        for (name, trades), kind in zip(traded.items(), kinds, strict=True)
        if kind in _KINDS
    )
    return [name for *_, name in ranked]
