"""Banks: unit rows in half precision, made once, whatever a teacher is."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from skclip.distill import _banks
from skclip.distill._banks import (
    image_rows,
    open_teacher,
    read_bank,
    teacher_identity,
    text_rows,
)
from skclip.distill._pairs import gather_pairs

ROWS = np.random.default_rng(0).normal(size=(10, 4))


class Counting:
    """A teacher of numbers that notes what it was asked, and may fail."""

    def __init__(self, fails_at=None):
        self.asked = []
        self.fails_at = fails_at

    def transform(self, items):
        if self.fails_at in items:
            raise RuntimeError("the teacher was interrupted")
        self.asked += items
        return ROWS[[int(item) for item in items]]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(_banks, "_CHUNK", 3)


@pytest.fixture
def pairs():
    return gather_pairs([f"{i}.jpg" for i in range(10)], [str(i) for i in range(10)])


def test_rows_are_unit_half_precision(pairs):
    bank = read_bank(text_rows(Counting(), pairs, 10), 10, name="text_teacher")
    assert bank.dtype == np.float16
    expected = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    np.testing.assert_allclose(bank, expected, atol=1e-3)


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupted_bank_goes_on_where_it_stopped(pairs, tmp_path):
    path = tmp_path / "text_bank.npy"
    first = Counting(fails_at="7")
    with pytest.raises(RuntimeError, match="interrupted"):
        read_bank(text_rows(first, pairs, 10), 10, name="text_teacher", path=path)
    assert not path.exists()
    second = Counting()
    bank = read_bank(text_rows(second, pairs, 10), 10, name="text_teacher", path=path)
    assert first.asked + second.asked == pairs.captions
    whole = read_bank(text_rows(Counting(), pairs, 10), 10, name="text_teacher")
    np.testing.assert_array_equal(bank, whole)


@pytest.mark.usefixtures("small_chunks")
def test_a_finished_bank_asks_the_teacher_nothing(pairs, tmp_path):
    path = tmp_path / "bank.npy"
    read_bank(text_rows(Counting(), pairs, 10), 10, name="text_teacher", path=path)
    again = Counting()
    read_bank(text_rows(again, pairs, 10), 10, name="text_teacher", path=path)
    assert again.asked == []


def test_sparse_rows_are_taken(pairs):
    teacher = HashingVectorizer(n_features=16)
    bank = read_bank(text_rows(teacher, pairs, 10), 10, name="text_teacher")
    assert bank.shape == (10, 16)


def test_rows_of_an_array_follow_the_pairs_that_are_kept(pairs):
    kept = pairs.without(images=[0], pairs=[4])
    rows = text_rows(ROWS, kept, 10)(np.arange(8))
    np.testing.assert_array_equal(rows, ROWS[[1, 2, 3, 5, 6, 7, 8, 9]])


def test_image_bank_with_a_row_a_pair_takes_the_first_of_each_image():
    pairs = gather_pairs(list("aabbc"), list("vwxyz"))
    rows = image_rows(ROWS[:5], pairs, 5)(np.arange(3))
    np.testing.assert_array_equal(rows, ROWS[[0, 2, 4]])


def test_image_bank_with_a_row_an_image_is_indexed_by_ids():
    pairs = gather_pairs(list("aabbc"), list("vwxyz"), image_ids=[7, 7, 2, 2, 9])
    rows = image_rows(ROWS, pairs, 5)(np.arange(3))
    np.testing.assert_array_equal(rows, ROWS[[7, 2, 9]])


def test_npy_file_is_mapped(tmp_path):
    np.save(tmp_path / "bank.npy", ROWS)
    assert isinstance(open_teacher(tmp_path / "bank.npy", "image_teacher"), np.memmap)


def test_identity_tells_rows_and_parameters_apart():
    assert teacher_identity(ROWS) != teacher_identity(ROWS + 1)
    one, other = (teacher_identity(CountVectorizer(binary=b)) for b in (True, False))
    assert one != other
    assert one == teacher_identity(CountVectorizer(binary=True))


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (None, "image_teacher is None: give a transformer"),
        ("nowhere.npy", r"image_teacher='nowhere.npy' is not an .npy file"),
        (np.zeros(3), r"image_teacher must have a method transform.*shape \(3,\)"),
        (np.array([["a"]]), "image_teacher must have a method transform"),
    ],
)
def test_what_is_no_teacher(teacher, message):
    with pytest.raises(ValueError, match=message):
        open_teacher(teacher, "image_teacher")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (None, "image_teacher has 10 rows but there are 3 pairs"),
        (["a", "b", "c"], "image_teacher has 10 rows but there are 3 pairs"),
        (
            [0, 1, 10],
            "image_ids must be row numbers of image_teacher, because it has 10 rows.*got 10",
        ),
    ],
)
def test_rows_that_fit_no_pairs(ids, message):
    pairs = gather_pairs(list("abc"), list("xyz"), ids)
    with pytest.raises(ValueError, match=message):
        image_rows(ROWS, pairs, 3)


def test_text_bank_of_another_length():
    pairs = gather_pairs(list("abc"), list("xyz"))
    with pytest.raises(ValueError, match="text_teacher has 10 rows but there are 3 pairs"):
        text_rows(ROWS, pairs, 3)


def test_nan_in_a_bank_is_refused(pairs):
    rows = ROWS.copy()
    rows[[2, 5]] = np.nan
    message = "text_teacher has NaN or infinity in 2 of rows 0 to 9, such as 2, 5"
    with pytest.raises(ValueError, match=message):
        read_bank(text_rows(rows, pairs, 10), 10, name="text_teacher")


def test_teacher_that_loses_rows(pairs):
    class Losing:
        def transform(self, items):
            return ROWS[:2]

    with pytest.raises(
        ValueError, match=r"text_teacher returned an array of shape \(2, 4\) for 10"
    ):
        read_bank(text_rows(Losing(), pairs, 10), 10, name="text_teacher")
