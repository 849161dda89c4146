"""Sale conditions: what a print's condition says about last, volume, the aggressor, and ``trades.flags``.

The tables ship as data beside this module, each with its source and with what is this project's own reading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import WorkstationError
from workstation.market.tables.raw import TradeFlag

Flags = npt.NDArray[np.int32]
TAPES = ("opra", "cta", "utp", "lean")
OFF_EXCHANGE_CODE = "D"
"""Exchange code of FINRA's TRF and ADF on the equity tapes."""
NO_PRICE = (
    TradeFlag.BLOCK
    | TradeFlag.COMBO
    | TradeFlag.MULTI_LEG
    | TradeFlag.STOCK_TIED
    | TradeFlag.COMPRESSION
    | TradeFlag.LATE
    | TradeFlag.OUT_OF_SEQUENCE
    | TradeFlag.CANCEL
    | TradeFlag.AVERAGE_PRICE
    | TradeFlag.ODD_LOT
    | TradeFlag.UNPRICED
    | TradeFlag.UNCOUNTED
)
"""Bits of prints that set neither open, high, low nor last."""
NO_VOLUME = TradeFlag.CANCEL | TradeFlag.UNCOUNTED
"""Bits of prints that count in no volume."""


class ConditionError(WorkstationError, ValueError):
    """A tape that has no table of conditions."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a tape.

    Attributes
    ----------
    code, name, meaning
        As printed, and in words.
    flags
        Bits of ``TradeFlag``.
    last, volume, aggressor
        Whether the print may move the last price, counts as volume, and may be read as having an aggressor. A
        cancel counts for none: it takes back what its trade brought.
    """

    code: str
    name: str
    meaning: str
    flags: TradeFlag
    last: bool
    volume: bool
    aggressor: bool


def _load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        files("workstation.market").joinpath("data", name).read_text("utf-8")
    )
    return content


def _condition(row: Mapping[str, Any]) -> Condition:
    flags = TradeFlag(0)
    for flag in row["flags"]:
        flags |= TradeFlag[flag]
    if not row["volume"] and not flags & TradeFlag.CANCEL:
        flags |= TradeFlag.UNCOUNTED
    elif not row["last"] and not flags & (NO_PRICE | TradeFlag.EXTENDED_HOURS):
        flags |= TradeFlag.UNPRICED
    return Condition(
        row["code"], row["name"], row["meaning"], flags, row["last"], row["volume"], row["aggressor"]
    )


@lru_cache(maxsize=8)
def conditions(tape: str = "opra") -> Mapping[str, Condition]:
    """The conditions of a tape by code: ``opra`` trade types, ``cta`` and ``utp`` sale conditions.

    Raises
    ------
    ConditionError
        For any other tape.

    Examples
    --------
    >>> conditions("opra")["S"].flags
    <TradeFlag.ISO: 16>
    >>> conditions("utp")["W"].flags == conditions("cta")["B"].flags
    True
    """
    if tape == "opra":
        return {row["code"]: _condition(row) for row in _load("opra_conditions.json")["types"]}
    if tape in ("cta", "utp"):
        rows = _load("equity_conditions.json")["conditions"]
        return {row["code"]: _condition(row) for row in rows if tape.upper() in row["tapes"]}
    raise ConditionError(f"no table of conditions for tape {tape!r}; known are opra, cta, utp")


_PLAIN = Condition("", "", "no condition printed", TradeFlag(0), True, True, True)


def _of_letters(text: str, table: Mapping[str, Condition]) -> list[Condition | None]:
    return [table.get(letter) for letter in text if letter not in " ,"] or [_PLAIN]


def _of_opra(text: str) -> list[Condition | None]:
    return _of_letters(text, conditions("opra"))


def _of_cta(text: str) -> list[Condition | None]:
    return _of_letters(text, conditions("cta"))


def _of_utp(text: str) -> list[Condition | None]:
    return _of_letters(text, conditions("utp"))


@lru_cache(maxsize=1)
def _lean_bits() -> tuple[Condition | None, ...]:
    """Condition of each bit; a bit without letter says nothing about the print, a bit beyond the table is unknown."""
    utp = conditions("utp")
    return tuple(
        utp[row["code"]] if row["code"] else _PLAIN for row in _load("equity_conditions.json")["lean_bits"]
    )


def _of_lean(text: str) -> list[Condition | None]:
    try:
        mask = int(text or "0", 16)
    except ValueError:
        return [None]
    bits = _lean_bits()
    found = [bit for place, bit in enumerate(bits) if mask >> place & 1]
    return [*found, None] if mask >> len(bits) else found or [_PLAIN]


_READ: Mapping[str, Callable[[str], list[Condition | None]]] = {
    "opra": _of_opra, "cta": _of_cta, "utp": _of_utp, "lean": _of_lean,
}  # fmt: skip


@lru_cache(maxsize=65_536)
def _read(text: str, tape: str) -> tuple[int, bool, bool, bool, bool]:
    found = _READ[tape](text)
    known = [condition for condition in found if condition is not None]
    sure = len(known) == len(found)
    bits = TradeFlag(0)
    for condition in known:
        bits |= condition.flags
    if bits & (NO_PRICE ^ TradeFlag.UNPRICED):
        bits &= ~TradeFlag.UNPRICED
    return (
        int(bits),
        sure and all(c.last for c in known),
        all(c.volume for c in known),
        sure and all(c.aggressor for c in known),
        sure,
    )


