"""Modules named as their one function: ``candles`` is a module and may be called as the function it holds."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module that passes a call on to its function of the same name."""

    def __call__(self, *args: Any, **parameters: Any) -> Any:
        """What the function gives."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **parameters)


def make_callable(name: str) -> None:
    """Let the module of this full name be called."""
    sys.modules[name].__class__ = CallableModule
