"""Sale conditions and exchanges as LEAN prints them, as ``trades.flags``.

LEAN reads the condition of a tick as a hexadecimal mask (``Tick.ParsedSaleCondition``); older files print the tape's
letters. Letters that mean the same on both US equity tapes are read by their table, the others are unknown: LEAN does
not say on which tape a stock is. Options print OPRA's letters. A condition without a table is counted and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workstation.feeds.files.lean.layouts import OPTIONS
from workstation.market.conditions import conditions, flags, read_conditions
from workstation.market.tables import TradeFlag

Flags = npt.NDArray[np.int32]
_NONE = frozenset({"", "0"})
_UNREAD = "?"
"""A code that no table has."""
_HEX = frozenset("0123456789abcdefABCDEF")


def printed_as(codes: Sequence[str], security: str, market: str) -> str:
    """Tape whose table reads these conditions: lean (masks), equity (letters), opra, or empty where there is none.

    Examples
    --------
    >>> printed_as(["2000", "20002020"], "equity", "usa"), printed_as(["@", "F"], "equity", "usa")
    ('lean', 'equity')
    >>> printed_as(["S"], "option", "usa"), printed_as(["F"], "future", "cme")
    ('opra', '')
    """
    if market != "usa":
        return ""
    if security == "equity":
        return "lean" if all(_HEX.issuperset(code) for code in codes) else "equity"
    return "opra" if security in OPTIONS and not all(_HEX.issuperset(code) for code in codes) else ""


def condition_flags(codes: Sequence[str], tape: str) -> tuple[Flags, list[str]]:
    """Bits of each distinct condition, and the conditions that no table reads.

    Parameters
    ----------
    codes
        Conditions as printed, each once.
    tape
        As ``printed_as`` gives it.

    Examples
    --------
    >>> bits, unread = condition_flags(["0", "20", "zz"], "lean")
    >>> bits.tolist(), unread
    ([0, 16, 131072], ['zz'])
    >>> condition_flags(["FT", "B"], "equity")[1]
    ['B']
    """
    bits, unread = _bits_of(tuple(codes), tape)
    return bits, list(unread)


@lru_cache(maxsize=4096)
def _bits_of(codes: tuple[str, ...], tape: str) -> tuple[Flags, tuple[str, ...]]:
    readable = [code if _is_read(code, tape) else _UNREAD for code in codes]
    unread = tuple(code for code, read in zip(codes, readable, strict=True) if read == _UNREAD)
    plain = ["" if code in _NONE else code for code in readable]
    return flags(plain, tape="lean" if tape == "lean" else "opra" if tape == "opra" else "cta"), unread


@lru_cache(maxsize=4096)
def _is_read(code: str, tape: str) -> bool:
    if code in _NONE:
        return True
    if tape == "equity":
        cta, utp = conditions("cta"), conditions("utp")
        return all(
            letter in cta and letter in utp and cta[letter].meaning == utp[letter].meaning
            for letter in code
            if letter not in " ,"
        )
    return bool(tape) and bool(read_conditions([code], tape)["known"].iloc[0])


def exchange_flags(codes: Sequence[str], security: str, market: str) -> Flags:
    """OFF_EXCHANGE for each distinct exchange that is a FINRA facility: code ``D``, or its name.

    Examples
    --------
    >>> exchange_flags(["Q", "D", "FINRA"], "equity", "usa").tolist()
    [0, 8, 8]
    """
    equity = security == "equity" and market == "usa"
    off = [equity and (code == "D" or code.upper().startswith("FINRA")) for code in codes]
    return np.array(off, dtype=np.int32) * np.int32(TradeFlag.OFF_EXCHANGE)
