"""Mistakes answered in a line or two: a wrong port, setting, feed option or path is no traceback."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Column

from workstation.market.errors import WorkstationError
from workstation.settings import Settings

WIDE = 240
"""Columns where nobody looks at a terminal: a pipe or a log gets whole lines."""
console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE)
Command = TypeVar("Command", bound=Callable[..., Any])
TRACEBACK = "WORKSTATION_TRACEBACK"
"""Environment variable that asks for tracebacks."""


def digest_column(title: str) -> Column:
    """A column of digests: folded where it does not fit, never cut."""
    return Column(title, overflow="fold")


def fail(error: BaseException) -> None:
    """Say what is wrong and end with exit code 1."""
    console.print(f"[bold red]{type(error).__name__}[/]: {error}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def settings_of(**given: Any) -> Settings:
    """The settings; what is wrong with them is said by name. Raises ``WorkstationError``."""
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_input=False, include_url=False)
        )
        raise WorkstationError(f"settings (WORKSTATION_*, .env, workstation.toml): {wrong}") from error
    except SettingsError as error:
        raise WorkstationError(f"settings: {error}; lists and tables are written as JSON") from error
    except (OSError, ValueError) as error:
        raise WorkstationError(f"settings: workstation.toml or .env cannot be read: {error}") from error


def answered(command: Command) -> Command:
    """A command whose errors are answered in a line; with ``WORKSTATION_TRACEBACK`` set they are raised."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except (WorkstationError, OSError) as error:
            if os.environ.get(TRACEBACK):
                raise
            fail(error)

    return run  # type: ignore[return-value]
