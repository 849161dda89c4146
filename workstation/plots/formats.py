"""Formats: how values are written, in Python text and on Bokeh axes alike.

One rule everywhere: a sign that is a sign (U+2212), thousands apart by a narrow space, SI suffixes
k, M, bn, tn, a dash for what is not known.
"""

from __future__ import annotations

import math
from pathlib import Path
from string import Template

import pandas as pd
from bokeh.models import CustomJSHover, CustomJSTickFormatter
from bokeh.models.widgets.tables import HTMLTemplateFormatter

from workstation.market.instants import DAY_S, YEAR_DAYS

THIN = "\u202f"
"""Narrow no-break space, between thousands and before a suffix."""
MINUS = "\u2212"
UNKNOWN = "–"
_SUFFIXES = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k"))


def _sign(value: float, signed: bool) -> str:
    if value < 0:
        return MINUS
    return "+" if signed and value > 0 else ""


def round_below(value: float) -> float:
    """The largest number of one digit that is not above a positive ``value``.

    Examples
    --------
    >>> round_below(478.0), round_below(1000.0), round_below(0.0934)
    (400.0, 1000.0, 0.09)
    """
    exponent = math.floor(math.log10(value))
    return float(f"{math.floor(value / 10.0**exponent + 1e-9)}e{exponent}")


def number(value: float, decimals: int = 0, signed: bool = False) -> str:
    """A number with its thousands apart.

    Examples
    --------
    >>> number(104212.5, 2).replace(THIN, " "), number(float("nan")), number(-3.25, 1)
    ('104 212.50', '–', '−3.2')
    """
    if not math.isfinite(value):
        return UNKNOWN
    value = round(value, decimals) + 0.0
    return _sign(value, signed) + f"{abs(value):,.{decimals}f}".replace(",", THIN)


def si(value: float, digits: int = 3, signed: bool = False) -> str:
    """A number with ``digits`` significant digits and its SI suffix.

    Examples
    --------
    >>> [si(x).replace(THIN, " ") for x in (12.4e9, -182e6, 1234.0, 0.0, 999_960.0)]
    ['12.4 bn', '−182 M', '1.23 k', '0', '1 M']
    """
    if not math.isfinite(value):
        return UNKNOWN
    size = abs(float(f"{value:.{digits}g}"))
    for scale, suffix in _SUFFIXES:
        if size >= scale:
            return f"{_sign(value, signed)}{_plain(size / scale, digits)}{THIN}{suffix}"
    return _sign(value, signed) + _plain(size, digits) if size else "0"


def _plain(size: float, digits: int) -> str:
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    text = f"{size:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def usd(value: float, digits: int = 3, signed: bool = False) -> str:
    """US dollars with SI suffix.

    Examples
    --------
    >>> usd(1.2e6).replace(THIN, " "), usd(-182e6).replace(THIN, " "), usd(5e6, signed=True).replace(THIN, " ")
    ('$1.2 M', '−$182 M', '+$5 M')
    """
    text = si(abs(value), digits)
    return text if text == UNKNOWN else f"{_sign(value, signed)}${text}"


def percent(value: float, decimals: int = 1, signed: bool = False) -> str:
    """A fraction as percent.

    Examples
    --------
    >>> percent(-0.0081, signed=True).replace(THIN, " "), percent(0.524).replace(THIN, " ")
    ('−0.8 %', '52.4 %')
    """
    text = number(100 * value, decimals, signed)
    return text if text == UNKNOWN else f"{text}{THIN}%"


def sd(value: float, decimals: int = 1) -> str:
    """A distance in standard deviations.

    Examples
    --------
    >>> sd(-0.31).replace(THIN, " ")
    '−0.3 sd'
    """
    text = number(value, decimals, signed=True)
    return text if text == UNKNOWN else f"{text}{THIN}sd"


