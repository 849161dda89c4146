"""Query parameters: declared once, read strictly, described in the OpenAPI document from the same declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workstation.history.history import to_ns
from workstation.market.durations import nanoseconds
from workstation.market.errors import HistoryError, WorkstationError

TEXT_LIMIT = 200
"""Characters a parameter may have."""
_LEAST_NS, _MOST_NS = -(2**63) + 1, 2**63 - 1
_CURSOR = re.compile(r"(-?[0-9]{1,19})\.([0-9]{1,19})")
_NUMBER = re.compile(r"-?[0-9]{1,19}")


class RequestError(WorkstationError, ValueError):
    """A request that cannot be answered, with the HTTP status that says so.

    Examples
    --------
    >>> RequestError(404, "currency", "no chain of 'XXX'").status
    404
    """

    def __init__(self, status: int, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}" if parameter else message)
        self.status, self.parameter, self.reason_text = status, parameter, message


@dataclass(frozen=True)
class Parameter:
    """One query parameter.

    Attributes
    ----------
    name, doc
        As callers see them.
    read
        Makes the value of its text; raises ``ValueError`` with words for the caller.
    schema
        Its JSON schema in the OpenAPI document.
    required, default
        Whether it must be given, and what it is when it is not.
    """

    name: str
    doc: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string", "maxLength": TEXT_LIMIT})
    required: bool = False
    default: Any = None


def text(value: str) -> str:
    """A printable text of at most 200 characters."""
    if not value or not value.isprintable():
        raise ValueError("is empty or holds characters that cannot be printed")
    return value


def moment(value: str) -> int:
    """UTC nanoseconds of an ISO text or of whole nanoseconds.

    >>> moment("1970-01-01T00:00:01Z"), moment("12")
    (1000000000, 12)
    """
    if _NUMBER.fullmatch(value):
        return _within(int(value))
    try:
        made = to_ns(text(value))
    except HistoryError as error:
        raise ValueError(str(error)) from None
    except (OverflowError, ValueError) as error:
        raise ValueError(f"is no time: {error}") from None
    assert made is not None
    return _within(made)


def _within(value: int) -> int:
    if not _LEAST_NS <= value <= _MOST_NS:
        raise ValueError("is beyond what int64 nanoseconds hold")
    return value


def cursor(value: str) -> tuple[int, int]:
    """The (event_ns, seq) of a page's last row.

    >>> cursor("1700000000000000000.42")
    (1700000000000000000, 42)
    """
    found = _CURSOR.fullmatch(value)
    if found is None:
        raise ValueError("is no cursor; take it from `next` of the page before")
    return _within(int(found[1])), _within(int(found[2]))


def whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number between two bounds."""

    def read(value: str) -> int:
        if not _NUMBER.fullmatch(value) or not least <= int(value) <= most:
            raise ValueError(f"is no whole number from {least} to {most}")
        return int(value)

    return read


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Reads one of these words."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return value

    return read


def duration(value: str) -> int:
    """Nanoseconds of a length such as ``1s`` or ``5min``.

    >>> duration("1min")
    60000000000
    """
    try:
        return nanoseconds(text(value))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is no length of time such as 1s or 5min: {error}") from None


def choice(
    name: str, doc: str, choices: Sequence[str], default: str | None = None, required: bool = False
) -> Parameter:
    """A parameter that is one of some words."""
    schema = {"type": "string", "enum": list(choices)}
    return Parameter(name, doc, one_of(choices), schema, required, default)


START = Parameter("start", "First moment: ISO time (UTC when without a zone) or ns since 1970.", moment)
END = Parameter("end", "First moment that is not included: ISO time or ns since 1970.", moment)
CURSOR = Parameter(
    "cursor", "`next` of the page before: the rows after it.", cursor,
    {"type": "string", "pattern": f"^{_CURSOR.pattern}$"},
)  # fmt: skip
LIMIT = Parameter(
    "limit", "Most rows of a page.", whole(1, 10_000),
    {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000}, default=1_000,
)  # fmt: skip
ORDER = choice("order", "Oldest first (asc) or newest first (desc).", ("asc", "desc"), "asc")
PAGING = (START, END, CURSOR, LIMIT, ORDER)


def read_query(declared: Sequence[Parameter], given: Mapping[str, Sequence[bytes]]) -> dict[str, Any]:
    """Values of all declared parameters.

    Parameters
    ----------
    declared
        What the resource takes.
    given
        The query as it came: bytes by name, several where a name is repeated.

    Raises
    ------
    RequestError
        400: an unknown or repeated parameter, one that is missing, or a value that is none; the message names it.

    Examples
    --------
    >>> read_query([LIMIT], {"limit": [b"5"]})
    {'limit': 5}
    """
    names = [one.name for one in declared]
    for name in given:
        if name not in names:
            raise RequestError(
                400, name[:40], f"no such parameter; there are {', '.join(names) or 'none'} here"
            )
    return {one.name: _value(one, given.get(one.name, ())) for one in declared}


def _value(parameter: Parameter, given: Sequence[bytes]) -> Any:
    if not given:
        if parameter.required:
            raise RequestError(400, parameter.name, f"is missing: {parameter.doc}")
        return parameter.default
    if len(given) > 1:
        raise RequestError(400, parameter.name, "is given more than once")
    try:
        value = given[0].decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(400, parameter.name, "is not UTF-8") from None
    if len(value) > TEXT_LIMIT:
        raise RequestError(400, parameter.name, f"is longer than {TEXT_LIMIT} characters")
    try:
        return parameter.read(value)
    except ValueError as error:
        raise RequestError(400, parameter.name, str(error)) from None
