"""Who published a record: Databento's publisher ids, each a dataset and a venue.

The table ships as data. Ids, datasets and venues are the vendor's list (https://github.com/databento/dbn,
rust/dbn/src/publishers.rs, as in databento 0.87.0, Apache-2.0). The role is this project's reading of the vendor's
descriptions: ``exchange`` (one of several where the instrument trades), ``sole`` (the one exchange that lists it),
``consolidated`` (all venues of the dataset together), ``off_exchange`` (trade reports and off-market trades).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workstation.market.tables.categories import category, constant


class Publisher(NamedTuple):
    """A dataset and the venue of it."""

    dataset: str
    venue: str
    """Market identifier code as in the vendor's list; ``publisher-250`` when the id is not in it."""
    role: str
    """exchange, sole, consolidated, off_exchange; empty when the id is not in the list."""

    @property
    def name(self) -> str:
        """The venue as it stands in a row's ``venue``."""
        return self.venue.lower()


@lru_cache(maxsize=1)
def publishers() -> Mapping[int, Publisher]:
    """All publishers of the shipped list, by id."""
    text = files("workstation.feeds.files").joinpath("dbn_publishers.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {int(row["publisher_id"]): Publisher(row["dataset"], row["venue"], row["role"]) for row in rows}


def publisher(number: int) -> Publisher:
    """The publisher of an id; one that is not in the list keeps its number.

    Examples
    --------
    >>> publisher(22), publisher(30).role, publisher(250).name
    (Publisher(dataset='OPRA.PILLAR', venue='XCBO', role='exchange'), 'consolidated', 'publisher-250')
    """
    return publishers().get(number) or Publisher("", f"publisher-{number}", "")


def dataset_name(dataset: str) -> str:
    """What the rows of all venues of a dataset together carry as their ``venue``.

    Examples
    --------
    >>> dataset_name("OPRA.PILLAR"), dataset_name("GLBX.MDP3")
    ('opra', 'glbx')
    """
    return dataset.split(".")[0].lower()


class Published:
    """The publishers of records, as columns."""

    def __init__(self, ids: Any) -> None:
        self._rows = len(ids)
        if self._rows and (ids == ids[0]).all():
            self._distinct, self._places = [int(ids[0])], None
        else:
            distinct, places = np.unique(ids, return_inverse=True)
            self._distinct, self._places = distinct.tolist(), places
        self._known = [publisher(number) for number in self._distinct]

    def _column(self, words: list[str]) -> pd.Categorical:
        if self._places is None:
            return constant(words[0], self._rows)
        return category(words, self._places)

    @property
    def venue(self) -> pd.Categorical:
        """Each record's venue."""
        return self._column([one.name for one in self._known])

    @property
    def code(self) -> pd.Categorical:
        """The venue's code as the vendor writes it; empty for all venues together."""
        return self._column(["" if one.role == "consolidated" else one.venue for one in self._known])

    @property
    def quoting(self) -> pd.Categorical:
        """As ``code``, and empty for the only exchange that lists the instrument: its best bid and offer are the market's."""
        own = ("consolidated", "sole")
        return self._column(["" if one.role in own else one.venue for one in self._known])

    @property
    def off_exchange(self) -> Any:
        """Whether each record is of a trade reporting facility or an off-market trade."""
        off = np.array([one.role == "off_exchange" for one in self._known])
        return np.full(self._rows, off.any()) if self._places is None else off[self._places]
