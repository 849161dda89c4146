"""Branches of the hub: Streamz nodes under a guard each.

Streamz runs downstream nodes in the emitter's call and holds them weakly: an exception in one would end the
emit for its siblings, and a node nobody keeps would vanish. Here each downstream runs under its own guard.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import streamz

from workstation.market.tables.frames import rows_of
from workstation.streams.node_guards import guard

Function = Callable[[str, pd.DataFrame], Any]
Failure = Callable[[str, str, pd.DataFrame, BaseException], None]
"""Told of branch, table, batch and exception."""

RUNNING: Literal["running"] = "running"
FAILED: Literal["failed"] = "failed"
PENDING_AWAITABLES = 1_000
"""A node that asks to be awaited is cut off when so many of its futures are unfinished: its queue would grow without bound."""


@dataclass
class BranchStatus:
    """How a branch is.

    Attributes
    ----------
    state, reason
        ``running`` or ``failed``, and the newest failure's words (kept after a revival).
    batches, rows
        Handled without an exception.
    skipped_rows
        Passed by while it was failed.
    failures
        How often it threw.
    seconds
        Time its function took.
    """

    state: Literal["running", "failed"] = RUNNING
    reason: str = ""
    batches: int = 0
    rows: int = 0
    skipped_rows: int = 0
    failures: int = 0
    seconds: float = 0.0


class TableStream(streamz.Stream):  # type: ignore[misc]
    """The stream of one table: a Streamz source whose downstream nodes cannot disturb one another."""

    def __init__(self, table: str, failed: Failure) -> None:
        super().__init__(stream_name=table)
        self.table = table
        self._failed = failed
        self._pending: dict[Any, list[asyncio.Future[Any]]] = {}
        self._guarded: weakref.WeakSet[streamz.Stream] = weakref.WeakSet()
        self._delivered: pd.DataFrame | None = None

    def deliver(self, frame: pd.DataFrame) -> None:
        """Emit a batch in this thread, whatever loop downstream nodes brought with them."""
        if not len(
            self.downstreams
        ):  # what most derived tables have; looking through it takes ten times as long
            return
        self._delivered = frame
        for node in list(self.downstreams):
            if not isinstance(node, _Guarded) and node not in self._guarded:
                self._guarded.add(node)
                guard(node, self._cut)
            try:
                self._keep(node, node.update(frame, who=self, metadata=[]))
            except Exception as error:  # noqa: BLE001 -- whatever a branch throws must stop at its guard
                self.disconnect(node)
                self._pending.pop(node, None)
                self._failed(f"{self.table} > {node}", self.table, frame, error)

    def emit(self, x: Any, asynchronous: bool = False, metadata: Any = None) -> None:
        """Refused: rows get their number and their order from ``Hub.publish`` only."""
        raise TypeError(f"publish rows of {self.table} with Hub.publish; its stream only gives them")

    def _cut(self, node: streamz.Stream, error: BaseException) -> None:
        """A node further down threw and was cut off; its siblings go on."""
        if self._delivered is not None:
            self._failed(f"{self.table} > {node}", self.table, self._delivered, error)

    def _keep(self, node: Any, result: Any) -> None:
        if result is None or (type(result) is list and not result):
            return
        for element in result if isinstance(result, list) else [result]:
            if inspect.iscoroutine(element):
                element = asyncio.get_running_loop().create_task(element)
            if isinstance(element, asyncio.Future) and not element.done():
                pending = [future for future in self._pending.get(node, []) if not future.done()]
                self._pending[node] = [*pending, element]
                if len(pending) >= PENDING_AWAITABLES:
                    raise BufferError(
                        f"{len(pending)} batches wait for it; put newest() of streams.pace before it"
                    )


class Branch:
    """A function on one or several table streams, with its state."""

    def __init__(self, name: str, function: Function, failed: Failure) -> None:
        self.name = name
        self.status = BranchStatus()
        self._function, self._failed = function, failed
        self._nodes: list[_Guarded] = []

    def hang(self, stream: TableStream) -> None:
        """Take the batches of a table."""
        self._nodes.append(_Guarded(stream, self))

    def destroy(self) -> None:
        """Let go of every stream."""
        for node in self._nodes:
            node.destroy()
        self._nodes.clear()

    def take(self, table: str, frame: pd.DataFrame) -> None:
        """Run the function on a batch; what it throws marks the branch failed."""
        status = self.status
        if status.state == FAILED:
            status.skipped_rows += len(frame)
            return
        begun = time.perf_counter()
        try:
            self._function(table, frame)
        except Exception as error:  # noqa: BLE001 -- whatever a branch throws must stop at its guard
            status.state, status.reason = FAILED, f"{type(error).__name__}: {error}"
            status.failures += 1
            self._failed(self.name, table, frame, error)
        else:
            status.batches += 1
            status.rows += rows_of(frame)
            status.seconds += time.perf_counter() - begun


class _Guarded(streamz.Stream):  # type: ignore[misc]
    """The node by which a branch hangs on a table's stream."""

    def __init__(self, upstream: TableStream, branch: Branch) -> None:
        super().__init__(upstream=upstream, stream_name=branch.name)
        self._table, self._branch = upstream.table, branch

    def update(self, x: pd.DataFrame, who: Any = None, metadata: Any = None) -> list[Any]:
        self._branch.take(self._table, x)
        return []
