"""Keys given to a feed are in no text that can be made of it."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from workstation.feeds import open_feed
from workstation.feeds.feed import Feed


def made(as_text: bool) -> list[Feed]:
    key = "k-12345" if as_text else SecretStr("k-12345")
    return [
        open_feed("deribit", api_key=key, secret=key),
        open_feed("iqfeed", key=key),
        open_feed("alpaca", api_key=key, secret=key),
        open_feed("databento", key=key),
        open_feed("accounts", venues={"okx": {"api_key": key, "secret": key, "password": key}}),
    ]


@pytest.mark.parametrize("as_text", [True, False])
def test_no_feed_shows_its_keys(as_text: bool) -> None:
    for feed in made(as_text):
        held = {name: repr(value) for name, value in vars(feed).items()}
        assert "k-12345" not in repr(feed) + str(held), feed.name
