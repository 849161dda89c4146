"""The embedded history: newest batches and the manifest in SQLite, all else in Parquet segments, SQL by DataFusion."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {"EmbeddedHistory": "store", "open_embedded": "store"})
