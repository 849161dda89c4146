"""All recorded files that the formats cover, with every rejection explained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from workstation.feeds.files import Rejections, read

pytestmark = pytest.mark.recorded

SUSPICIOUS = "marked suspicious by the source"
CASES = [
    ("cboe", "us_options/cboe_csv/*.gz", {}, {"marks": 50_598, "quotes": 4}, {}),
    ("cboe", "us_options/cboe_json/*.gz", {}, {"marks": 3_576, "quotes": 1}, {}),
    ("table", "crypto_options/deribit_chain_snapshots/*.gz", {"mapping": "deribit_snapshots"}, {"marks": 108_698}, {}),
    ("table", "crypto_options/deribit_btc_full_ticker_*.csv", {"mapping": "deribit_order_books"}, {"marks": 976}, {}),
    ("table", "crypto_options/deribit_btc_hourly*.gz", {"mapping": "deribit_hourly_greeks"}, {"marks": 24_562}, {}),
    ("table", "crypto_options/deribit_eth_book*.csv", {"mapping": "deribit_book_summaries"}, {"marks": 684}, {}),
    ("table", "equities_prints/nyse_taq_R/sampleT*.gz", {"mapping": "taq_trades"}, {"trades": 39_462}, {}),
    ("table", "equities_prints/nyse_taq_R/sampleQ*.gz", {"mapping": "taq_quotes"}, {"quotes": 66_693}, {}),
    ("tardis", "crypto_options/venue_fixtures_nautilus/tardis_options_chain.csv", {}, {"marks": 7}, {}),
    ("lean", "equities_prints/lean/**/*.zip", {}, {"quotes": 3_488_555, "trades": 1_447_761}, {SUSPICIOUS: 2}),
    ("lean", "ticks/lean/**/*.zip", {}, {"quotes": 1_779_223, "trades": 92_267}, {"a trade of size 0": 247}),
    ("lean", "us_options/lean/**/*.zip", {}, {"quotes": 427_637, "candles": 27_113, "marks": 4_570}, {}),
    (
        "lean", "us_options/lean/*/*/universes/*/*.csv*", {}, {"marks": 25_913},
        {"the underlying's row: of which hours its prices are is not said": 8},
    ),
    ("frames", "ticks/binance_raw_ws/*.gz", {}, {"frames": 152_279, "health": 63}, {"decoder: channel": 142_683, "decoder: frame": 1}),
    (
        "dbn", "**/*.dbn*", {}, {"quotes": 46, "trades": 16, "candles": 8, "marks": 1, "instruments": 11},
        {"open interest that another exchange or message gave already": 3, "order-book event (no table keeps orders)": 8_725, "schema imbalance has no table": 6,
         "schema status has no table": 4, "no symbol for the instrument id in the file's metadata": 2},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format_name", "pattern", "options", "expected", "set_aside"), CASES, ids=lambda value: str(value)[:40]
)
def test_recorded_files(
    sample_data: Path,
    format_name: str,
    pattern: str,
    options: dict[str, str],
    expected: dict[str, int],
    set_aside: dict[str, int],
) -> None:
    rejections, counts = Rejections(), Counter[str]()
    files = sorted(sample_data.glob(pattern))
    assert files
    for file in files:
        for name, frame in read(format_name, file, rejections, **options):
            counts[name] += len(frame)
    assert dict(counts) == expected
    assert rejections.counts == set_aside


def test_captures_keep_every_received_frame(sample_data: Path) -> None:
    for file in sorted((sample_data / "crypto_options/raw_ws").glob("*.gz")):
        rejections = Rejections()
        frames = sum(len(frame) for name, frame in read("frames", file, rejections) if name == "frames")
        assert frames > 0, file.name
        unexplained = set(rejections.counts) - {
            "configuration of the capture (not a frame)",
            "connection opened (not a frame)",
            "frame we sent (not received)",
        }
        assert not {reason for reason in unexplained if not reason.startswith("decoder:")}, rejections
