"""The command line: ``workstation demo | serve | collect | replay | import | doctor``."""

from workstation.cli.app import app

__all__ = ["app"]
