"""Streamz nodes that cannot disturb one another: the one place that touches Streamz' private parts.

``Stream._emit`` runs downstream nodes in one loop: an exception in one ends the loop for its siblings and travels up to the
source (python-streams/streamz issue 86). Here every node of a tree gets an ``_emit`` that cuts off the node that threw and
goes on. Checked with Streamz 0.6; with another version the tests of this module say whether it still holds.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import streamz

SUPPORTED = "0.6."
Cut = Callable[[streamz.Stream, BaseException], None]
"""Told of a node that was cut off, and of what it threw."""


def check_version(found: str | None = None) -> None:
    """Refuse a Streamz whose inside was not looked at.

    Examples
    --------
    >>> check_version("0.6.6")
    >>> check_version("0.7.0")
    Traceback (most recent call last):
    ...
    RuntimeError: streamz 0.7.0 is installed; node guards are made for 0.6.x: install streamz<0.7
    """
    found = found or version("streamz")
    if not found.startswith(SUPPORTED):
        raise RuntimeError(
            f"streamz {found} is installed; node guards are made for 0.6.x: install streamz<0.7"
        )


check_version()


def guard(node: streamz.Stream, cut: Cut) -> None:
    """Have a node, and every node that will hang on it, cut off what throws instead of passing the exception up."""

    def emit(x: Any, metadata: Any = None) -> list[Any]:
        node.current_value, node.current_metadata = x, metadata
        if metadata:
            node._retain_refs(metadata, len(node.downstreams))
        results: list[Any] = []
        for downstream in list(node.downstreams):
            if "_emit" not in vars(downstream):
                guard(downstream, cut)
            try:
                result = downstream.update(x, who=node, metadata=metadata or [])
            except Exception as error:  # noqa: BLE001 -- whatever a node throws must stop at it
                node.disconnect(downstream)
                cut(downstream, error)
                continue
            finally:
                node._release_refs(metadata or [])
            results += result if isinstance(result, list) else [result]
        return [element for element in results if element is not None]

    node._emit = emit
