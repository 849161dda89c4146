"""The recorded history of a choice, also for sign models that were not recorded themselves.

Sign models of fixed signs differ by a factor per right, so the history of one follows from the call and put parts of
another. The taker flow has a history only where the desk records it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.exposure.change import change
from workstation.exposure.signs import signs
from workstation.views.state.choice import SIGN_MODELS, Choice
from workstation.views.state.session_cache import shared
from workstation.views.state.source import Source

MINUTES = (1, 5, 10, 15, 30)
Factors = tuple[float, float]
"""What turns the recorded call part and put part into those of the choice."""


def levels_of(source: Source, choice: Choice, sign_model: str = "") -> pd.DataFrame:
    """Published levels of the chosen underlying and basis under a sign model (the chosen one), in time order."""
    rows = source.latest("levels")
    mask = (
        (rows["underlying"] == choice.underlying)
        & (rows["sign_model"] == (sign_model or choice.sign_model))
        & (rows["basis"] == choice.basis)
    )
    found: pd.DataFrame = rows[mask.to_numpy()]
    return found


def recorded_model(source: Source, choice: Choice) -> tuple[str, Factors] | None:
    """The recorded sign model from which the history of the choice follows, and its factors; None without one.

    Only all expiries and venues together are recorded.
    """
    if choice.expiries or choice.venue:
        return None
    if len(levels_of(source, choice)):
        return choice.sign_model, (1.0, 1.0)
    if choice.sign_model == "flow":
        return None
    wanted = signs(is_call=[True, False], sign_model=choice.sign_model)
    for name in SIGN_MODELS:
        if name != "flow" and len(levels_of(source, choice, name)):
            call, put = wanted / signs(is_call=[True, False], sign_model=name)
            return name, (float(call), float(put))
    return None


def why_none(choice: Choice) -> str:
    """Why a choice has no past, as a sentence for its card."""
    if choice.expiries:
        return "The past is kept for all expiries together; untick the expiries to see it."
    if choice.venue:
        return "The past is kept for all venues together; choose all venues to see it."
    if choice.sign_model == "flow":
        return "This sign model is not recorded, so it has no past. WORKSTATION_EXPOSURE__SIGN_MODEL=flow records it."
    if choice.basis == "volume":
        return "This basis is not recorded, so it has no past. WORKSTATION_EXPOSURE__BASIS=volume records it."
    return "Nothing of these options was recorded in the last 36 hours."


def level_rows(source: Source, choice: Choice) -> pd.DataFrame:
    """Levels of the choice through time: as published, else as they follow from what was; no rows when they do not."""
    found = recorded_model(source, choice)
    if found is None:
        return source.latest("levels").iloc[:0]
    name, (call, put) = found
    rows = levels_of(source, choice, name)
    if call == put:
        return rows if call == 1.0 else _times(rows, call)
    gex = gex_by_minute(source, choice).groupby("event_ns")["gex"].sum()
    rows = rows[rows["event_ns"].isin(gex.index).to_numpy()]
    return rows.assign(net_gex=gex.reindex(rows["event_ns"]).to_numpy(), zero_gamma=np.nan)


def _times(rows: pd.DataFrame, factor: float) -> pd.DataFrame:
    names = ["net_gex", *(f"change_{minutes}m" for minutes in MINUTES)]
    return rows.assign(**{name: factor * rows[name] for name in names})


def gex_by_minute(source: Source, choice: Choice) -> pd.DataFrame:
    """Net gex by strike of the choice once a minute: event_ns, strike, gex."""
    found = recorded_model(source, choice)
    if found is None:
        return pd.DataFrame(
            {"event_ns": np.empty(0, dtype=np.int64), "strike": np.empty(0), "gex": np.empty(0)}
        )
    name, (call, put) = found
    history = source.exposure_history(choice.underlying, name, choice.basis)
    return (
        history
        if call == put == 1.0
        else history.assign(gex=call * history["call_gex"] + put * history["put_gex"])
    )


def changes(source: Source, choice: Choice) -> dict[int, tuple[float, float]]:
    """Minutes -> change of net gex and the strike that changed most; empty when nothing is recorded of the choice."""
    key = "changes", choice.underlying, choice.sign_model, choice.basis, tuple(choice.expiries), choice.venue
    found: dict[int, tuple[float, float]] = shared(
        source, key, lambda: _changes(source, choice), "levels", "exposures"
    )
    return found


def _changes(source: Source, choice: Choice) -> dict[int, tuple[float, float]]:
    found = recorded_model(source, choice)
    if found is None:
        return {}
    rows = levels_of(source, choice, found[0])
    call, put = found[1]
    if call != put:
        history = gex_by_minute(source, choice)
        rows = change(history.assign(underlying=choice.underlying))
    elif call != 1.0:
        rows = _times(rows.iloc[-1:], call)
    if not len(rows):
        return {}
    newest = rows.iloc[-1]
    return {
        minutes: (float(newest[f"change_{minutes}m"]), float(newest[f"change_strike_{minutes}m"]))
        for minutes in MINUTES
    }
