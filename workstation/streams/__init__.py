"""The hub: one Streamz stream per table, one order, one watermark."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Hub": "hub",
        "SetAside": "hub",
        "streamz_frame": "frames",
        "newest": "backpressure",
        "Backlog": "backpressure",
        "Sink": "sinks",
        "FunctionSink": "sinks",
    },
)
