"""What the evidence of a row names: packets and prints, its own or those of a structure's legs."""

from __future__ import annotations

from typing import Any

import orjson


def evidence_of(text: str) -> dict[str, Any]:
    """The evidence of a row; empty where there is none.

    Examples
    --------
    >>> evidence_of('{"prints": ["a"]}'), evidence_of("")
    ({'prints': ['a']}, {})
    """
    found: dict[str, Any] = orjson.loads(text) if text else {}
    return found


def packet_ids(ids: dict[str, Any]) -> list[str]:
    """Packets among an alert's evidence: its own, or those of the legs of a structure.

    Examples
    --------
    >>> packet_ids({"packet": "p"}), packet_ids({"structure": "s", "legs": [{"packet": "p"}, {"packet": "q"}]})
    (['p'], ['p', 'q'])
    """
    own = [str(ids["packet"])] if ids.get("packet") else []
    return own + [str(leg["packet"]) for leg in ids.get("legs", []) if leg.get("packet")]


def trade_ids(ids: dict[str, Any]) -> list[str]:
    """Prints among an alert's evidence.

    Examples
    --------
    >>> trade_ids({"legs": [{"prints": ["a"]}, {"prints": ["b"]}]})
    ['a', 'b']
    """
    own = [str(one["trade_id"] if isinstance(one, dict) else one) for one in ids.get("prints", [])]
    return own + [name for leg in ids.get("legs", []) for name in trade_ids(leg)]
