"""Feeds of other packages are known by their names, and none of the rooms below names one above."""

from __future__ import annotations

import pytest

import workstation.bus  # noqa: F401 - registers its feed
from workstation.feeds import FEEDS, feed_class, register_feed


def test_a_registered_feed_is_opened_by_its_name_and_a_name_is_given_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workstation.feeds.FEEDS", dict(FEEDS))
    register_feed("own", "workstation.feeds.tape.tape:Tape")
    assert feed_class("own").__name__ == "Tape" and feed_class("bus").__name__ == "Bus"
    with pytest.raises(ValueError, match="already"):
        register_feed("bus", "own.bus:Bus")
