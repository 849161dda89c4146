"""Texts read at a few rows of a column are those of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workstation.market.tables.texts import text_column, text_list, texts_at


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(max_size=4), min_size=1, max_size=8), st.lists(st.integers(0, 7), max_size=6), st.data()
)
def test_texts_are_those_of_pandas(texts: list[str], rows: list[int], data: st.DataObject) -> None:
    skipped = data.draw(st.integers(0, len(texts) - 1))
    held, at = texts[skipped:], np.array([row % (len(texts) - skipped) for row in rows], np.int64)
    wanted = [held[row] for row in at.tolist()]
    sliced = text_column(pa.array(texts, pa.large_string()).slice(skipped))
    chunks = text_column(pa.chunked_array([pa.array([text], pa.large_string()) for text in held]))
    assert texts_at(sliced, at) == texts_at(chunks, at) == wanted
    category = pd.Categorical([*held, None])
    assert texts_at(category, np.append(at, len(held))) == [*wanted, ""]
    assert text_list(category[np.append(at, len(held))]) == [*wanted, ""]


def test_missing_texts_are_empty_and_rows_beyond_the_end_an_error() -> None:
    column = pd.array(["a", None], dtype="str")
    assert texts_at(column, np.array([1, 0])) == ["", "a"]
    with pytest.raises(IndexError, match="no text at row 2 of 2"):
        texts_at(text_column(["a", "b"]), np.array([2]))
