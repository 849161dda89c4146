"""Sale conditions: what a print's condition says about last, volume, the aggressor, and ``trades.flags``.

The tables ship as data next to this module, each with its source and with what is this project's own reading. What flags say
of a print is said here as well (``price_setting``, ``counts``): readers and feeds map their conditions to flags, candles and
indicators obey the flags and know no condition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import WorkstationError
from workstation.market.tables.raw import TradeFlag

Flags = npt.NDArray[np.int32]
TAPES = ("opra", "cta", "utp", "lean")
OFF_EXCHANGE_CODE = "D"
"""Exchange code of FINRA's TRF and ADF on the equity tapes."""


VOLUME_ONLY = (
    TradeFlag.BLOCK
    | TradeFlag.COMBO
    | TradeFlag.MULTI_LEG
    | TradeFlag.STOCK_TIED
    | TradeFlag.COMPRESSION
    | TradeFlag.LATE
    | TradeFlag.OUT_OF_SEQUENCE
    | TradeFlag.AVERAGE_PRICE
    | TradeFlag.ODD_LOT
    | TradeFlag.NO_PRICE
)
"""Prints that count as volume but set no price: reported late or out of sequence, or at a price that is not the market's at
that moment (negotiated blocks, legs of a package, averages), too small to set the tape's last, or of which the source says so."""
NO_AGGRESSOR = (
    TradeFlag.COMBO
    | TradeFlag.MULTI_LEG
    | TradeFlag.STOCK_TIED
    | TradeFlag.COMPRESSION
    | TradeFlag.LATE
    | TradeFlag.OUT_OF_SEQUENCE
    | TradeFlag.AVERAGE_PRICE
    | TradeFlag.AUCTION
    | TradeFlag.CROSS
    | TradeFlag.FLOOR
)
"""Prints whose side says nothing: they are in ``volume`` but neither in ``buy_volume`` nor ``sell_volume``."""
NOT_COUNTED = TradeFlag.VOID | TradeFlag.CANCEL
"""Rows that are no print of their own: withdrawn ones and official values, and the messages that take a trade back."""


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


def price_setting(flags: Any) -> npt.NDArray[np.bool_]:
    """Whether prints may set open, high, low and last, by ``trades.flags`` (n,).

    Examples
    --------
    >>> price_setting([TradeFlag(0), TradeFlag.ISO, TradeFlag.ODD_LOT, TradeFlag.NO_PRICE, TradeFlag.VOID]).tolist()
    [True, True, False, False, False]
    """
    return _without(flags, VOLUME_ONLY | NOT_COUNTED)


def counts(flags: Any) -> npt.NDArray[np.bool_]:
    """Whether prints count in volume and in the number of trades, by ``trades.flags`` (n,).

    Examples
    --------
    >>> counts([TradeFlag(0), TradeFlag.NO_PRICE, TradeFlag.VOID, TradeFlag.CANCEL]).tolist()
    [True, True, False, False]
    """
    return _without(flags, NOT_COUNTED)


def _without(flags: Any, bits: TradeFlag) -> npt.NDArray[np.bool_]:
    held: npt.NDArray[np.int32] = np.asarray(flags, dtype=np.int32)
    return np.asarray((held & int(bits)) == 0)


def _print_flags(known: TradeFlag, last: bool, volume: bool) -> TradeFlag:
    """Flags of a print, with what they do not say by themselves of whether it sets a price and counts as volume."""
    if not volume and not known & NOT_COUNTED:
        known |= TradeFlag.VOID
    return known if last or known & (VOLUME_ONLY | NOT_COUNTED) else known | TradeFlag.NO_PRICE


@lru_cache(maxsize=65_536)
def _read(text: str, tape: str) -> tuple[int, bool, bool, bool, bool]:
    found = _READ[tape](text)
    known = [condition for condition in found if condition is not None]
    sure = len(known) == len(found)
    bits = TradeFlag(0)
    for condition in known:
        bits |= condition.flags
    last, volume = sure and all(c.last for c in known), all(c.volume for c in known)
    aggressor = sure and all(c.aggressor for c in known)
    return int(_print_flags(bits, last, volume)), last, volume, aggressor, sure


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
        unknown code counts as volume only and has ``known`` False. The flags say whether it sets a price
        (``price_setting`` is ``last``) and counts as volume (``counts`` is ``volume``).

    Raises
    ------
    ConditionError
        For an unknown tape.

    Examples
    --------
    >>> read_conditions(["I", "S", "f", "A", "?"])[["flags", "last", "volume", "aggressor", "known"]]
        flags   last  volume  aggressor  known
    0       0   True    True       True   True
    1      16   True    True       True   True
    2     256  False    True      False   True
    3    8192  False   False      False   True
    4  131072  False    True      False  False
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


@lru_cache(maxsize=1)
def _corrections() -> Mapping[int, TradeFlag]:
    return {
        row["code"]: TradeFlag.CANCEL | TradeFlag.VOID if row["void"] else TradeFlag(0)
        for row in _load("equity_conditions.json")["corrections"]
    }


def correction_flags(printed: Any) -> tuple[Flags, npt.NDArray[np.bool_]]:
    """``trades.flags`` of TAQ's correction indicator (``0``, ``"00"``, ``12``), and which indicators are known.

    Examples
    --------
    >>> correction_flags(["0", "08", "12", "77"])[0].tolist(), correction_flags(["", "77"])[1].tolist()
    ([0, 270336, 270336, 0], [True, False])
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
