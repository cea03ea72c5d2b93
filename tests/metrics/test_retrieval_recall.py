"""Recall of retrieval against sorting every query's items."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.preprocessing import normalize

from skclip.metrics import retrieval_recall


def sorted_recall(queries, items, query_ids, item_ids, k):
    hits = []
    for query, about in zip(normalize(queries), query_ids, strict=True):
        order = np.argsort(-(normalize(items) @ query))
        hits.append(about in item_ids[order[:k]])
    return np.mean(hits)


@given(
    seed=st.integers(0, 1000),
    n_queries=st.integers(1, 30),
    n_items=st.integers(1, 30),
    n_ids=st.integers(1, 6),
    k=st.integers(1, 12),
)
def test_recall_is_what_sorting_finds(seed, n_queries, n_items, n_ids, k):
    rng = np.random.default_rng(seed)
    item_ids = np.append(np.arange(n_ids), rng.integers(0, n_ids, n_items))
    query_ids = rng.integers(0, n_ids, n_queries)
    queries, items = rng.standard_normal((n_queries, 4)), rng.standard_normal((len(item_ids), 4))
    expected = sorted_recall(queries, items, query_ids, item_ids, k)
    assert retrieval_recall(queries, items, query_ids, item_ids, k=k) == {k: expected}


def test_rows_are_pairs_without_ids():
    X = np.eye(4)
    assert retrieval_recall(X, X) == {1: 1.0, 5: 1.0, 10: 1.0}
    assert retrieval_recall(X, X[::-1], k=[1]) == {1: 0.0}


def test_embeddings_that_are_all_alike_retrieve_nothing():
    alike = np.ones((8, 3))
    assert retrieval_recall(alike, alike, k=(1, 7, 8)) == {1: 0.0, 7: 0.0, 8: 1.0}


def test_order_of_items_and_text_ids_change_nothing():
    rng = np.random.default_rng(0)
    queries, items = rng.standard_normal((20, 5)), rng.standard_normal((20, 5))
    order = rng.permutation(20)
    names = np.array([f"image {i}" for i in range(20)])
    moved = retrieval_recall(queries, items[order], names, names[order])
    assert moved == retrieval_recall(queries, items)


def test_captions_find_their_images_on_real_pairs(shared_data):
    spec = importlib.util.spec_from_file_location("joint", shared_data / "joint.py")
    joint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(joint)
    with np.load(shared_data / "flickr8k_index.npz", allow_pickle=False) as index:
        test = np.flatnonzero(index["split"] == "test")
        image_of_caption = index["caption_image"]
    captions = np.flatnonzero(np.isin(image_of_caption, test))
    images = joint.image_embeddings(np.load(shared_data / "flickr8k_resnet50.npy")[test])
    texts = joint.text_embeddings(np.load(shared_data / "flickr8k_minilm.npy")[captions])
    of_text = retrieval_recall(texts, images, image_of_caption[captions], test)
    of_image = retrieval_recall(images, texts, test, image_of_caption[captions])
    # what the data's own README reports, in percent
    assert [round(100 * r, 1) for r in of_text.values()] == [24.7, 52.7, 66.3]
    assert [round(100 * r, 1) for r in of_image.values()] == [31.9, 58.9, 68.9]


def test_other_width_is_refused():
    with pytest.raises(ValueError, match="queries has 3 features and items has 2"):
        retrieval_recall(np.ones((2, 3)), np.ones((2, 2)))


@pytest.mark.parametrize("k", [0, (), (1, -2)])
def test_k_must_be_positive(k):
    with pytest.raises(ValueError, match="k must be a positive number"):
        retrieval_recall(np.eye(2), np.eye(2), k=k)


def test_query_without_a_relevant_item_is_refused():
    with pytest.raises(ValueError, match="query_ids holds 7, which item_ids lacks"):
        retrieval_recall(np.eye(2), np.eye(2), [0, 7], [0, 1])


def test_ids_must_be_one_a_row():
    with pytest.raises(ValueError, match="item_ids has 1 entries for 2 rows"):
        retrieval_recall(np.eye(2), np.eye(2), item_ids=[0])
