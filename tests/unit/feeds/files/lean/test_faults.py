"""Bad rows, bad members and bad zips: each set aside by name and line, the rest read, memory bounded."""

from __future__ import annotations

import random
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.feeds.files.lean_zips import lean_zip, one_member, rows_of
from workstation.feeds.files import Rejections
from workstation.history import open_history
from workstation.market.errors import FrameError
from workstation.research.importing import import_files

SPY = "equity/usa/tick/spy/20131008_trade.zip"
MEMBER = "20131008_spy_Trade_Tick.csv"
GOOD = "34200000,1674200,210,Q,2000,0"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("abc,1,1,Q,0,0", "no number in time"),
        ("34200000,x,1,Q,0,0", "no number in price"),
        ("34200000,1674200,1,Q,0,2", "neither 0 nor 1 in the column that marks suspicious ticks"),
        ("34200000,1674200,1,Q,0,yes", "neither 0 nor 1 in the column that marks suspicious ticks"),
        ("34200000,1674200,1,Q,0,1", "marked suspicious by the source"),
        ("34200000,1674200,1,Q", "line without the 6 columns of the layout"),
        ("34200000,1674200,1,Q,0,0,9", "line without the 6 columns of the layout"),
        ("", "blank line"),
        ("34200000,1674200,1,\xff,0,0", "line that is no text"),
        ("34200000,1674200,1,Q\0,0,0", "line that is no text"),
        (",1674200,1,Q,0,0", "no time"),
        ("34200000,,1,Q,0,0", "no price"),
        ("34200000,1674200,,Q,0,0", "no size"),
        ("34200000,1674200,0,Q,0,0", "a trade of size 0"),
        ("34200000,0,1,Q,0,0", "trade without a price (0)"),
        ("34200000,-5,1,Q,0,0", "negative price"),
        ("34200000,1674200,-1,Q,0,0", "negative size"),
        ("34200000,inf,1,Q,0,0", "no finite number in price"),
        ("34200000,1674200,1e400,Q,0,0", "no finite number in size"),
        ("-5,1674200,1,Q,0,0", "time outside the day of the file (milliseconds 0 to 86 399 999)"),
        ("86400000,1674200,1,Q,0,0", "time outside the day of the file (milliseconds 0 to 86 399 999)"),
        (
            "999999999999999,1674200,1,Q,0,0",
            "time outside the day of the file (milliseconds 0 to 86 399 999)",
        ),
        ("1e300,1674200,1,Q,0,0", "time outside the day of the file (milliseconds 0 to 86 399 999)"),
        ("nan,1674200,1,Q,0,0", "no time"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 499])
def test_one_bad_line_is_named_and_the_others_are_read(
    tmp_path: Path, line: str, reason: str, place: int
) -> None:
    lines = [GOOD] * 499
    lines.insert(place, line)
    file = lean_zip(tmp_path, SPY, {MEMBER: ("\n".join([*lines, GOOD]) + "\n").encode("latin-1")})
    rejections = Rejections()
    trades = rows_of(file, rejections)["trades"]
    assert len(trades) == 500
    assert rejections.counts == {reason: 1}
    assert rejections.examples[reason].startswith(f"{MEMBER}, line {place + 1}")


def test_what_becomes_of_a_line_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    lines = ["34200000,1674200,1,é,NA,0", "34200001,1674200.5, 2 ,null,nan,0", GOOD]
    alone = rows_of(one_member(tmp_path / "a", SPY, lines))["trades"]
    beside = rows_of(one_member(tmp_path / "b", SPY, [*lines, "oops"]))["trades"]
    pd.testing.assert_frame_equal(alone, beside)
    assert alone["exchange"].tolist() == ["é", "null", "Q"]
    assert alone["size"].tolist() == [1, 2, 210]


