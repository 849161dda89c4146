"""Ledgers as attributes of Datasets that files can hold: nested parts are JSON text, read in Python as what they say."""

from __future__ import annotations

import importlib.util
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

import numpy as np
import orjson

NETCDF4 = importlib.util.find_spec("netCDF4") is not None
"""Whether ``to_netcdf`` writes netCDF 4, with whole numbers of 64 bits."""
LONG = 2**31
"""Without it whole numbers from here on are kept as text: netCDF 3, which SciPy writes, holds none."""


class Told(str):
    """A part of a ledger: JSON text to files and other programs, a mapping (or a long whole number) to Python.

    Examples
    --------
    >>> dropped = Told.of({"stale": 2, "no_iv": 0})
    >>> dropped["stale"], dict(dropped.items()), dropped == {"stale": 2, "no_iv": 0}, str(dropped)
    (2, {'stale': 2, 'no_iv': 0}, True, '{"stale":2,"no_iv":0}')
    >>> int(Told.of(1793491200000000000)) == Told.of(1793491200000000000) == 1793491200000000000
    True
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> Told:
        """The text of a value."""
        return cls(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode())

    @property
    def value(self) -> Any:
        """What the text says."""
        return orjson.loads(str(self))

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __contains__(self, key: object) -> bool:
        return key in self.value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) if isinstance(other, str) else bool(self.value == other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __str__(self) -> str:
        return str.__str__(self)

    def __repr__(self) -> str:
        return repr(self.value)

    def keys(self) -> KeysView[str]:
        """Keys of a mapping."""
        found: KeysView[str] = self.value.keys()
        return found

    def values(self) -> ValuesView[Any]:
        """Values of a mapping."""
        found: ValuesView[Any] = self.value.values()
        return found

    def items(self) -> ItemsView[str, Any]:
        """Items of a mapping."""
        found: ItemsView[str, Any] = self.value.items()
        return found

    def get(self, key: str, default: Any = None) -> Any:
        """Of a mapping the value of a key."""
        return self.value.get(key, default)

    def __sub__(self, other: int) -> int:
        return int(self) - int(other)

    def __rsub__(self, other: int) -> int:
        return int(other) - int(self)


def to_attrs(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """A ledger as attributes of plain types: text, numbers and lists of them; what is unknown is NaN."""
    return {key: _attr(value) for key, value in ledger.items()}


def _attr(value: Any) -> Any:
    if value is None:
        return float("nan")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):  # netCDF has no truth values
        return int(value)
    long = not NETCDF4 and isinstance(value, int) and abs(value) >= LONG
    return Told.of(value) if isinstance(value, Mapping) or long else value


def from_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """The ledger from attributes, as they were made or as a file gave them back.

    Examples
    --------
    >>> from_attrs({"dropped": '{"stale":2}', "asof_ns": "1793491200000000000", "basis": "volume", "contracts": 3})
    {'dropped': {'stale': 2}, 'asof_ns': 1793491200000000000, 'basis': 'volume', 'contracts': 3}
    """
    return {str(key): _told(str(key), value) for key, value in attrs.items()}


def _told(key: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = str(value)
    return orjson.loads(text) if text.startswith("{") or key.endswith("_ns") else text
