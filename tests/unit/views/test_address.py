"""Choices in the page's address: written for people, and taken from it one by one."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn
import param
import pytest
from panel.io.location import Location

from workstation.views.state import address
from workstation.views.state.address import ALL, Expiries, keep_in_address
from workstation.views.widgets.controls import ExpiryChoice

INSTRUMENTS = {"BTC": ["", "BTC/USD:BTC"], "ETH": ["", "ETH/USD:ETH"]}
DECEMBER, JANUARY = (pd.Timestamp(day).value for day in ("2026-12-25 08:00", "2027-01-29 08:00"))


class Chosen(param.Parameterized):
    """As the exposure page's: the instruments offered are those of the underlying."""

    underlying = param.Selector(default="BTC", objects=list(INSTRUMENTS))
    instrument = param.Selector(default="", objects=INSTRUMENTS["BTC"])
    expiries = Expiries(default=[], item_type=int)
    reach = param.Selector(default=0.1, objects=[0.1, 0.2])

    @param.depends("underlying", watch=True)
    def _offer(self) -> None:
        self.param["instrument"].objects = INSTRUMENTS[self.underlying]
        self.instrument = ""


@pytest.fixture
def location(monkeypatch: pytest.MonkeyPatch) -> Location:
    made = Location()
    monkeypatch.setattr(address, "address", lambda: made)
    return made


def kept(location: Location, search: str = "") -> Chosen:
    location.search = search
    choice = Chosen()
    keep_in_address(choice, ["underlying", "instrument", "expiries", "reach"])
    return choice


def state(choice: Chosen) -> tuple[Any, ...]:
    return choice.underlying, choice.instrument, choice.expiries, choice.reach


def test_expiries_are_dates_in_the_address_and_come_back(location: Location) -> None:
    choice = kept(location)
    assert f"expiries={ALL}" in location.search
    choice.expiries = [DECEMBER, JANUARY]
    assert "expiries=2026-12-25T0800~2027-01-29T0800" in location.search
    assert kept(location, location.search).expiries == [DECEMBER, JANUARY]


def test_going_back_brings_an_underlying_with_its_own_instrument(location: Location) -> None:
    choice = kept(location)
    choice.instrument = "BTC/USD:BTC"
    before = location.search
    choice.param.update(underlying="ETH", reach=0.2)
    location.search = before
    assert state(choice) == ("BTC", "BTC/USD:BTC", [], 0.1)


def test_going_back_to_no_instrument_empties_it(location: Location) -> None:
    choice = kept(location)
    choice.reach = 0.2
    before = location.search
    choice.instrument = "BTC/USD:BTC"
    location.search = before
    assert state(choice) == ("BTC", "", [], 0.2)


@pytest.mark.parametrize("bad", ["underlying=DOGE", "expiries=tomorrow", "instrument=DOGE", "reach=9"])
def test_what_is_not_offered_costs_the_other_choices_nothing(location: Location, bad: str) -> None:
    name = bad.split("=")[0]
    good = {"underlying": "ETH", "expiries": "2026-12-25T0800", "reach": "0.2"} | dict([bad.split("=")])
    choice = kept(location, "?" + "&".join(f"{key}={value}" for key, value in good.items()))
    wanted = {"underlying": "ETH", "instrument": "", "expiries": [DECEMBER], "reach": 0.2}
    wanted[name] = Chosen.param[name].default
    assert state(choice) == tuple(wanted.values())


def test_the_boxes_show_what_the_address_brought() -> None:
    choice = Chosen()
    view = ExpiryChoice(choice)
    view._boxes.param.update(options={"25 Dec 26": DECEMBER, "29 Jan 27": JANUARY})
    choice.expiries = [JANUARY]
    assert view._boxes.value == [JANUARY]
    view._boxes.value = [DECEMBER, JANUARY]
    assert choice.expiries == [DECEMBER, JANUARY]


def test_a_notebook_keeps_no_choice_in_its_address() -> None:
    assert pn.state.curdoc is None
    keep_in_address(Chosen(), ["reach"])
