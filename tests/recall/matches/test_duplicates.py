"""The same picture twice."""

import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from skclip.corpus._images import ImageSlice, image_keys
from skclip.recall._matches._duplicates import content_hash, is_near, near_duplicates


@pytest.fixture
def png():
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_content_is_the_same_wherever_it_lies(tmp_path, png):
    (tmp_path / "a.png").write_bytes(png)
    (tmp_path / "archive").write_bytes(b"..." + png + b"...")
    hashes = {
        content_hash(image)
        for image in (
            png,
            tmp_path / "a.png",
            str(tmp_path / "a.png"),
            ImageSlice(str(tmp_path / "archive"), 3, len(png)),
        )
    }
    assert len(hashes) == 1
    assert content_hash(png + b"x") not in hashes


@pytest.mark.parametrize("image", [None, "https://example.org/a.png", "/nowhere.png", 3])
def test_what_cannot_be_read_has_no_hash(image):
    assert content_hash(image) is None


def test_images_are_told_apart_by_reference_and_rows_without_image_by_id():
    array = np.zeros(3)
    references = ["a.png", "a.png", b"a", array, array, None, None, ImageSlice("a.png", 0, 1)]
    keys = image_keys(references, list("qqqqqrsq"))
    assert len(set(keys)) == 6
    assert keys[0] == keys[1]
    assert keys[3] == keys[4]


def brute_force(X, threshold, earlier):
    kept, found = list(earlier), []
    for x in X:
        norms = [np.linalg.norm(x) * np.linalg.norm(other) for other in kept]
        close = any(n and x @ o / n >= threshold - 1e-6 for n, o in zip(norms, kept, strict=True))
        found.append(close)
        if not close:
            kept.append(x)
    return found


@given(
    X=arrays(np.float64, st.tuples(st.integers(0, 10), st.just(2)), elements=st.integers(-2, 2)),
    earlier=arrays(
        np.float64, st.tuples(st.integers(0, 3), st.just(2)), elements=st.integers(-2, 2)
    ),
    threshold=st.sampled_from([0.3, 0.85, 1.0]),
)
def test_duplicates_are_those_of_one_pass(X, earlier, threshold):
    assert near_duplicates(X, threshold, earlier).tolist() == brute_force(X, threshold, earlier)


def test_many_blocks_are_one_pass():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(300, 8)), 2, axis=0)[rng.permutation(600)]
    found = near_duplicates(X, 0.999)
    assert found.sum() == 300
    assert found.tolist() == brute_force(X, 0.999, [])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_threshold_of_one_finds_equal_vectors(dtype):
    X = np.random.default_rng(0).normal(size=(20, 512)).astype(dtype)
    assert near_duplicates(np.concatenate([X, X]), 1.0).tolist() == [False] * 20 + [True] * 20


def test_nothing_is_near_nothing():
    assert is_near(np.eye(2), np.empty((0, 2)), 0.1).tolist() == [False, False]
