"""The line over a chart: what the candle and the bar under the crosshair say, in the browser alone."""

from __future__ import annotations

from workstation.views.widgets.assets import asset

READOUT_CSS = asset(__package__, "readout.css")
"""What needs a second line stands over the top of the plot on a desk; a phone makes room for it."""
CORNER_CSS = asset(__package__, "readout_corner.css")
READOUT = asset(__package__, "readout.js")
