"""The CSVs of a LEAN zip as blocks of whole lines, in bounded memory and with every member accounted for.

Thousands of contracts' small CSVs are read as one block: opening each by itself would cost more than reading it. A
member that cannot be read, or whose name does not say what it holds, is set aside by its name; the others are read.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workstation.feeds.files.lean.contracts import Contract, contract_of
from workstation.feeds.files.lean.paths import LeanFile
from workstation.feeds.files.reading import Rejections
from workstation.market.errors import FrameError, SymbolError

BLOCK_BYTES = 8 * 2**20
"""Text read as one."""
LINE_BYTES = 64 * 2**10
"""No line of a LEAN file is nearly as long."""
MEMBER_BYTES = 8 * 2**30
"""Largest member read, unpacked."""
SMALL_BYTES = 64 * 2**20
RATIO = 200
"""A member above ``SMALL_BYTES`` that says it unpacks to more than so many times its size is not read: LEAN's own
text packs about 5 to 20 times."""
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    OSError,
    UnicodeDecodeError,
)
"""What zipfile raises on a damaged, encrypted or oddly packed member."""


@dataclass(frozen=True)
class Piece:
    """Lines of one member within a block: the block's rows ``start`` to ``end``."""

    contract: Contract
    member: str
    start: int
    end: int
    first_line: int


@dataclass(frozen=True)
class Block:
    """Whole lines of one or several members, joined."""

    text: bytes
    pieces: tuple[Piece, ...]

    @property
    def lines(self) -> int:
        return self.pieces[-1].end

    def where(self, row: int) -> str:
        """Member and line of a row."""
        piece = next(piece for piece in self.pieces if row < piece.end)
        return f"{piece.member}, line {piece.first_line + row - piece.start}"

    def counts(self) -> npt.NDArray[np.int64]:
        """Rows of each piece."""
        return np.array([piece.end - piece.start for piece in self.pieces])


def blocks(archive: zipfile.ZipFile, file: LeanFile, rejections: Rejections) -> Iterator[Block]:
    """The members' lines, in the zip's order.

    Raises
    ------
    FrameError
        No member can be read.
    """
    if not archive.infolist():
        raise FrameError(f"{file.name}: the zip is empty")
    lost = _promised(archive) - len(archive.infolist())
    rejections.add(
        "member that the zip's directory does not name, though it counts it", max(lost, 0), file.name
    )
    gathered = _Gathered()
    damaged: list[str] = []
    whole = 0
    for entry in archive.infolist():
        try:
            contract = _contract(archive, entry, file, rejections)
            if contract is None:
                pass
            elif entry.file_size > BLOCK_BYTES:
                yield from gathered.taken()
                yield from _large(archive, entry, contract)
            else:
                text = _lines_of(archive.read(entry))
                if gathered.size + len(text) > BLOCK_BYTES:
                    yield from gathered.taken()
                gathered.add(contract, entry.filename, text)
            whole += 1
        except DAMAGE as error:
            damaged.append(f"{entry.filename}: {error}")
            rejections.add("member of the zip that is damaged or cannot be unpacked", 1, damaged[-1])
    yield from gathered.taken()
    if damaged and not whole:
        raise FrameError(
            f"{file.name}: no member of the zip can be unpacked: {damaged[0]}; take it from its source again"
        )


def _promised(archive: zipfile.ZipFile) -> int:
    """How many members the zip's last record says there are; 0 where it does not (more than 65 534)."""
    stream = archive.fp
    assert stream is not None
    stream.seek(0, 2)
    stream.seek(max(stream.tell() - 65_557, 0))
    tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    count = int.from_bytes(tail[place + 10 : place + 12], "little") if place >= 0 else 0
    return 0 if count == 0xFFFF else count


def _contract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: LeanFile, rejections: Rejections
) -> Contract | None:
    """The member's instrument; None when its name says none, or it is a folder: its lines are set aside.

    Raises
    ------
    zipfile.BadZipFile
        It is too large to be LEAN's.
    """
    if entry.filename.endswith("/") and not entry.file_size:
        return None
    if entry.file_size > MEMBER_BYTES:
        raise zipfile.BadZipFile(
            f"{entry.file_size} bytes unpacked, more than the {MEMBER_BYTES >> 30} GiB that are read"
        )
    if entry.file_size > SMALL_BYTES and entry.file_size > RATIO * entry.compress_size:
        raise zipfile.BadZipFile(
            f"says that {entry.compress_size} bytes unpack to {entry.file_size}, more than {RATIO} times as much"
        )
    try:
        return contract_of(file, entry.filename)
    except SymbolError as error:
        lines = _count_lines(archive, entry) if entry.filename.lower().endswith(".csv") else 1
        rejections.add(f"member of the zip not read: {error}", lines, entry.filename)
        return None


def _count_lines(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    lines, last = 0, b"\n"
    with archive.open(entry) as stream:
        while chunk := stream.read(BLOCK_BYTES):
            lines, last = lines + chunk.count(b"\n"), chunk[-1:]
    return max(lines + (last != b"\n"), 1)


def _lines_of(text: bytes) -> bytes:
    """Lines that end in ``\\n`` alone, without empty ones at the end."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    text = text.removeprefix(b"\xef\xbb\xbf").rstrip(b"\n")
    return text + b"\n" if text else b""


class _Gathered:
    """Small members waiting to be read as one."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._pieces: list[Piece] = []
        self._rows = 0
        self.size = 0

    def add(self, contract: Contract, member: str, text: bytes) -> None:
        if text:
            end = self._rows + text.count(b"\n")
            self._pieces.append(Piece(contract, member, self._rows, end, 1))
            self._texts.append(text)
            self._rows, self.size = end, self.size + len(text)

    def taken(self) -> Iterator[Block]:
        texts, pieces = self._texts, tuple(self._pieces)
        self._texts, self._pieces, self._rows, self.size = [], [], 0, 0
        if pieces:
            yield Block(texts[0] if len(texts) == 1 else b"".join(texts), pieces)


def _large(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, contract: Contract) -> Iterator[Block]:
    """Blocks of a member too large to be read at once."""
    line, rest = 1, b""
    with archive.open(entry) as stream:
        while chunk := stream.read(BLOCK_BYTES):
            text = rest + chunk if rest else chunk
            cut = text.rfind(b"\n") + 1
            rest = text[cut:]
            if cut:
                block = _one(contract, entry.filename, text[:cut], line)
                yield block
                line += block.lines
            if len(rest) > LINE_BYTES:
                raise zipfile.BadZipFile(f"line {line} has no end")
    if rest:
        yield _one(contract, entry.filename, rest + b"\n", line)


def _one(contract: Contract, member: str, text: bytes, line: int) -> Block:
    """A block of one member; carriage returns become line ends where they stand."""
    if line == 1:
        text = text.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Block(text, (Piece(contract, member, 0, text.count(b"\n"), line),))
