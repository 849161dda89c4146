"""Cells of Arrow columns as numbers, text and words; what is none of them is told, never made NaN or 0 in silence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.market.errors import FrameError

Mask = npt.NDArray[np.bool_]
MISSING = frozenset({"", "na", "nan", "null", "none", "n/a", "-", "nat"})
"""Text that stands for "no number" and "no time", in any case. In a column of text it is text."""
_NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf|infinity)\s*", re.ASCII | re.IGNORECASE)
_KNOWN_SIDES: Mapping[str, float] = {"buy": 1, "b": 1, "sell": -1, "s": -1, "1": 1, "0": 0, "-1": -1}
_KNOWN_RIGHTS: Mapping[str, str] = {"c": "C", "call": "C", "p": "P", "put": "P"}
KNOWN_WORDS: Mapping[str, Mapping[str, Any]] = {"side": _KNOWN_SIDES, "right": _KNOWN_RIGHTS}
"""Words that mean one thing wherever they stand in a column of that name; any other needs ``values``."""


def plain(array: Any) -> Any:
    """An Arrow array in one piece, with its dictionary written out."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    return array.cast(pa.binary()) if pa.types.is_binary_view(array.type) else array


def is_text(array: Any) -> bool:
    """Whether a plain array holds text."""
    kind = array.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def text_at(array: Any, row: int) -> str:
    """A cell as a message shows it."""
    return repr(array[row].as_py())[:60]


def _nothing(array: Any) -> Mask:
    return np.zeros(len(array), dtype=np.bool_)


def numbers(array: Any, name: str) -> tuple[npt.NDArray[np.float64], Mask]:
    """float64 values of a column (NaN where there is none) and which cells are no number.

    Raises
    ------
    FrameError
        The column is of a type that holds no numbers.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan), _nothing(array)
    if is_text(array):
        return _text_numbers(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.array(values, dtype=np.float64), _nothing(array)
    raise FrameError(f"column {name} holds {kind}, not numbers; map its words with values")


def _text_numbers(array: Any) -> tuple[npt.NDArray[np.float64], Mask]:
    empty = pc.equal(array, "")
    filled = pc.if_else(empty, None, array) if pc.any(empty).as_py() else array
    try:
        values = pc.cast(filled, pa.float64()).to_numpy(zero_copy_only=False)
        return np.array(values, dtype=np.float64), _nothing(array)
    except pa.ArrowInvalid:
        encoded = array.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    known = np.array([number(text) for text in texts] + [np.nan])
    bad = np.array([_is_no_number(text) for text in texts] + [False], dtype=np.bool_)
    places = pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False)
    return known[places], bad[places]


def _is_no_number(text: str) -> bool:
    return text.strip().casefold() not in MISSING and not _NUMBER.fullmatch(text)


def number(text: str) -> float:
    """The number of a text, NaN where it is none.

    Examples
    --------
    >>> number(" 1.5e3"), number("1,234.5"), number("NA")
    (1500.0, nan, nan)
    """
    return float(text) if _NUMBER.fullmatch(text) else np.nan


def integers(array: Any, name: str, dtype: Any, unknown: int) -> tuple[npt.NDArray[Any], Mask]:
    """Whole numbers of a column, exactly, and which cells are none; ``unknown`` where the cell is empty."""
    array = plain(array)
    limits = np.iinfo(dtype)
    if is_text(array) or pa.types.is_integer(array.type):
        try:
            whole = pc.if_else(pc.equal(array, ""), None, array) if is_text(array) else array
            counts = pc.cast(whole, pa.int64())
            values = pc.fill_null(counts, unknown).to_numpy(zero_copy_only=False)
            bad = ((values < limits.min) | (values > limits.max)) & pc.is_valid(counts).to_numpy(
                zero_copy_only=False
            )
            return np.where(bad, unknown, values).astype(dtype), bad
        except pa.ArrowInvalid:
            pass  # not all whole: each by itself, below
    values, bad = numbers(array, name)
    missing = np.isnan(values)
    with np.errstate(invalid="ignore"):
        bad |= ~missing & (
            (values != np.floor(values)) | (values < limits.min) | (values >= limits.max + 1.0)
        )
    return np.where(missing | bad, unknown, np.nan_to_num(values)).astype(dtype), bad


def texts(array: Any, name: str) -> Any:
    """A column of text as a plain Arrow string array, '' where there is none; exactly as the file has it.

    Whole numbers become their digits; bytes that are no UTF-8 are spelled ``\\xff``. Fractions, truth values and times are refused: how they would be spelled is not told.

    Raises
    ------
    FrameError
        The column holds something that is no text.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        return pa.array([""] * len(array), pa.large_string())
    if is_text(array):
        return pc.fill_null(pc.cast(array, pa.large_string()), "")
    if pa.types.is_integer(kind):
        return pc.fill_null(pc.cast(pc.cast(array, pa.string()), pa.large_string()), "")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        spelled = [(cell or b"").decode("utf-8", "backslashreplace") for cell in array.to_pylist()]
        return pa.array(spelled, pa.large_string())
    if pa.types.is_floating(kind):
        values = array.to_numpy(zero_copy_only=False)
        known = values[~np.isnan(values)]
        if np.array_equal(known, np.floor(known)) and (np.abs(known) < 2**53).all():
            return (
                texts(pc.cast(array, pa.int64(), safe=False), name)
                if not np.isnan(values).any()
                else (pa.array(["" if v != v else str(int(v)) for v in values.tolist()], pa.large_string()))
            )
    raise FrameError(f"column {name} holds {kind}, not text; write it as text in the file")


