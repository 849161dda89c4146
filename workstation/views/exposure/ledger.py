"""How the exposure numbers were made."""

from __future__ import annotations

from workstation.views.exposure.recorded import levels_of
from workstation.views.exposure.snapshot import Snapshots
from workstation.views.state.choice import Choice
from workstation.views.state.source import Source, View
from workstation.views.widgets.provenance import Provenance


class Ledger(View):
    """The ledger of the chosen snapshot."""

    inputs = ("priced_chain", "levels")

    def __init__(self, choice: Choice, snapshots: Snapshots) -> None:
        self.choice, self._snapshots = choice, snapshots
        self._page = Provenance()
        self.panel = self._page.panel

    def refresh(self, source: Source) -> None:
        """Write the newest ledger."""
        result = self._snapshots.newest(source)
        recorded = result.published and len(levels_of(source, self.choice)) > 0
        self._page.show(result.ledger, recorded=recorded)

    def show_failure(self, reason: str) -> None:
        """Say it in place of the ledger."""
        self._page.fail(reason)
