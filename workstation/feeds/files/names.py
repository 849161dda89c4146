"""Instruments of a file's rows: by symbol and grammar, or built of their terms; each distinct one is read once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.feeds.files.cells import KNOWN_WORDS, Words, distinct_words, number, plain, texts
from workstation.feeds.files.chunks import Chunk
from workstation.feeds.files.mapping import InstrumentColumn, Part, TermColumns
from workstation.feeds.files.times import times
from workstation.market.errors import FrameError, SymbolError
from workstation.market.instants import DAY_NS
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import Terms, render, underlying_of_root, unified
from workstation.market.tables import NO_TIME

Problems = list[tuple[npt.NDArray[np.bool_], str, str]]
"""Which rows have no instrument, the reason, and the first of them in words."""


@lru_cache(maxsize=1 << 17)
def named(symbol: str, grammar: str) -> tuple[str, str]:
    """The workstation's name of a venue's symbol and '', or '' and what is wrong with it."""
    try:
        return unified(symbol, grammar), ""
    except SymbolError as error:
        return "", str(error)


_codes: dict[str, dict[str, int]] = {}
"""Grammar -> symbol -> code of the process's registry: thousands of files name the same contracts."""


def by_symbol(symbols: list[str], places: npt.NDArray[Any], grammar: str) -> tuple[pd.Categorical, Problems]:
    """Instruments of rows from distinct symbols (as they are, without a grammar) and each row's place among them."""
    known = _codes.setdefault(grammar, {})
    codes = np.array([known.get(symbol, -1) for symbol in symbols], dtype=np.int32)
    problems: Problems = []
    met: dict[int, str] = {}
    for place in np.flatnonzero(codes < 0).tolist():
        symbol = symbols[place]
        name, problem = (
            ("", "") if not symbol.strip() else named(symbol, grammar) if grammar else (symbol, "")
        )
        if name:
            met[place] = name
        else:
            problems.append(
                (places == place, "symbol" if problem else "no instrument named", problem or "an empty name")
            )
    if met:
        codes[list(met)] = REGISTRY.codes(met.values())
        known.update((symbols[place], int(codes[place])) for place in met)
    return REGISTRY.categorical(codes[places] if len(codes) else codes), problems


def _by_name(found: list[str], places: npt.NDArray[Any]) -> pd.Categorical:
    """Instruments of rows from names ('' for none) and each row's place among them."""
    codes = np.array([REGISTRY.codes([name])[0] if name else -1 for name in found], dtype=np.int32)
    return REGISTRY.categorical(codes[places] if len(codes) else codes)


def instruments(chunk: Chunk, rule: InstrumentColumn, right: str = "") -> tuple[pd.Categorical, Problems]:
    """Instrument of every row of a chunk; ``right`` is that of a side of a row which holds a call and a put.

    Raises
    ------
    FrameError
        The column holds no text.
    """
    if rule.constant:
        return _by_name([rule.constant], np.zeros(len(chunk), dtype=np.int32)), []
    if rule.terms:
        return _by_terms(chunk, rule.terms, right)
    array = plain(chunk.columns[rule.column])
    if pa.types.is_floating(array.type):
        raise FrameError(
            f"{chunk.file}: column {rule.column} holds {array.type}, not names; a name such as 000001 is lost "
            "in a number: write it as text"
        )
    encoded = texts(array, rule.column).dictionary_encode()
    return by_symbol(
        encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False), rule.grammar
    )


def _by_terms(chunk: Chunk, rule: TermColumns, right: str) -> tuple[pd.Categorical, Problems]:
    rows = len(chunk)
    roots = _words(chunk, rule.root)
    days, problems = _days(chunk, rule.expiry)
    strikes = _words(chunk, rule.strike) if rule.strike else [""] * rows
    rights = [right] * rows if right or rule.right is None else _rights(chunk, rule.right)
    scale = rule.strike.scale if rule.strike else 1.0
    keys = pd.MultiIndex.from_arrays([roots, days, strikes, rights])
    places, distinct = pd.factorize(keys)
    crypto, option = (rule.quote, rule.settle), rule.strike is not None
    found = [_name(crypto, option, scale, *key) for key in distinct.tolist()]
    reported = np.zeros(rows, dtype=np.bool_)
    for mask, _, _ in problems:
        reported |= mask
    for place, (_, problem) in enumerate(found):
        if problem:
            mask = (places == place) & ~reported
            if mask.any():
                problems.append((mask, "symbol", problem))
    return _by_name([name for name, _ in found], places), problems


@lru_cache(maxsize=1 << 17)
def _name(
    crypto: tuple[str, str], option: bool, scale: float, root: str, day: int, strike: str, right: str
) -> tuple[str, str]:
    """The name of some terms and '', or '' and what is wrong with them; ``crypto`` is quote and settle, empty for US."""
    if day == NO_TIME:
        return "", "no expiry"
    value: float | None = None
    if option:
        value = float(f"{number(strike) * scale:.12g}")
        if not (np.isfinite(value) and value > 0):
            return "", f"strike {strike!r} is not a positive number"
        if right not in ("C", "P"):
            return "", f"right {right!r} is neither C nor P"
    underlying = root if crypto[0] else underlying_of_root(root)
    kind, expiry = "option" if option else "future", pd.Timestamp(day).date()
    try:
        return render(Terms(kind, root, underlying, *crypto, expiry, value, right)), ""
    except SymbolError as error:
        return "", str(error)


def _words(chunk: Chunk, part: Part) -> list[str]:
    if not part.column:
        return [str(part.constant)] * len(chunk)
    places, distinct = distinct_words(chunk.columns[part.column], part.column)
    meant = [_meaning(word.strip(), part) for word in distinct]
    return [meant[place] for place in places.tolist()]


def _meaning(word: str, part: Part) -> str:
    found = Words(part.values).meaning(word) if part.values else word
    return word if found is None else str(found)


def _rights(chunk: Chunk, part: Part) -> list[str]:
    known = Words(KNOWN_WORDS["right"])
    words = _words(chunk, part)
    meant = {word: known.meaning(word) for word in set(words)}
    return [meant[word] or word for word in words]


def _days(chunk: Chunk, part: Part) -> tuple[npt.NDArray[np.int64], Problems]:
    column = chunk.columns[part.column] if part.column else pa.array([str(part.constant)] * len(chunk))
    found = times(column, part.column or "expiry", part.format)
    days = np.where(found.ns == NO_TIME, NO_TIME, found.ns // DAY_NS * DAY_NS)
    return days, [
        (mask, f"no expiry: {reason}", chunk.where(int(mask.argmax()))) for mask, reason in found.problems
    ]
