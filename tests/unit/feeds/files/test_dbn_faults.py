"""Damaged DBN files: an error that says where, and no row."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from tests.unit.feeds.files.dbn_files import ES, T, header, tables, trade, write
from workstation.cli.app import app
from workstation.feeds.files import Rejections, read
from workstation.history import open_history
from workstation.market.errors import FrameError
from workstation.research.importing import import_files

HEAD = header("GLBX.MDP3", ES)
WHOLE = HEAD + b"".join(bytes(trade(1, 118, T + k, 1.0 + k)) for k in range(1_000))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def given(path: Path) -> int:
    """Rows that came before the end or the error."""
    rows = 0
    for _, frame in read("dbn", path, Rejections()):
        rows += len(frame)
    return rows


def refused(path: Path, data: bytes, match: str) -> None:
    path.write_bytes(data)
    batches = read("dbn", path, Rejections())
    with pytest.raises(FrameError, match=match):
        next(batches)


@pytest.mark.parametrize("pack", [bytes, zstd, gzip.compress])
def test_plain_and_packed_files_are_the_same(tmp_path: Path, pack: object) -> None:
    file = tmp_path / "a.dbn"
    file.write_bytes(pack(WHOLE))  # type: ignore[operator]
    assert tables(file)["trades"]["price"].tolist() == [1.0 + k for k in range(1_000)]


def test_a_record_that_is_cut_is_named_by_number_and_byte(tmp_path: Path) -> None:
    at = len(HEAD) + 999 * 48
    refused(tmp_path / "a.dbn", WHOLE[:-7], rf"a\.dbn: ends inside record 999 at byte {at:,}.*fetch")


@pytest.mark.parametrize("keep", [1, 3, 7, 8, 50, len(HEAD) - 1])
def test_a_header_that_is_cut_is_told(tmp_path: Path, keep: int) -> None:
    refused(tmp_path / "a.dbn", WHOLE[:keep], "header|DBN")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_packed_file_that_is_cut_gives_nothing(tmp_path: Path, share: float) -> None:
    packed = zstd(WHOLE)
    refused(tmp_path / "a.dbn.zst", packed[: int(len(packed) * share)], r"a\.dbn\.zst: .*(breaks off|empty)")


def test_every_chunk_is_proved_before_the_first_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workstation.feeds.files.dbn_stream.CHUNK_BYTES", 480)
    refused(tmp_path / "a.dbn", WHOLE[:-1], "record 999")


def test_noise_is_no_record(tmp_path: Path) -> None:
    refused(tmp_path / "a.dbn", WHOLE + bytes([1] * 16), "record 1,000 at byte .* shorter than")
    refused(
        tmp_path / "a.dbn", WHOLE + bytes([5, 0]) + bytes(18), "a trades record of 20 bytes is none of DBN"
    )
    refused(tmp_path / "a.dbn", b"", "empty")
    refused(tmp_path / "a.dbn", b"PAR1" * 100, "not a DBN file")
    refused(tmp_path / "a.dbn", b"DBN\x09" + WHOLE[4:], "DBN version 9; versions 1 to 3")
    refused(tmp_path / "a.dbn", b"DBN\x03\xff\xff\xff\xff", "header")
    with pytest.raises(FrameError, match="nowhere"):
        given(tmp_path / "nowhere.dbn")


def test_no_damage_escapes_in_another_librarys_words(tmp_path: Path) -> None:
    chance = random.Random(11)
    file, packed = tmp_path / "a.dbn", zstd(WHOLE)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(300):
        data = bytearray(chance.choice((WHOLE[: len(HEAD) + 480], packed)))
        kind = chance.randrange(3)
        at = chance.randrange(len(data))
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at] = chance.randrange(256)
        else:
            data[at : at + 40] = chance.randbytes(40)
        file.write_bytes(bytes(data))
        try:
            given(file)
        except FrameError as error:
            assert str(error).startswith("a.dbn")
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
    assert outcomes["refused"] > 100


def test_a_cut_file_is_not_imported_and_its_neighbour_is(tmp_path: Path) -> None:
    cut, whole = tmp_path / "cut.dbn", tmp_path / "whole.dbn"
    cut.write_bytes(WHOLE[:-7])
    whole.write_bytes(WHOLE)
    history = open_history(tmp_path / "h")
    done = import_files(history, "dbn", [cut, whole])
    assert (done.files, done.rows["trades"]) == (1, 1_000)
    assert "ends inside record 999" in done.failures[str(cut)]
    assert len(history.read("trades")) == 1_000
    history.close()


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    file = write(tmp_path / "cut.dbn", WHOLE[:-7], [])
    told = CliRunner().invoke(app, ["import", "dbn", str(file), "--history", str(tmp_path / "h")])
    assert told.exit_code == 1
    assert "ends inside record 999" in " ".join(told.output.split())
    assert "Traceback" not in told.output
