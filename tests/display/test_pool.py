import sys

import numpy as np
import pytest

from skclip.display import PoolDisplay
from skclip.recall import PrimingPool


def solid(value: int, shape: tuple[int, int] = (20, 20)) -> np.ndarray:
    return np.full((*shape, 3), value, dtype=np.uint8)


@pytest.fixture
def pool() -> PrimingPool:
    return PrimingPool(
        ["dog", "cat", "dog", "cat", "cat"], images=[solid(50 * i) for i in range(5)]
    )


def test_one_line_a_class_in_pool_order(pool):
    display = PoolDisplay.from_pool(pool, size=16)
    assert list(display.thumbnails) == ["cat", "dog"]
    assert display.thumbnails["cat"].shape == (3, 16, 16, 3)
    assert display.thumbnails["cat"][:, 0, 0, 0].tolist() == [50, 150, 200]
    assert display.thumbnails["dog"][:, 0, 0, 0].tolist() == [0, 100]


def test_at_most_n_per_class(pool):
    display = PoolDisplay.from_pool(pool, n_per_class=1)
    assert {label: len(images) for label, images in display.thumbnails.items()} == {
        "cat": 1,
        "dog": 1,
    }


def test_lines_tell_how_many_of_all_were_kept(pool):
    kept = [True, False, False, True, True]
    display = PoolDisplay.from_pool(pool, kept=kept, n_per_class=1)
    assert display.line_names == {"cat": "cat (2 of 3)", "dog": "dog (1 of 2)"}
    assert display.kept["cat"].tolist() == [False]


def test_images_keep_their_proportions_on_white():
    pool = PrimingPool(["wide"], images=[solid(0, (10, 40))])
    thumbnail = PoolDisplay.from_pool(pool, size=20).thumbnails["wide"][0]
    assert (thumbnail[10] == 0).all()
    assert (thumbnail[[0, -1]] == 255).all()


def test_unreadable_image_is_grey():
    pool = PrimingPool(["cat"], images=["no/such/file.jpg"])
    thumbnail = PoolDisplay.from_pool(pool, size=8).thumbnails["cat"][0]
    assert np.unique(thumbnail).tolist() == [160]


def test_pool_without_images_is_refused():
    with pytest.raises(ValueError, match="has no images to show"):
        PoolDisplay.from_pool(PrimingPool(["cat"]))


def test_kept_must_have_one_value_a_row(pool):
    with pytest.raises(ValueError, match=r"kept has shape \(2,\) but the pool has 5 rows"):
        PoolDisplay.from_pool(pool, kept=[True, False])


def test_thumbnails_of_two_sizes_are_refused(pyplot):
    display = PoolDisplay(thumbnails={"a": solid(0)[None], "b": solid(0, (9, 9))[None]})
    with pytest.raises(ValueError, match="one size, got 9, 20"):
        display.plot()


def test_plot_sets_artists_and_returns_itself(pool, pyplot):
    display = PoolDisplay.from_pool(pool, kept=[True, False, False, True, True])
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == [
        "cat (2 of 3)",
        "dog (1 of 2)",
    ]
    # five frames, and a stroke through each of two rejected images
    assert len(display.marks_) == 7


def test_plot_without_verdicts_marks_nothing(pool, pyplot):
    display = PoolDisplay.from_pool(pool).plot()
    assert display.marks_ == []
    assert display.ax_.get_legend() is None


def test_plot_draws_on_given_axes(pool, pyplot):
    _, axes = pyplot.subplots()
    assert PoolDisplay.from_pool(pool).plot(ax=axes).ax_ is axes


def test_plot_leaves_the_data_alone(pool, pyplot):
    display = PoolDisplay.from_pool(pool)
    first = display.plot().image_.get_array()
    np.testing.assert_array_equal(display.plot().image_.get_array(), first)


def test_without_matplotlib_one_line_says_how_to_get_it(monkeypatch):
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as error:
        PoolDisplay(thumbnails={"a": np.zeros((1, 4, 4, 3), np.uint8)}).plot()
    assert str(error.value) == "PoolDisplay.plot needs matplotlib: pip install 'skclip[plot]'."


@pytest.mark.parametrize("name", ["Ba$$in", "$x_1$", "US$ or C$"])
def test_names_are_no_formulas(name, pyplot):
    pixels = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    display = PoolDisplay(thumbnails={name: pixels}).plot()
    display.figure_.canvas.draw()
    (label,) = display.ax_.get_yticklabels()
    assert label.get_text() == name
    assert not label.get_parse_math()