def _texts(printed: Any) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Position of each row's text in the list of distinct texts; a missing one is the empty text."""
    values = pd.Series(printed, copy=False)
    if isinstance(values.dtype, pd.CategoricalDtype):
        categorical: Any = values.array
        codes, distinct = categorical.codes.astype(np.intp), [str(c) for c in categorical.categories]
    else:
        codes, uniques = pd.factorize(values)
        distinct = [str(text) for text in uniques]
    return np.where(codes < 0, len(distinct), codes), [*distinct, ""]


def read_conditions(printed: Any, tape: str = "opra", exchanges: Any = None) -> pd.DataFrame:
    """What the conditions of many prints say, a row per print.

    Parameters
    ----------
    printed
        Conditions as printed: one OPRA type, equity letters run together (``"@FTI"``, ``"7 V"``), or LEAN's
        hexadecimal bit mask. A categorical is read by its categories.
    tape
        ``opra``, ``cta``, ``utp`` or ``lean``.
    exchanges
        Exchange codes as printed on an equity tape: ``D`` adds OFF_EXCHANGE.

    Returns
    -------
    pandas.DataFrame
        Columns flags (int32 bits of ``TradeFlag``), last, volume, aggressor, known (bool). A print with an
        unknown code counts as volume only and has ``known`` False.

    Raises
    ------
    ConditionError
        For an unknown tape.

    Examples
    --------
    >>> read_conditions(["I", "S", "f", "A", "?"])[["flags", "last", "volume", "aggressor", "known"]]
       flags   last  volume  aggressor  known
    0      0   True    True       True   True
    1     16   True    True       True   True
    2    256  False    True      False   True
    3   8192  False   False      False   True
    4      0  False    True      False  False
    """
    if tape not in TAPES:
        raise ConditionError(f"no table of conditions for tape {tape!r}; known are {', '.join(TAPES)}")
    places, distinct = _texts(printed)
    table = [_read(text, tape) for text in distinct]
    bits, last, volume, aggressor, known = (np.array(part) for part in zip(*table, strict=True))
    flags = bits.astype(np.int32)[places]
    if exchanges is not None:
        flags = flags | off_exchange(exchanges) * np.int32(TradeFlag.OFF_EXCHANGE)
    return pd.DataFrame(
        {
            "flags": flags.astype(np.int32),
            "last": last[places],
            "volume": volume[places],
            "aggressor": aggressor[places],
            "known": known[places],
        }
    )


def flags(printed: Any, tape: str = "opra", exchanges: Any = None) -> Flags:
    """``trades.flags`` of many prints, int32; see ``read_conditions``.

    Examples
    --------
    >>> flags(["@FTI", "", "7 V"], tape="utp", exchanges=["P", "D", "D"]).tolist()
    [98320, 8, 520]
    """
    bits: Flags = read_conditions(printed, tape, exchanges)["flags"].to_numpy()
    return bits


class Eligibility(NamedTuple):
    """What prints may do, a truth value per print: set the open; the high and low; the last; count in volume."""

    sets_open: npt.NDArray[np.bool_]
    sets_high_low: npt.NDArray[np.bool_]
    sets_last: npt.NDArray[np.bool_]
    counts_volume: npt.NDArray[np.bool_]


def eligibility(bits: Any) -> Eligibility:
    """What prints of these ``trades.flags`` may do.

    Notes
    -----
    A print that may not set the last sets no open, high or low either: this project's choice, stricter than the tapes'
    own rules, which let some late prints set the day's high and low. Extended-hours prints set prices.

    Examples
    --------
    >>> eligibility(flags(["@", "@4 B", "M", "@ T"], tape="cta")).sets_last.tolist()
    [True, False, False, True]
    >>> eligibility(flags(["@", "@4 B", "M", "@ T"], tape="cta")).counts_volume.tolist()
    [True, True, False, True]
    """
    held = np.asarray(bits)
    prices = (held & int(NO_PRICE)) == 0
    return Eligibility(prices, prices, prices, (held & int(NO_VOLUME)) == 0)


@lru_cache(maxsize=1)
def _corrections() -> Mapping[int, TradeFlag]:
    return {
        row["code"]: TradeFlag.CANCEL if row["flags"] else TradeFlag(0)
        for row in _load("equity_conditions.json")["corrections"]
    }


def correction_flags(printed: Any) -> tuple[Flags, npt.NDArray[np.bool_]]:
    """``trades.flags`` of TAQ's correction indicator (``0``, ``"00"``, ``12``), and which indicators are known.

    Examples
    --------
    >>> correction_flags(["0", "08", "12", "77"])[0].tolist(), correction_flags(["", "77"])[1].tolist()
    ([0, 8192, 8192, 0], [True, False])
    """
    places, distinct = _texts(printed)
    codes = [int(text) if text.strip().isdecimal() else (-1 if text.strip() else 0) for text in distinct]
    bits = np.array([int(_corrections().get(code, 0)) for code in codes], dtype=np.int32)
    known = np.array([code in _corrections() for code in codes])
    return bits[places], known[places]


def off_exchange(exchanges: Any) -> npt.NDArray[np.bool_]:
    """Whether each equity print was reported to a FINRA facility (exchange code ``D``).

    Examples
    --------
    >>> off_exchange(["D", "N"]).tolist()
    [True, False]
    """
    places, distinct = _texts(exchanges)
    return np.array([code == OFF_EXCHANGE_CODE for code in distinct])[places]
