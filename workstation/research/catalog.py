"""The workstation's Intake catalog: tables and cubes of a history, recorded samples, and pictures of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import intake
import pandas as pd
from intake.readers.datatypes import BaseData
from intake.readers.readers import BaseReader

from workstation import plots
from workstation.feeds.files import Rejections, read
from workstation.history.catalog import StoredTable, TableReader
from workstation.market.errors import WorkstationError, unknown_name
from workstation.market.public_face import make_callable
from workstation.market.tables import table as declared

PLOTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "candles": ("candles", ("theme",)),
    "ticks": ("trades", ("theme",)),
    "intensity": ("intensity", ("instrument", "theme")),
    "levels_over_time": ("levels", ("theme",)),
    "exposure_over_time": ("exposures", ("column", "spot", "theme")),
}
"""Picture (a function of ``workstation.plots``) -> the table it shows, and its own parameters."""


def catalog(store: str | Path | None = None, **parameters: Any) -> Any:
    """The catalog of a history, with its cubes, pictures and the recorded samples.

    Parameters
    ----------
    store
        Address of the history; default: WORKSTATION_HISTORY, else the user's data folder.
    parameters
        Of the whole catalog, for every entry that has them: ``start``, ``end``, ``instruments``, ``underlying``, ``venue``;
        ``samples``, the folder of recorded market data (default: WORKSTATION_SAMPLE_DATA).

    Returns
    -------
    intake.readers.entry.Catalog
        ``catalog.trades.read(start="2026-03-27", underlying="BTC")``; ``list(catalog)`` names the entries.

    Raises
    ------
    WorkstationError
        The catalogs are not installed.

    Examples
    --------
    >>> {"trades", "exposure_by_strike", "surfaces_over_time", "plot_candles", "sample_deribit_chain"} <= set(catalog())
    True
    """
    if store is not None:
        parameters["store"] = str(store)
    opened = intake.open_catalog(str(_file()))
    return opened(**parameters) if parameters else opened


def _file() -> Path:
    """Of the checkout, else of the installed package."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "catalogs", package / "catalogs"):
        if (folder / "history.yaml").exists():
            return folder / "history.yaml"
    raise WorkstationError("the catalogs are not installed; install the workstation again")


class SampleFiles(BaseData):
    """Recorded files of one format.

    Parameters
    ----------
    format
        One of ``workstation.feeds.files.FORMATS``.
    files
        Pattern below the folder, as ``crypto_options/*.csv.gz``.
    folder
        Of the recorded market data.
    options
        What the format needs beyond the file.
    """

    structure = frozenset({"table", "timeseries"})

    def __init__(
        self,
        format: str,
        files: str,
        folder: str = "",
        options: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.format, self.files, self.folder, self.options = format, files, folder, options
        super().__init__(metadata)


class SampleReader(BaseReader):
    """Rows of one table in recorded files, as a pandas frame."""

    implements = {SampleFiles}  # noqa: RUF012 -- intake's own convention
    output_instance = "pandas:DataFrame"

    def _read(self, data: SampleFiles, table: str = "", most_files: int = 1) -> pd.DataFrame:
        """Rows of ``table`` in the first ``most_files`` files; counts of what was set aside are in ``attrs["rejected"]``."""
        schema = declared(table)
        paths = sorted(Path(data.folder).glob(data.files)) if data.folder else []
        if not paths:
            raise WorkstationError(
                f"no file {data.files} in {data.folder or 'any folder'}; set WORKSTATION_SAMPLE_DATA to the folder of recorded "
                "market data, or catalog(samples=...)"
            )
        rejections, found = Rejections(), []
        for path in paths[:most_files]:
            batches = read(data.format, path, rejections, **(data.options or {}))
            found += [batch.frame for batch in batches if batch.table == table]
        rows = schema.concat(found)
        rows.attrs["rejected"] = dict(rejections.counts)
        return rows


class StoredPlot(BaseData):
    """A picture of a table of a history; ``plot`` is a name of ``PLOTS``."""

    structure = frozenset({"figure"})

    def __init__(self, plot: str, url: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        if plot not in PLOTS:
            raise WorkstationError(unknown_name("plot", plot, PLOTS))
        self.plot, self.url = plot, url
        super().__init__(metadata)


class PlotReader(BaseReader):
    """A picture as a HoloViews element."""

    implements = {StoredPlot}  # noqa: RUF012 -- intake's own convention
    output_instance = "holoviews:Dimensioned"

    def _read(self, data: StoredPlot, **chosen: Any) -> Any:
        """Parameters choose rows as for ``TableReader``; those of the function in ``workstation.plots`` besides."""
        table, own = PLOTS[data.plot]
        options = {name: chosen.pop(name) for name in own if name in chosen}
        rows = TableReader(StoredTable(table, data.url)).read(**chosen)
        return getattr(plots, data.plot)(rows, **options)


make_callable(__name__)