def test_every_line_is_kept_or_counted(tmp_path: Path) -> None:
    chance = random.Random(5)
    cells = [
        "34200000",
        "-1",
        "x",
        "",
        "1674200",
        "0",
        "1",
        "Q",
        "D",
        "nan",
        "inf",
        "1e9",
        '"',
        "2000",
        "\x00",
        "é",
    ]
    lines = [",".join(chance.choices(cells, k=chance.choice([1, 3, 6, 6, 6, 6, 7]))) for _ in range(3_000)]
    lines = [GOOD if chance.random() < 0.5 else line for line in lines] + [GOOD]
    file = one_member(tmp_path, SPY, lines)
    rejections = Rejections()
    kept = rows_of(file, rejections)["trades"]
    assert len(kept) + rejections.total == len(lines)
    assert len(kept) >= lines.count(GOOD)


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n\n\n", ""])
def test_line_ends(tmp_path: Path, ending: str) -> None:
    text = GOOD + (ending if ending in ("\r\n", "\r") else "\n") + GOOD + ending
    rejections = Rejections()
    assert len(rows_of(lean_zip(tmp_path, SPY, {MEMBER: text}), rejections)["trades"]) == 2
    assert not rejections.total


def test_blocks_cut_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{34_200_000 + row},1674200,{row + 1},Q,0,0" for row in range(997)]
    lines[500] = "oops"
    file = one_member(tmp_path, SPY, lines)
    for size, part in ((37, 99), (64, 1), (1_000, 300), (1 << 20, 2_000)):
        monkeypatch.setattr("workstation.feeds.files.lean.members.BLOCK_BYTES", size)
        monkeypatch.setattr("workstation.feeds.files.lean.lines.PART_BYTES", part)
        rejections = Rejections()
        sizes = rows_of(file, rejections)["trades"]["size"].tolist()
        assert sizes == [row + 1.0 for row in range(997) if row != 500]
        assert "line 501" in next(iter(rejections.examples.values()))


def test_a_bad_row_of_one_contract_names_its_member(tmp_path: Path) -> None:
    names = [
        f"20151224_goog_minute_trade_american_call_{strike}0000_20160108.csv" for strike in range(700, 705)
    ]
    bar = "34200000,100,120,90,110,5\n"
    texts = dict.fromkeys(names, bar * 3) | {names[2]: f"{bar}oops\n{bar}"}
    rejections = Rejections()
    candles = rows_of(
        lean_zip(tmp_path, "option/usa/minute/goog/20151224_trade_american.zip", texts), rejections
    )["candles"]
    assert candles["instrument"].value_counts()[candles["instrument"].unique()].tolist() == [3, 3, 2, 3, 3]
    assert list(rejections.examples.values()) == [f"{names[2]}, line 2"]


def test_a_negative_price_of_a_future_is_a_price(tmp_path: Path) -> None:
    file = one_member(
        tmp_path, "future/nymex/tick/cl/20200420_trade.zip", ["66600000,-37.63,2,,,0"], "202005_20200421"
    )
    rejections = Rejections()
    assert rows_of(file, rejections)["trades"]["price"].tolist() == [-37.63]
    assert not rejections.total


MANY = "\n".join(
    f"{34_200_000 + row},{1_674_200 + row * 7919 % 1000},{row % 900 + 1},Q,2000,0" for row in range(60_000)
)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_truncated_zip_is_refused_in_words(tmp_path: Path, share: float) -> None:
    file = lean_zip(tmp_path, SPY, {MEMBER: MANY})
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(FrameError, match=r"20131008_trade\.zip: not a whole zip"):
        rows_of(file)


def test_bytes_changed_anywhere_are_never_a_raw_error(tmp_path: Path) -> None:
    file = lean_zip(tmp_path, SPY, {MEMBER: MANY})
    whole = file.read_bytes()
    chance = random.Random(11)
    for _ in range(150):
        hurt = bytearray(whole)
        for _ in range(chance.choice([1, 4])):
            hurt[chance.choice([chance.randrange(len(hurt)), -chance.randrange(1, 120)])] ^= (
                1 << chance.randrange(8)
            )
        file.write_bytes(bytes(hurt))
        rejections = Rejections()
        try:
            rows = rows_of(file, rejections)
        except FrameError:
            continue
        assert sum(map(len, rows.values())) + rejections.total >= 1


def test_a_damaged_member_is_set_aside_and_the_others_are_read(tmp_path: Path) -> None:
    names = [
        f"20151224_goog_minute_trade_american_call_{strike}0000_20160108.csv" for strike in range(700, 703)
    ]
    bars = "".join(f"{34_200_000 + 60_000 * row},100,{120 + row},90,110,5\n" for row in range(300))
    file = lean_zip(
        tmp_path, "option/usa/minute/goog/20151224_trade_american.zip", dict.fromkeys(names, bars)
    )
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo(names[1]).header_offset + 30 + len(names[1]) + 50
    hurt = bytearray(file.read_bytes())
    hurt[place] ^= 0xFF
    file.write_bytes(bytes(hurt))
    rejections = Rejections()
    assert len(rows_of(file, rejections)["candles"]) == 600
    (reason,) = rejections.counts
    assert "damaged" in reason
    assert rejections.examples[reason].startswith(names[1])


