"""``python -m workstation.cli`` is ``workstation``."""

from workstation.cli.app import app

if __name__ == "__main__":
    app()
