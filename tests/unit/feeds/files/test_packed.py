"""Packed and renamed files: read by what they begin with; cut off or damaged ones are refused in words."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from workstation.feeds.files import Rejections, read
from workstation.market.errors import FrameError

MAPPING = (
    "table: trades\ntime: {column: t, format: s}\ninstrument: {column: s}\ncolumns: {price: p, size: q}\n"
)
TEXT = ("t,s,p,q\n" + "".join(f"{1735689600 + at},X,{at + 1},2\n" for at in range(2000))).encode()
Pack = Callable[[bytes], bytes]


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


PACKS = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zst": zstd}


def trades(folder: Path, name: str, content: bytes) -> pd.DataFrame:
    (folder / "m.yaml").write_text(MAPPING)
    path = folder / name
    path.write_bytes(content)
    frames = [batch.frame for batch in read("table", path, Rejections(), mapping=str(folder / "m.yaml"))]
    return pd.concat(frames)


@pytest.mark.parametrize("name", ["a.csv{}", "a.csv", "A.CSV{}", "a{}"])
@pytest.mark.parametrize("ending", PACKS)
def test_packed_files_are_read_whatever_their_name(tmp_path: Path, ending: str, name: str) -> None:
    found = trades(tmp_path, name.format(ending), PACKS[ending](TEXT))
    assert found["price"].sum() == 2000 * 2001 / 2
    half = TEXT.index(b"\n", 9000) + 1
    parts = PACKS[ending](TEXT[:half]) + PACKS[ending](TEXT[half:])
    assert len(trades(tmp_path, "parts" + ending, parts)) == 2000


@pytest.mark.parametrize("ending", PACKS)
def test_a_packed_file_that_is_cut_off_or_none_is_refused_in_words(tmp_path: Path, ending: str) -> None:
    whole = PACKS[ending](TEXT)
    for content in (whole[: len(whole) // 2], whole[:9], TEXT):
        with pytest.raises(FrameError, match=r"ends too early|not a whole compressed file"):
            trades(tmp_path, f"a.csv{ending}", content)


@pytest.mark.parametrize("write", ["to_parquet", "to_feather"])
def test_columnar_files_are_known_by_their_content(tmp_path: Path, write: str) -> None:
    frame = pd.DataFrame({"t": [1735689600], "s": ["X"], "p": [1.0], "q": [2.0]})
    getattr(frame, write)(tmp_path / "b")
    content = (tmp_path / "b").read_bytes()
    for name in ("a.csv", "a.bin", "a.PARQUET" if write == "to_parquet" else "a.FEATHER"):
        assert len(trades(tmp_path, name, content)) == 1


def test_a_zip_is_no_text_table(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="not a text table"):
        trades(tmp_path, "a.xlsx", b"PK\x03\x04" + bytes(40))
