"""Calling a compiled kernel without looking at the types of its arguments again.

Numba's dispatcher asks the type of every argument at every call; of a record of arrays that costs 0.4 us per array, of the
records of one batch more than the batch itself. Where the arguments are always of the same types, the compiled function can be
called directly: ``CompileResult.entry_point``, which is what the dispatcher calls in the end. It checks the dimensions and item
sizes of arrays, not their dtypes, so that only arguments of declared dtypes may be passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core.dispatcher import Dispatcher
from numba.core.typing.typeof import typeof


class TypedKernel:
    """A kernel whose arguments have the same types at every call: those of the first.

    Parameters
    ----------
    kernel
        A function compiled by ``numba.njit``; a plain function (``NUMBA_DISABLE_JIT``) is called as it is.

    Examples
    --------
    >>> import numba, numpy as np
    >>> double = TypedKernel(numba.njit(lambda values: 2.0 * values[0]))
    >>> double(np.array([1.5])), double(np.array([2.5, 0.0]))
    (3.0, 5.0)
    """

    def __init__(self, kernel: Callable[..., Any]) -> None:
        self._kernel = kernel
        self._entry: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """What the kernel gives."""
        entry = self._entry
        if entry is None:
            entry = self._entry = self._compiled(arguments)
        return entry(*arguments)

    def _compiled(self, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        kernel = self._kernel
        if not isinstance(kernel, Dispatcher):
            return kernel
        types = tuple(typeof(argument) for argument in arguments)  # type: ignore[no-untyped-call]
        kernel.compile(types)
        entry: Callable[..., Any] = kernel.overloads[types].entry_point  # type: ignore[attr-defined]
        return entry
