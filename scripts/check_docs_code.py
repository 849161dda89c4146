"""Run the Python of README and docs, block by block, against an invented market: ``python scripts/check_docs_code.py [WORD ...]``.

Words choose the files whose name holds one of them. Each file's blocks share one namespace, in a temporary folder. Ends with
1 when a block fails.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
PLACES = {"embedded:///data/history": "store"}
"""What a reader puts his own in for."""
LEFT_OUT = {
    "influxdb_3.md": "needs an InfluxDB 3 server",
    "fleet.run(": "starts workers of its own",
    "exercise_off_a_vol_point": "needs marks of a US chain",
    "dividends.csv": "needs a file of dividends",
}


def world() -> dict[str, Any]:
    """Names that a guide's block takes as given: a desk played to its end, its history, and rows of it."""
    import pandas as pd

    import workstation as ws
    from workstation import plots, process
    from workstation.exposure import exposure

    desk = process.played(seconds=20.0, history_minutes=3.0)
    history = desk.history
    marks = history.read("marks", underlying="BTC")
    trades = history.read("trades", instruments="BTC/USD:BTC")
    given = {"desk": desk, "history": history, "marks": marks, "trades": trades, "prices": trades}
    chain = ws.chain(marks)
    known = marks[marks["mark"].notna()]
    first = known.iloc[0]
    book = {
        "time": [pd.Timestamp(first.event_ns, tz="UTC").isoformat()], "venue": "deribit", "instrument": str(first.instrument),
        "side": "buy", "size": 2, "price": 0.02,
    }  # fmt: skip
    pd.DataFrame(book).to_csv("book.csv", index=False)
    PLACES["2026-03-20 12:00"] = str(pd.Timestamp(first.event_ns + 10**9))
    PLACES["2026-03-20 20:00"] = str(pd.Timestamp(known.event_ns.max()))
    Path("store").symlink_to(history.folder)
    return given | {
        "workstation": ws,
        "ws": ws,
        "pd": pd,
        "plots": plots,
        "chain": chain,
        "exposure": exposure,
    }


def main() -> int:
    """Run what was chosen and say what failed."""
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(ROOT))
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    chosen = [file for file in files if not sys.argv[1:] or any(word in file.name for word in sys.argv[1:])]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        given = world()
        for file in chosen:
            names = dict(given)
            for number, code in enumerate(BLOCK.findall(file.read_text("utf-8")), 1):
                where = f"{file.relative_to(ROOT)}, block {number}"
                reason = next(
                    (why for word, why in LEFT_OUT.items() if word in code or word == file.name), ""
                )
                if reason:
                    print(f"left out {where}: {reason}", flush=True)
                    continue
                for theirs, ours in PLACES.items():
                    code = code.replace(theirs, ours)
                try:
                    exec(compile(code, where, "exec"), names)  # noqa: S102 - the docs' own code
                    print(f"ran      {where}", flush=True)
                except Exception:  # noqa: BLE001
                    failed += 1
                    print(f"FAILED   {where}\n{traceback.format_exc(limit=-3)}", flush=True)
        os.chdir(ROOT)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
