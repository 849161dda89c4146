"""Alpaca's REST: keys in headers, pages followed, Retry-After honoured; each answer is kept as a frame."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from pydantic import SecretStr

from workstation.feeds.alpaca.messages import BySymbol
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.market.errors import FeedError
from workstation.market.retry_after import seconds_until_retry

PATIENCE_S = 10.0
"""A rate limit that is over sooner is waited for; a longer one is told."""
ATTEMPTS = 3
PAGES = 200
"""Answers of one question, against a token that leads nowhere."""
WORDS = 200
_PAUSES: dict[str, float] = {}
"""Address -> until when (monotonic s) none of this process' feeds asks it anything."""
_PAGE = msgspec.json.Decoder(BySymbol)
_TRADING = ("v2/options/contracts", "v2/clock")
"""Paths of the trading address."""


class Rest:
    """Calls of one account; its session opens with the first call.

    Parameters
    ----------
    data_url, trading_url
        ``https://data.alpaca.markets`` and ``https://paper-api.alpaca.markets`` (contracts, clock).
    key, secret
        Of the account; they stand in headers only.
    timeout_s
        For each call.

    Raises
    ------
    FeedError
        ``fatal`` for refused keys (401) and missing entitlements (403); with ``retry_after`` where the venue limits the rate.
    """

    def __init__(
        self, data_url: str, trading_url: str, *, key: SecretStr, secret: SecretStr, timeout_s: float
    ) -> None:
        self._data_url, self._trading_url = data_url, trading_url
        self._key, self._secret, self._timeout_s = key, secret, timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, **params: Any) -> RawFrame:
        """One answer; a frame whose channel is ``GET path?query``. Raises ``FeedError``."""
        asked = {name: str(value) for name, value in params.items() if value not in (None, "")}
        query = f"?{urlencode(asked)}" if asked else ""
        base = self._trading_url if path.startswith(_TRADING) else self._data_url
        for attempt in range(ATTEMPTS):
            await self._pause(base, path)
            status, headers, payload = await self._call(f"{base}/{path}", asked, path)
            if status == 200:
                return RawFrame(time.time_ns(), f"GET {path}{query}", payload)
            if status != 429:
                raise _refused(path, status, payload)
            wait_s = _retry_after(headers, attempt)
            _PAUSES[base] = time.monotonic() + wait_s
            if wait_s > PATIENCE_S:
                break
        raise FeedError(f"alpaca: {path}: rate limit", retry_after=max(_PAUSES[base] - time.monotonic(), 0.1))

    async def pages(self, path: str, **params: Any) -> AsyncIterator[RawFrame]:
        """Answers page by page, until no token leads on. Raises ``FeedError``."""
        token: str | None = None
        for _ in range(PAGES):
            answer = await self.get(path, **params, page_token=token)
            yield answer
            try:
                following = _PAGE.decode(answer.payload).next_page_token
            except msgspec.DecodeError as error:
                raise FeedError(f"alpaca: {path} cannot be read: {error}") from error
            if not following or following == token:
                return
            token = following
        raise FeedError(
            f"alpaca: {path} has more than {PAGES} pages; ask for fewer symbols or a shorter time"
        )

    async def server_ms(self) -> int:
        """The venue's time, ms of UTC, by its clock. Raises ``FeedError``."""
        answer = await self.get("v2/clock")
        try:
            told = msgspec.json.decode(answer.payload, type=_Clock)
        except msgspec.DecodeError as error:
            raise FeedError(f"alpaca: v2/clock cannot be read: {error}") from error
        return round(told.timestamp.timestamp() * 1000)

    async def _pause(self, base: str, path: str) -> None:
        left = _PAUSES.get(base, 0.0) - time.monotonic()
        if left > PATIENCE_S:
            raise FeedError(f"alpaca: {path} not asked: rate limit, {left:.1f} s left", retry_after=left)
        if left > 0.0:
            await asyncio.sleep(left)

    async def _call(
        self, url: str, params: Mapping[str, str], path: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            headers = {
                "APCA-API-KEY-ID": self._key.get_secret_value(),
                "APCA-API-SECRET-KEY": self._secret.get_secret_value(),
            }
            self._session = aiohttp.ClientSession(headers=headers)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.get(url, params=params, allow_redirects=False) as answer,
            ):
                return answer.status, answer.headers, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FeedError(f"alpaca: {path}: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the session; may be called more than once."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Clock(msgspec.Struct):
    timestamp: dt.datetime


def _retry_after(headers: Mapping[str, str], attempt: int) -> float:
    """Seconds to wait: Retry-After in seconds or as a date, else the instant the limit is reset, else longer each time."""
    told = seconds_until_retry(headers.get("Retry-After"))
    if told is not None:
        return told
    reset = headers.get("X-RateLimit-Reset", "")
    if reset.isdigit():
        return max(min(float(reset) - time.time(), 60.0), 0.1)
    return float(2**attempt)


def _refused(path: str, status: int, payload: bytes) -> FeedError:
    said = payload[:WORDS].decode("utf-8", "replace").strip()
    if status == 401:
        return FeedError(
            f"alpaca: {path}: the keys are refused; paper and live accounts have keys of their own ({said})",
            fatal=True,
        )
    if status == 403:
        return FeedError(
            f"alpaca: {path}: keys without the right to this data, or refused; the free plan has option_feed 'indicative' "
            f"and stock_feed 'iex' ({said})",
            fatal=True,
        )
    return FeedError(f"alpaca: {path}: status {status}: {said}")
