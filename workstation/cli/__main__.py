"""``python -m workstation.cli`` is ``workstation``."""

from workstation.cli.app import app

app()
