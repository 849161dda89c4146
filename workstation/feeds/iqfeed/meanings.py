"""What the venue's own tables say: condition codes and market centers, read into flags of this project.

The codes are the venue's, told by its lookup port; what a name means is the project's table of conditions
(``market.conditions``), found by OPRA's short name or by the words of the long one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from workstation.market.conditions import conditions
from workstation.market.tables import TradeFlag

PHRASES: Mapping[str, tuple[str, str]] = {
    "form t": ("utp", "T"), "form-t": ("utp", "T"), "extended hours": ("utp", "T"), "odd lot": ("utp", "I"),
    "intermarket sweep": ("utp", "F"), "intramarket sweep": ("utp", "F"), "intramaket sweep": ("utp", "F"),
    "average price": ("utp", "W"), "sold last": ("utp", "L"), "bunched sold": ("utp", "G"),
    "out of sequence": ("utp", "Z"), "prior reference price": ("utp", "P"), "cross": ("utp", "X"),
    "contingent": ("utp", "V"), "opening": ("utp", "O"), "official open": ("utp", "Q"), "closing": ("utp", "6"),
    "official close": ("utp", "M"), "reopening": ("utp", "5"), "auction": ("opra", "a"), "floor": ("opra", "e"),
    "multi leg": ("opra", "f"), "multi-leg": ("opra", "f"), "multileg": ("opra", "f"), "stock option": ("opra", "n"),
    "stock-option": ("opra", "n"), "compression": ("opra", "u"), "cancel": ("opra", "A"), "late": ("opra", "D"),
}  # fmt: skip
"""Words of a condition's name -> the condition of a tape whose flags it has."""
_FACILITY = re.compile(r"\b(n?trf|adf|finra|trade reporting facility|alternative display facility)\b")
"""Words of a market center's name that make it a facility for prints made off exchange."""


def rows_of(answer: bytes, request: str) -> list[list[str]]:
    """The rows of a table the lookup port gave: without the request's id and the message's (``LS``).

    Examples
    --------
    >>> rows_of(b"T1,LS,61,INTERSWEEP,Intermarket Sweep,\\r\\nT1,!ENDMSG!,\\r\\n", "T1")
    [['61', 'INTERSWEEP', 'Intermarket Sweep']]
    """
    rows: list[list[str]] = []
    for line in answer.decode("latin-1").splitlines():
        parts = line.split(",")
        if parts and parts[-1] == "":
            parts.pop()
        if not parts or parts[0] != request or "!ENDMSG!" in parts or parts[1:2] == ["E"]:
            continue
        rows.append(parts[2:] if parts[1:2] == ["LS"] else parts[1:])
    return rows


def condition_flags(rows: list[list[str]]) -> dict[int, int]:
    """Condition code -> bits of ``TradeFlag``, of those that have any.

    Examples
    --------
    >>> condition_flags([["61", "INTERSWEEP", "Intermarket Sweep"], ["135", "ODDLOT", "Odd lot trade"], ["1", "REGULAR", "Normal Trade"]])
    {61: 16, 135: 32768}
    >>> condition_flags([["140", "MLET", "Multi Leg auto-electronic trade"]])
    {140: 256}
    """
    opra = {condition.name: condition for condition in conditions("opra").values()}
    found: dict[int, int] = {}
    for row in rows:
        if len(row) < 3 or not row[0].isdigit():
            continue
        short, words = row[1].strip().upper(), ",".join(row[2:]).lower()
        bits = TradeFlag(0)
        if short in opra:
            bits = opra[short].flags
        else:
            for phrase, (tape, code) in PHRASES.items():
                if phrase in words:
                    bits |= conditions(tape)[code].flags
        if bits:
            found[int(row[0])] = int(bits)
    return found


def off_exchange_markets(rows: list[list[str]]) -> frozenset[int]:
    """Market centers that are facilities for prints made off exchange.

    Examples
    --------
    >>> sorted(off_exchange_markets([["57", "NTRF", "Nasdaq Trade Reporting Facility", "57", "NTRF"], ["5", "NGM", "Nasdaq", "5", "NASDAQ"]]))
    [57]
    """
    return frozenset(
        int(row[0])
        for row in rows
        if len(row) >= 3 and row[0].isdigit() and _FACILITY.search(f"{row[1]} {row[2]}".lower())
    )
