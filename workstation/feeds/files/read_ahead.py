"""The next block or file is read while the caller uses the one before: two cores instead of one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def one_ahead(items: Iterator[Item], make: Callable[[Item], Made]) -> Generator[Made]:
    """``map(make, items)`` with one item in the making while the one before is used.

    Items are taken and made one after the other, in order, on one thread; what is raised there is raised here.

    Examples
    --------
    >>> list(one_ahead(iter([1, 2, 3]), lambda item: 2 * item))
    [2, 4, 6]
    """

    def following() -> tuple[Made] | None:
        for item in items:
            return (make(item),)
        return None

    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        coming = pool.submit(following)
        while (result := coming.result()) is not None:
            coming = pool.submit(following)
            yield result[0]
