"""How hard the laws are tried: a fixed share of their examples in every run, new ones by the thousand in ``make laws``."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

DEEP = bool(os.environ.get("WORKSTATION_DEEP_LAWS"))
SHARE = 0.15
FEWEST = 3
DEEPER = 4


def effort(examples: int, **more: Any) -> settings:
    """Settings of a law worth so many examples.

    Every run tries the same share of them; a deep one several times as many, drawn anew each time.
    """
    if DEEP:
        return settings(max_examples=DEEPER * examples, derandomize=False, **more)
    return settings(max_examples=max(FEWEST, round(SHARE * examples)), **more)
