"""Neighbours beside a loop over all pairs."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from skclip.distill import _neighbors
from skclip.distill._neighbors import Guides, find_guides, nearest_of_another_group


def brute_force(bank, groups):
    unit = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    nearest = []
    for i in range(len(bank)):
        others = [j for j in range(len(bank)) if groups[j] != groups[i]]
        nearest.append(max(others, key=lambda j: unit[i] @ unit[j]) if others else i)
    return np.array(nearest)


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 12))
def test_nearest_is_found_by_brute_force_too(seed, n, n_groups):
    rng = np.random.default_rng(seed)
    bank, groups = rng.normal(size=(n, 5)), rng.integers(n_groups, size=n)
    np.testing.assert_array_equal(nearest_of_another_group(bank, groups), brute_force(bank, groups))


def test_blocks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    bank, groups = rng.normal(size=(50, 4)), np.arange(50) // 3
    expected = nearest_of_another_group(bank, groups)
    monkeypatch.setattr(_neighbors, "_BLOCK", 7)
    np.testing.assert_array_equal(nearest_of_another_group(bank, groups), expected)


def test_zero_row_is_its_own_neighbour_and_nobody_elses():
    bank = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.1]])
    assert nearest_of_another_group(bank, np.arange(3)).tolist() == [0, 2, 1]


def test_of_equal_images_none_is_left_without_neighbour():
    bank = np.ones((5, 3))
    assert nearest_of_another_group(bank, np.arange(5)).tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("method", ["hnsw", "faiss"])
def test_approximate_search_finds_the_same_among_few(method):
    pytest.importorskip("hnswlib" if method == "hnsw" else "faiss", reason="needs an extra")
    rng = np.random.default_rng(0)
    bank, groups = rng.normal(size=(60, 8)).astype(np.float32), np.arange(60) // 2
    found = nearest_of_another_group(bank, groups, method)
    np.testing.assert_array_equal(found, brute_force(bank, groups))


def test_guides_are_neighbours_and_their_counterparts():
    rng = np.random.default_rng(1)
    image_of = np.array([0, 1, 1, 2, 0, 3])
    images, texts = rng.normal(size=(4, 3)), rng.normal(size=(6, 3))
    guides = find_guides(images, texts, image_of, "exact")
    nearest_image = brute_force(images, np.arange(4))[image_of]
    nearest_text = brute_force(texts, image_of)
    np.testing.assert_array_equal(guides.image, [nearest_image, image_of[nearest_text]])
    np.testing.assert_array_equal(guides.text[0], nearest_text)
    np.testing.assert_array_equal(image_of[guides.text[1]], nearest_image)


def test_texts_of_the_nearest_image_take_turns():
    images = np.array([[1.0, 0.0], [1.0, 0.1]])
    guides = find_guides(images, np.eye(5), np.array([0, 0, 0, 1, 1]), "exact")
    assert guides.text[1].tolist() == [3, 4, 3, 0, 1]


def test_guides_are_saved_whole(tmp_path):
    guides = Guides(np.arange(6).reshape(2, 3), np.arange(6, 12).reshape(2, 3))
    guides.save(tmp_path / "guides.npz")
    loaded = Guides.load(tmp_path / "guides.npz")
    np.testing.assert_array_equal(loaded.image, guides.image)
    np.testing.assert_array_equal(loaded.text, guides.text)