def test_a_directory_that_names_fewer_members_than_it_counts_is_told(tmp_path: Path) -> None:
    names = [
        f"20151224_goog_minute_trade_american_call_{strike}0000_20160108.csv" for strike in range(700, 703)
    ]
    file = lean_zip(
        tmp_path,
        "option/usa/minute/goog/20151224_trade_american.zip",
        dict.fromkeys(names, "34200000,100,120,90,110,5\n"),
    )
    hurt = bytearray(file.read_bytes())
    end = hurt.rfind(b"PK\x05\x06")
    length = struct.unpack("<I", hurt[end + 12 : end + 16])[0]
    last = hurt.rfind(b"PK\x01\x02")
    hurt[end + 12 : end + 16] = struct.pack("<I", length - (end - last))
    del hurt[last:end]
    file.write_bytes(bytes(hurt))
    rejections = Rejections()
    assert len(rows_of(file, rejections)["candles"]) == 2
    assert rejections.counts == {"member that the zip's directory does not name, though it counts it": 1}


def test_nothing_of_a_small_damaged_zip_is_kept(tmp_path: Path) -> None:
    file = lean_zip(tmp_path, SPY, {MEMBER: MANY})
    hurt = bytearray(file.read_bytes())
    hurt[len(hurt) // 2] ^= 0xFF
    file.write_bytes(bytes(hurt))
    with open_history(tmp_path / "h") as history:
        done = import_files(history, "lean", [file])
        assert "trades" not in set(history.tables()["name"])
    assert list(done.failures) == [str(file)]
    assert "cannot" in done.failures[str(file)] or "can be unpacked" in done.failures[str(file)]


def test_a_member_that_declares_a_huge_size_is_refused(tmp_path: Path) -> None:
    file = lean_zip(tmp_path, SPY, {MEMBER: f"{GOOD}\n"})
    hurt = bytearray(file.read_bytes())
    directory = hurt.rfind(b"PK\x01\x02")
    hurt[directory + 24 : directory + 28] = struct.pack("<I", 0xF000_0000)
    file.write_bytes(bytes(hurt))
    with pytest.raises(FrameError, match="4026531840"):
        rows_of(file)


def test_an_encrypted_or_empty_zip_is_refused_in_words(tmp_path: Path) -> None:
    file = lean_zip(tmp_path, SPY, {MEMBER: f"{GOOD}\n"})
    hurt = bytearray(file.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        hurt[hurt.rfind(mark) + place] |= 1
    file.write_bytes(bytes(hurt))
    with pytest.raises(FrameError, match="encrypted"):
        rows_of(file)
    with pytest.raises(FrameError, match="the zip is empty"):
        rows_of(lean_zip(tmp_path / "e", SPY, {}))


def test_memory_does_not_grow_with_one_bad_cell(tmp_path: Path) -> None:
    file = lean_zip(tmp_path, SPY, {MEMBER: f"{GOOD}\n" * 300_000 + "abc,1,1,Q,0,0\n"})
    code = (
        "import resource, sys; from pathlib import Path; from workstation.feeds.files import Rejections, read\n"
        "rejections = Rejections(); path = Path(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = sum(len(batch.frame) for batch in read('lean', path, rejections))\n"
        "print(rows, rejections.total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)"
    )
    limits = (6 << 30, 6 << 30)
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limits),
    )  # fmt: skip
    rows, aside, grown = map(int, done.stdout.split())
    assert (rows, aside) == (300_000, 1)
    assert grown < 500, "megabytes"


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workstation.feeds.files.lean.members.BLOCK_BYTES", 1 << 20)
    chance = random.Random(2)
    text = bytes(chance.choices(b"0123456789,.Q", k=3 << 20))
    with pytest.raises(FrameError, match="has no end"):
        rows_of(lean_zip(tmp_path, SPY, {MEMBER: text}))
