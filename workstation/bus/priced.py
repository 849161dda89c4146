"""A priced chain on its way to processes that price nothing: contracts as columns, and the answers that readers ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from workstation.board.priced_chain import WHOLE, Band, ChainPending, Part, PricedChain
from workstation.exposure.levels import KeyLevels
from workstation.exposure.signs import BASES
from workstation.exposure.zero_gamma import ZeroGamma
from workstation.flow.taker_flow_monitor import FlowSeen
from workstation.market.errors import FeedError
from workstation.market.instruments import REGISTRY
from workstation.pricing.contracts import ContractArrays
from workstation.pricing.ledger import Told

NUMBERS, TEXTS, TOLD = 1, 2, 3
"""In a message: arrays of numbers, of texts, and parts of ledgers."""
_FIELDS = tuple(one.name for one in fields(ContractArrays) if one.name != "codes")


class Published(msgspec.Struct, array_like=True, frozen=True):
    """A chain as Redis keeps it: contracts, names of them, taker flow, and answers by question, each a message of its own."""

    contracts: bytes
    names: bytes
    flow: bytes
    answers: dict[bytes, bytes]


_READ = msgspec.msgpack.Decoder(Published)


def question(part: Part, key: tuple[Any, ...]) -> bytes:
    """What is asked of a part of a chain (``PricedChain.answer``), as bytes."""
    return msgspec.msgpack.encode((part, key))


def asked(message: bytes) -> tuple[Part, tuple[Any, ...]]:
    """Part and key of a question. Raises ``ValueError`` where it is none.

    >>> asked(question(((5,), "deribit"), ("levels", "calls_long", "open_interest")))
    (((5,), 'deribit'), ('levels', 'calls_long', 'open_interest'))
    """
    try:
        (expiries, venue), key = _tuples(msgspec.msgpack.decode(message))
        if not key or not isinstance(venue, str) or not all(isinstance(one, int) for one in expiries):
            raise ValueError("a question has expiries, a venue and a name")
    except (msgspec.DecodeError, TypeError) as error:
        raise ValueError(f"no question of a chain: {error}") from error
    return (expiries, venue), key


def usual_questions(chain: PricedChain) -> list[bytes]:
    """What every exposure page asks of a whole chain."""
    keys: list[tuple[Any, ...]] = [("band", basis) for basis in BASES]
    keys += [("levels", model, basis) for model in chain.sign_models for basis in BASES]
    return [question(WHOLE, key) for key in keys]


def published(chain: PricedChain, questions: Iterable[bytes]) -> bytes:
    """A chain with its answers, as a message; what cannot be answered is told to who asked."""
    held = {name: getattr(chain.contracts, name) for name in _FIELDS}
    made = Published(
        _message(held), _message(REGISTRY.names(chain.contracts.codes)), _message(list(chain.flow)),
        {one: _answer(chain, one) for one in dict.fromkeys(questions)},
    )  # fmt: skip
    return msgspec.msgpack.encode(made)


def _answer(chain: PricedChain, message: bytes) -> bytes:
    try:
        return _message(_tagged(chain.answer(*asked(message))))
    except Exception as error:  # noqa: BLE001 - whatever a question brings about is told to who asked
        return _message({"failed": f"{type(error).__name__}: {error}"})


def _tagged(answer: Any) -> dict[str, Any]:
    if isinstance(answer, KeyLevels):
        return {"levels": asdict(answer)}
    if isinstance(answer, Band):
        return {"band": list(answer)}
    return {"array" if isinstance(answer, xr.DataArray) else "dataset": answer.to_dict(data="array")}


def received(message: bytes, ask: Callable[[bytes], None]) -> PricedChain:
    """The chain of a message; it prices nothing.

    Parameters
    ----------
    message
        As ``published`` gives it. Raises ``FeedError`` where it is none.
    ask
        Called with every question that is asked of the chain, answered or not.
    """
    try:
        held = _READ.decode(message)
        given = _object(held.contracts)
        contracts = ContractArrays(
            codes=_codes(held.names), **given | {"venue_names": tuple(given["venue_names"])}
        )
        flow = FlowSeen(*_object(held.flow))
    except (msgspec.MsgspecError, TypeError, ValueError, LookupError) as error:
        raise FeedError(f"a priced chain on the bus cannot be read: {error!r}") from error

    def answers(part: Part, key: tuple[Any, ...]) -> Any:
        what = question(part, key)
        ask(what)
        if what not in held.answers:
            raise ChainPending(f"the collector was asked for the {key[0]} of this part; it comes in a moment")
        return _told(_object(held.answers[what]))

    def no_dataset(_: ContractArrays) -> xr.Dataset:
        raise AssertionError("a chain that was received is never computed here")

    return PricedChain(contracts, no_dataset, flow, answers)


def _told(answer: dict[str, Any]) -> Any:
    ((kind, value),) = answer.items()
    if kind == "failed":
        raise ValueError(value)
    if kind == "levels":
        return KeyLevels(**value | {"zero": ZeroGamma(**value["zero"])})
    if kind == "band":
        models, net_gex, zero_gamma, *curves = value
        return Band(tuple(models), tuple(net_gex), tuple(zero_gamma), *curves)
    return xr.DataArray.from_dict(value) if kind == "array" else xr.Dataset.from_dict(value)


@lru_cache(maxsize=64)
def _codes(names: bytes) -> Any:
    """Registry codes of contracts: the same from one moment to the next."""
    return REGISTRY.codes(_object(names).tolist())


# -- messages -------------------------------------------------------------------------------------------------


def _message(value: Any) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def _object(message: bytes) -> Any:
    return msgspec.msgpack.decode(message, ext_hook=_made)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biufM":
            held = (value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
            return msgspec.msgpack.Ext(NUMBERS, msgspec.msgpack.encode(held))
        return msgspec.msgpack.Ext(TEXTS, msgspec.msgpack.encode((value.shape, value.ravel().tolist())))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Told):
        return msgspec.msgpack.Ext(TOLD, str(value).encode())
    raise TypeError(f"a {type(value).__name__} is not sent")


def _made(code: int, held: memoryview) -> Any:
    if code == NUMBERS:
        dtype, shape, values = msgspec.msgpack.decode(held)
        return np.frombuffer(values, np.dtype(dtype)).reshape(shape).copy()
    if code == TOLD:
        return Told(bytes(held).decode())
    shape, texts = msgspec.msgpack.decode(held)
    made = np.empty(len(texts), dtype=object)
    made[:] = texts
    return made.reshape(shape)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
