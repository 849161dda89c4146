"""Deribit's socket and REST calls: JSON-RPC over ccxt's session, authentication and rate limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ccxt
import ccxt.pro
import msgspec

from workstation.feeds.deribit import messages
from workstation.feeds.deribit.decode import channel_of, envelope_of, refusal
from workstation.feeds.venue_kit.ccxt_socket import TappedSocket
from workstation.market.errors import FeedError, FrameError

_FATAL = frozenset({9999, 10000, 13000, 13001, 13002, 13003, 13004, 13006, 13007, 13009, 13021, 13403, 13778})
"""JSON-RPC codes of refused credentials or missing rights: trying again cannot help."""
_RATE_LIMIT, _RATE_LIMIT_PAUSE_S = 10028, 10.0
_TEST_REQUEST = b'"test_request"'
_RESULT = msgspec.json.Decoder(messages.Result)


class Refused(FeedError):
    """The venue answered a request with an error."""

    def __init__(self, method: str, failure: messages.Failure) -> None:
        self.failure = failure
        limited = failure.code == _RATE_LIMIT
        super().__init__(
            f"deribit refused {method}: {refusal(failure)}",
            fatal=failure.code in _FATAL,
            retry_after=_RATE_LIMIT_PAUSE_S if limited else None,
        )


class Wire(TappedSocket, ccxt.pro.deribit):
    """ccxt's Deribit with the frames tapped.

    Parameters
    ----------
    config
        As ccxt takes it: ``urls``, ``apiKey``, ``secret``, ``timeout``, ``options``, ``streaming``.
    on_frame
        Called with channel, payload and the time it was seen, for every frame; must not raise.
    on_lost
        Called once the socket is gone, with the reason.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        on_frame: Callable[[str, bytes, int], None],
        on_lost: Callable[[str], None],
    ) -> None:
        super().__init__(dict(config))
        self.tap(on_lost)
        self._on_frame = on_frame
        self._bodies: dict[str, str] = {}

    # -- socket -------------------------------------------------------------------------------------------

    @property
    def socket_url(self) -> str:
        """Address of the socket."""
        return str(self.urls["api"]["ws"])

    def take_frame(self, client: Any, payload: bytes) -> None:
        """Tap a frame; answer heartbeats; hand replies to who waits for them. Never raises."""
        try:
            channel = channel_of(payload)
            if not channel:
                self._control(client, payload)
        except FrameError:
            channel = "?"
        self._on_frame(channel, payload, time.time_ns())

    def _control(self, client: Any, payload: bytes) -> None:
        envelope = envelope_of(payload)
        if envelope.method == "heartbeat":
            if _TEST_REQUEST in payload:
                self.spawn(self._answer_test(client))
        elif envelope.error is not None:
            client.reject(Refused("the request", envelope.error), str(envelope.id))
        elif envelope.id is not None:
            client.resolve(payload, str(envelope.id))

    async def _answer_test(self, client: Any) -> None:
        try:
            await client.send(
                {"jsonrpc": "2.0", "id": self.request_id(), "method": "public/test", "params": {}}
            )
        except Exception as error:  # noqa: BLE001 - whatever the transport raises, the socket is gone
            client.on_error(ccxt.NetworkError(str(error)))

    async def call(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
        """A JSON-RPC request over the socket; its result. Raises ``FeedError``."""
        client = self.client(self.socket_url)
        number = str(self.request_id())
        future = client.future(number)
        request = {"jsonrpc": "2.0", "id": int(number), "method": method, "params": params}
        try:
            await client.throttle(1)
            await client.send(request)
            payload = await asyncio.wait_for(future, timeout_s)
        except Refused as error:
            raise Refused(method, error.failure) from None
        except (ccxt.BaseError, ConnectionError, TimeoutError) as error:
            raise FeedError(f"deribit: {method} failed: {type(error).__name__}: {error}") from error
        finally:
            client.futures.pop(number, None)
        return _RESULT.decode(payload).result

    async def subscribe_to(
        self, channels: Sequence[str], timeout_s: float
    ) -> tuple[list[str], dict[str, str]]:
        """Ask for channels; granted ones, and the reason of each other one. Raises ``FeedError`` when the socket fails.

        An error for several at once is traced to the channel it is about by asking for halves.
        """
        try:
            granted = await self.call("public/subscribe", {"channels": list(channels)}, timeout_s)
        except Refused as error:
            if error.failure.code == _RATE_LIMIT:
                raise
            if len(channels) == 1:
                return [], {channels[0]: refusal(error.failure)}
            middle = len(channels) // 2
            first = await self.subscribe_to(channels[:middle], timeout_s)
            second = await self.subscribe_to(channels[middle:], timeout_s)
            return first[0] + second[0], first[1] | second[1]
        known = set(granted)
        refused = {name: "not among the channels the venue granted" for name in channels if name not in known}
        return [name for name in channels if name in known], refused

    # -- REST ---------------------------------------------------------------------------------------------

    def on_rest_response(
        self, code: Any, reason: Any, url: str, method: Any, headers: Any, body: str, *rest: Any
    ) -> str:
        """ccxt's hook: keep the body as it came, for the task that asked."""
        self._bodies[url] = body
        return str(super().on_rest_response(code, reason, url, method, headers, body, *rest))

    async def answer(self, method: str, params: Mapping[str, Any]) -> tuple[str, bytes]:
        """A public REST call: the path it went by and the answer's bytes. Raises ``FeedError``."""
        path = f"public/{method}?{self.urlencode(dict(params))}"
        url = self.sign(method, ["public"], "GET", dict(params))["url"]
        try:
            await self.request(method, ["public"], "GET", dict(params), config={"cost": 1})
            return path, self._bodies[url].encode()
        except (ccxt.AuthenticationError, ccxt.PermissionDenied) as error:
            raise FeedError(f"deribit refused {path}: {error}", fatal=True) from error
        except ccxt.DDoSProtection as error:
            raise FeedError(f"deribit: {path}: {error}", retry_after=_RATE_LIMIT_PAUSE_S) from error
        except ccxt.BaseError as error:
            raise FeedError(f"deribit: {path} failed: {type(error).__name__}: {error}") from error
        finally:
            self._bodies.pop(url, None)

    async def server_ms(self) -> int:
        """The venue's time, ms of UTC. Raises ``FeedError``."""
        try:
            return int(await self.fetch_time())
        except ccxt.BaseError as error:
            raise FeedError(f"deribit: its time: {type(error).__name__}: {error}") from error