def price(value: float) -> str:
    """A price with the decimals its size asks for.

    Examples
    --------
    >>> price(104212.5).replace(THIN, " "), price(3.14159), price(231.4)
    ('104 212.5', '3.1416', '231.40')
    """
    if not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    return number(value, 1 if size >= 10_000 else 2 if size >= 20 else 4)


def strike(value: float) -> str:
    """A strike: no decimals unless it has some."""
    return number(value, 0 if not math.isfinite(value) or value == round(value) else 2)


def age(seconds: float) -> str:
    """A time span in the one unit that suits it.

    Examples
    --------
    >>> [age(x).replace(THIN, " ") for x in (0.42, 75, 7300)]
    ['0.4 s', '1 min', '2.0 h']
    >>> age(9e7).replace(THIN, " ")
    '2.9 y'
    """
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f}{THIN}s" if seconds < 9.95 else f"{seconds:.0f}{THIN}s"
    if seconds < 3600:
        return f"{seconds / 60:.0f}{THIN}min"
    if seconds < DAY_S:
        return f"{seconds / 3600:.1f}{THIN}h"
    days = seconds / DAY_S
    return f"{days:.1f}{THIN}d" if days < YEAR_DAYS else f"{days / 365.25:.1f}{THIN}y"


def expiry(expiry_ns: int) -> str:
    """An expiry's date as desks write it.

    Examples
    --------
    >>> expiry(pd.Timestamp("2026-12-25 08:00").value)
    '25 Dec 26'
    """
    return pd.Timestamp(expiry_ns, unit="ns").strftime("%d %b %y")


TIME_TICKS = {
    "seconds": "%H:%M:%S", "minsec": "%H:%M:%S", "minutes": "%H:%M", "hourmin": "%H:%M", "hours": "%H:%M",
    "days": "%d %b", "months": "%b %Y", "years": "%Y",
}  # fmt: skip
"""Formats of a time axis, by the distance between its ticks."""


def _script(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


_JS = _script("tick_formats.js")


def si_ticks(currency: str = "") -> CustomJSTickFormatter:
    """Axis ticks as ``si`` (or ``usd`` with ``currency="$"``)."""
    return CustomJSTickFormatter(code=f"const currency = '{currency}'\n{_JS}\nreturn si(tick, 4)")


_HOVERS = {
    "si": f"if (!Number.isFinite(value)) return '{UNKNOWN}'\nconst currency = ''\n{_JS}\nreturn si(value, 3)",
    "usd": f"if (!Number.isFinite(value)) return '{UNKNOWN}'\nconst currency = '$'\n{_JS}\nreturn value ? si(value, 3) : '$0'",
    "percent": f"if (!Number.isFinite(value)) return '{UNKNOWN}'\nreturn (100 * value).toFixed(1).replace('-', '{MINUS}') + '{THIN}%'",
    "price": _script("hover_price.js"),
    "strike": _script("hover_strike.js"),
}


def hovers(**columns: str) -> dict[str, CustomJSHover]:
    """Formatters of a tooltip: column -> ``usd``, ``percent``, ``price`` or ``strike``; its text names them as ``@column{custom}``.

    Examples
    --------
    >>> sorted(hovers(call="usd", strike="strike"))
    ['@call', '@strike']
    """
    made = {kind: CustomJSHover(code=_HOVERS[kind]) for kind in set(columns.values())}
    return {f"@{column}": made[kind] for column, kind in columns.items()}


def number_cells(least: int, most: int) -> HTMLTemplateFormatter:
    """Cells of a table as ``number`` writes them, with at least and at most so many decimals; sorting stays by value."""
    return HTMLTemplateFormatter(
        template=Template(_script("number_cell.html")).substitute(least=least, most=most)
    )


def price_ticks() -> CustomJSTickFormatter:
    """Axis ticks as prices: thousands apart, as many decimals as the step between ticks asks for."""
    return CustomJSTickFormatter(code=_script("price_ticks.js"))


def percent_ticks() -> CustomJSTickFormatter:
    """Axis ticks of fractions as percent."""
    return CustomJSTickFormatter(code=_script("percent_ticks.js"))
