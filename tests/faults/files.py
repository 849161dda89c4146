"""Every format of files with every damage, beside a good file: named in the report, nothing kept by half, the good one whole."""

from __future__ import annotations

import gzip
import io
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.faults.rounds import Outcome, fault
from tests.faults.rows import MAPPING, csv
from workstation.history import open_history
from workstation.research.importing import Imported, import_files

_TARDIS = (
    "exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,bid_amount,"
    "bid_iv,ask_price,ask_amount,ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta,gamma,vega,theta,rho\n"
) + "".join(
    f"deribit,BTC-9JUN20-9875-P,{1591574399413000 + n},{1591574400196008 + n},put,9875,1591689600000000,0.1,0.0295,0.0205,"
    "15.1,55.91,0.0235,15.2,68.94,0.02210436,62.89,SYN.BTC-9JUN20,9756.36,-0.61752,0.00103,2.24964,-53.05655,-0.22796\n"
    for n in range(30)
)
_CBOE = """
Standard & Poors 500 Index,Last: 4505.1001,Change:  37.6601
"Date: September 14, 2023 at 4:31 PM EDT",Bid: 4483.25,Ask: 4526.27,Size: 1*1,Volume: 0
Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest
Fri Sep 15 2023,SPXW230915C04500000,21.5,0,21.1,21.6,17,0.1012,0.52,0.0091,1200,4500.00,SPXW230915P04500000,0,0,0,0.05,0,0,0,0,18
"""


def _lean() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20131008_spy_Trade_Tick.csv", "34200000,1674200,210,Q,2000,0\n" * 50)
    return held.getvalue()


FORMATS: dict[str, tuple[str, bytes]] = {
    "table": ("a.csv", csv(range(500)).encode()),
    "tardis": ("options_chain.csv", _TARDIS.encode()),
    "cboe": ("quotedata.csv", _CBOE.encode()),
    "frames": ("OKX.ws.0", b"".join(b'%d {"arg":{}}\n' % (1723161600001658384 + n) for n in range(50))),
    "lean": ("equity/usa/tick/spy/20131008_trade.zip", _lean()),
}
_DBN = "ticks/dbn/esh4-glbx-mdp3-20231224.mbo.dbn.zst"


def _flipped(held: bytes, chance: random.Random) -> bytes:
    changed = bytearray(held)
    for _ in range(1 + len(changed) // 100):
        changed[chance.randrange(len(changed))] ^= 1 + chance.randrange(255)
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "empty": lambda held, chance: b"",
    "cut by half": lambda held, chance: held[: len(held) // 2],
    "cut near the end": lambda held, chance: held[:-7],
    "cut at random": lambda held, chance: held[: chance.randrange(1, len(held))],
    "bytes flipped": _flipped,
    "bytes flipped again": _flipped,
    "zeros inside": lambda held, chance: held[: len(held) // 2] + bytes(500) + held[len(held) // 2 :],
    "random bytes": lambda held, chance: chance.randbytes(5000),
    "of another encoding": lambda held, chance: held.decode("latin-1").encode("utf-16"),
    "packed again": lambda held, chance: gzip.compress(held),
    "one endless line": lambda held, chance: held + b"x" * 300_000,
    "lines of another width": lambda held, chance: held + b"1,2,3,4,5,6,7,8,9\n" * 5,
    "twice": lambda held, chance: held + held,
    "huge numbers": lambda held, chance: held + b"9" * 400 + b"," + b"9" * 400 + b",1e308,inf,nan\n",
}


def _samples() -> dict[str, tuple[str, bytes]]:
    recorded = os.environ.get("WORKSTATION_SAMPLE_DATA")
    path = Path(recorded) / _DBN if recorded else None
    if path is None or not path.exists():
        return FORMATS
    return FORMATS | {"dbn": ("a.mbo.dbn.zst", path.read_bytes()[:200_000])}


@fault("a damaged file of every format beside a good one")
def damage_files(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """No error leaves the import; a failed file leaves nothing; the good file's rows are all there."""
    (folder / "map.yaml").write_text(MAPPING)
    for format_name, (name, held) in _samples().items():
        options = {"mapping": str(folder / "map.yaml")} if format_name == "table" else {}
        good = folder / format_name / "good" / name
        good.parent.mkdir(parents=True)
        good.write_bytes(held)
        alone = _import(folder / format_name / "alone", format_name, [good], options)
        for damage, change in DAMAGES.items():
            outcome.rounds += 1
            bad = folder / format_name / damage / name
            bad.parent.mkdir(parents=True)
            bad.write_bytes(change(held, chance))
            case = f"{format_name}, {damage}"
            try:
                both = _import(folder / format_name / f"store {damage}", format_name, [bad, good], options)
            except Exception as error:  # noqa: BLE001 - whatever escapes an import is what this looks for
                outcome.wrong.append(f"{case}: {type(error).__name__}: {str(error)[:80]}")
                continue
            outcome.check(str(good) not in both.failures, f"{case}: the good file failed")
            for table in set(alone.rows) - {"instruments"}:
                there = both.rows.get(table, 0)
                outcome.check(there >= alone.rows[table], f"{case}: {there} of {alone.rows[table]} {table}")


def _import(store: Path, format_name: str, files: list[Path], options: dict[str, str]) -> Imported:
    with open_history(store, upkeep=False) as history:
        return import_files(history, format_name, files, **options)
