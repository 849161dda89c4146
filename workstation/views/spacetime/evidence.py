"""Why a signal fired, in words: its evidence, the numbers with their units."""

from __future__ import annotations

import json
from html import escape

from workstation.views import formats

SIDES = {1: "▲ up", -1: "▼ down", 0: "–"}
_UNITS = {
    "bps_per_s": "bps/s", "bps": "bps", "sd": "sd", "seconds": "s", "share": "", "ns": "ns",
}  # fmt: skip
_SKIPPED = ("version",)


def numbers(evidence: str) -> dict[str, str]:
    """Name -> value as text of a signal's evidence (JSON); what is no object is told as it is.

    Examples
    --------
    >>> numbers('{"smoothed": 12.34567, "buffer": null, "armed_ns": 1000000000}')
    {'smoothed': '12.35', 'buffer': '–', 'armed': '00:00:01.000'}
    """
    if not evidence:
        return {}
    try:
        read = json.loads(evidence)
    except ValueError:
        return {"evidence": evidence}
    if not isinstance(read, dict):
        return {"evidence": evidence}
    return dict(part for name, value in read.items() for part in _told(str(name), value))


def _told(name: str, value: object) -> list[tuple[str, str]]:
    if name in _SKIPPED:
        return []
    if isinstance(value, dict):
        return [
            (f"{name} {inner}", text)
            for part, held in value.items()
            for inner, text in _told(str(part), held)
        ]
    words = name.removesuffix("_ns").replace("_", " ")
    if name.endswith("_ns") and isinstance(value, int):
        return [(words, _clock(value))]
    return [(words, _text(value))]


def _clock(event_ns: int) -> str:
    seconds, rest = divmod(event_ns, 1_000_000_000)
    day = seconds % 86_400
    return f"{day // 3600:02d}:{day // 60 % 60:02d}:{day % 60:02d}.{rest // 1_000_000:03d}"


def _text(value: object) -> str:
    if value is None:
        return formats.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return formats.number(value)
    if isinstance(value, float):
        size = abs(value)
        decimals = 1 if size >= 1000 else 2 if size >= 10 else 3 if size >= 0.1 else 5
        text = formats.number(value, decimals)
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


TOOLTIP_CSS = """
.why table { font-size: 11px; border-spacing: 0; } .why td + td { text-align: right; padding-left: 12px; font-weight: 700; }
"""
"""Of the table in a tooltip: said once, not in every cell of hundreds of signals on their way to the screen."""


def tooltip(title: str, evidence: str) -> str:
    """A signal's tooltip as HTML, to be shown inside the class ``why``.

    Examples
    --------
    >>> tooltip("v1 up", '{"buffer": 2}')
    '<b>v1 up</b><table><tr><td>buffer<td>2</table>'
    """
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}" for name, value in numbers(evidence).items())
    return f"<b>{escape(title)}</b><table>{rows}</table>"


def words(evidence: str, most: int = 6) -> str:
    """The first numbers in one line."""
    told = list(numbers(evidence).items())
    return " · ".join(f"{name} {value}" for name, value in told[:most])