def category(array: Any, name: str) -> Any:
    """A column of text as a category column."""
    encoded = texts(array, name).dictionary_encode()
    categories = pd.Index(encoded.dictionary.to_pylist(), dtype="str")
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories))


def booleans(array: Any, name: str) -> tuple[Mask, Mask]:
    """Truth values of a column (False where there is none), and which cells are none."""
    places, distinct = distinct_words(array, name)
    meant = [
        {"true": True, "1": True, "false": False, "0": False, "": False}.get(w.casefold()) for w in distinct
    ]
    values = np.array([bool(value) for value in meant] or [False])
    bad = np.array([value is None for value in meant] or [False])
    return values[places], bad[places]


def distinct_words(array: Any, name: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Place of each cell in the list of the column's distinct words; numbers and truth values as words."""
    array = plain(array)
    kind = array.type
    if pa.types.is_boolean(kind):
        array = pc.if_else(array, "true", "false")
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values, _ = numbers(array, name)
        spelled, places = np.unique(values, return_inverse=True)
        return places, ["" if v != v else _spelled(v) for v in spelled.tolist()]
    encoded = texts(array, name).dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _spelled(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


class Words:
    """What the words of a column mean.

    A word is found as it is written, else in any case, else as a number or truth value of the same meaning (``1``,
    ``1.0`` and ``true``). YAML reads ``yes``, ``on`` and ``true`` alike, and so does a key. An empty cell says nothing.

    Examples
    --------
    >>> words = Words({"buy": 1, "sell": -1})
    >>> words.meaning("BUY"), words.meaning("hold"), Words({True: -1, False: 1}).meaning("True")
    (1, None, -1)
    """

    def __init__(self, values: Mapping[Any, Any], truth: bool = True) -> None:
        """``truth``: whether true and false may stand for 1 and 0 and these for them."""
        self._truth = truth
        self._exact: dict[str, Any] = {}
        for key, value in values.items():
            for word in _spellings(key):
                self._exact.setdefault(word, value)
        self._folded: dict[str, Any] = {}
        clashes = set()
        for word, value in self._exact.items():
            folded = word.strip().casefold()
            if self._folded.setdefault(folded, value) != value:
                clashes.add(folded)
        for folded in clashes:
            del self._folded[folded]

    def meaning(self, word: str) -> Any:
        """What a word means; None when it is not known."""
        if word in self._exact:
            return self._exact[word]
        folded = word.strip().casefold()
        if folded in self._folded:
            return self._folded[folded]
        value = number(folded)
        spelled = _spelled(value) if np.isfinite(value) else folded
        same = (spelled, *(_SAME.get(spelled, ()) if self._truth else ()))
        return next((self._folded[other] for other in same if other in self._folded), None)


_SAME: Mapping[str, tuple[str, ...]] = {"true": ("1",), "false": ("0",), "1": ("true",), "0": ("false",)}


def _spellings(key: Any) -> tuple[str, ...]:
    """Words that a key of a mapping stands for."""
    if key is None:
        return ("", "null")
    if isinstance(key, bool):
        return ("true", "yes", "on") if key else ("false", "no", "off")
    if isinstance(key, float) and key == int(key):
        return (str(int(key)),)
    return (str(key),)
