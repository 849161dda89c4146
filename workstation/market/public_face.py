"""Public faces of packages: names that are imported when they are first asked for, and modules that can be called.

A module that is named as its one function (``workstation.pricing.chain``) can be called as that function, so that
``from workstation.pricing import chain`` is right whichever of the two Python has at hand.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module that passes a call on to its function of the same name."""

    def __call__(self, *args: Any, **parameters: Any) -> Any:
        """What the function gives."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **parameters)


def make_callable(name: str) -> None:
    """Let the module of this full name be called, and show the parameters of what is called.

    Examples
    --------
    >>> import inspect
    >>> from workstation.portfolio import explain
    >>> list(inspect.signature(explain).parameters)
    ['before', 'after', 'flows', 'rates']
    """
    module = sys.modules[name]
    module.__signature__ = inspect.signature(getattr(module, name.rpartition(".")[2]))  # type: ignore[attr-defined]
    module.__class__ = CallableModule


def lazy(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package whose names are loaded at the first use.

    Parameters
    ----------
    package
        Its full name.
    homes
        Public name -> the module it is in, below the package. A name that is a module of the package is that module, callable.

    Examples
    --------
    >>> from workstation.pricing import chain, greeks
    >>> callable(chain), callable(greeks)
    (True, True)
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(homes))}"
            )
        module = import_module(f"{package}.{homes[name]}")
        return module if homes[name] == name else getattr(module, name)

    return get, lambda: sorted(homes), sorted(homes)
