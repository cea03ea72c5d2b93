import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

from skclip.evaluation._draws import (
    digest_of,
    draw_rows,
    name_of_shots,
    row_digests,
    shots_of_name,
)

CODES = np.tile(np.arange(4), 30)
CLASSES = list("abcd")


@given(st.integers(0, 1000), st.sampled_from([1, 2, 4, 8, 16, 30]))
def test_every_class_gets_its_number_of_images(seed, shots):
    rows = draw_rows(CODES, CLASSES, shots, seed)
    assert_array_equal(np.bincount(CODES[rows]), [shots] * 4)
    assert len(set(rows.tolist())) == len(rows)


@given(st.integers(0, 1000))
def test_fewer_shots_are_among_more(seed):
    few, more = (set(draw_rows(CODES, CLASSES, n, seed).tolist()) for n in (2, 8))
    assert few < more


def test_seeds_differ_and_repeat():
    first, again, other = (draw_rows(CODES, CLASSES, 4, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_tuple_is_dealt_to_the_classes():
    rows = draw_rows(CODES, CLASSES, (0, 1, 15), 0)
    counts = sorted(np.bincount(CODES[rows], minlength=4).tolist())
    assert counts == [0, 0, 1, 15]
    dealt = {tuple(np.bincount(CODES[draw_rows(CODES, CLASSES, (0, 9), s)])) for s in range(20)}
    assert len(dealt) > 1


def test_more_images_than_there_are_is_refused():
    codes = np.r_[CODES, 4, 4]
    with pytest.raises(ValueError, match=r"shots=4 asks for more images .*: 'e \(2\)'"):
        draw_rows(codes, [*CLASSES, "e"], 4, 0)


def test_no_image_at_all_is_refused():
    with pytest.raises(ValueError, match="shots=0 labels no image"):
        draw_rows(CODES, CLASSES, 0, 0)


@pytest.mark.parametrize("shots", [4, (0, 1, 15)])
def test_names_of_shots_can_be_read(shots):
    assert shots_of_name(name_of_shots(shots)) == shots


def test_digests_know_rows_and_labels_but_no_order():
    X, y = np.random.default_rng(0).standard_normal((4, 3)), np.array(list("abca"))
    digests = row_digests(X, y)
    assert digest_of(digests) == digest_of(digests[::-1])
    assert row_digests(X, y[::-1])[:2] != digests[:2]
    assert row_digests(X + 1e-7, y) != digests
