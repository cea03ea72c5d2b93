"""Cells that a spreadsheet would run are quoted when written and come back as they were."""

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from skclip._files import guard_cell, unguard_cell, unguard_column

CELLS = st.text(alphabet="'=+-@\t\ra ", max_size=6)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "''@"])
def test_what_a_spreadsheet_would_run_is_quoted(text):
    assert guard_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a cat", "l'étoile", "'a quoted' cat", "a-b", "1-2"])
def test_other_texts_stay_as_they_are(text):
    assert guard_cell(text) == text
    assert unguard_cell(text) == text


@given(CELLS)
def test_every_text_comes_back(text):
    written = guard_cell(text)
    assert unguard_cell(written) == text
    assert written[:1] not in "=+-@" or not written


@given(st.lists(CELLS | st.none(), max_size=4))
def test_a_column_is_read_as_its_cells_are(texts):
    cells = pa.array([None if t is None else guard_cell(t) for t in texts], pa.string())
    assert unguard_column(cells).to_pylist() == texts


def test_numbers_are_left_alone():
    numbers = pa.array([-1, 2])
    assert unguard_column(numbers) is numbers
