"""CLIPEmbedder(cache=...): every image once, whatever asks for it and in what order."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skclip.embedding import cache_info
from skclip.embedding._cache._file import FILE
from skclip.embedding._registry import LoadedModel
from skclip.exceptions import CacheWarning, UnreadableImageError


@pytest.fixture
def passes(monkeypatch):
    """Count the images and texts that reach the model."""
    counts = []

    def counting(name):
        original = getattr(LoadedModel, name)

        def encode(self, batch):
            counts.append(len(batch))
            return original(self, batch)

        monkeypatch.setattr(LoadedModel, name, encode)

    counting("encode_pixels")
    counting("encode_tokens")
    return counts


@pytest.fixture
def cached(embedder, tmp_path):
    return clone(embedder).set_params(cache=tmp_path / "cache")


def test_search_over_a_pipeline_embeds_every_image_once(cached, image_files, passes):
    y = ["a", "b"] * 5
    pipeline = make_pipeline(cached, LogisticRegression())
    grid = {"logisticregression__C": np.logspace(-3, 2, 6)}
    search = GridSearchCV(pipeline, grid, cv=5).fit(image_files, y)
    search.predict(image_files)
    assert sum(passes) == len(image_files)


def test_parallel_search_embeds_every_image_once(cached, image_files, passes):
    y = ["a", "b"] * 5
    pipeline = make_pipeline(cached.set_params(batch_size=2), LogisticRegression())
    grid = {"logisticregression__C": np.logspace(-3, 2, 6)}
    with parallel_config(backend="threading", n_jobs=4):
        GridSearchCV(pipeline, grid, cv=5).fit(image_files, y)
    assert sum(passes) == len(image_files)


def keep(barrier) -> None:
    global both_are_ready
    both_are_ready = barrier


def transform_and_count(embedder, paths):
    embedder.load_model()
    counts = []
    original = LoadedModel.encode_pixels

    def encode(self, batch):
        counts.append(len(batch))
        return original(self, batch)

    LoadedModel.encode_pixels = encode
    both_are_ready.wait()
    X = embedder.transform(paths)
    return sum(counts), X


def test_processes_divide_the_images_of_one_cache(cached, embedder, image_files):
    context = multiprocessing.get_context("spawn")
    options = {"mp_context": context, "initializer": keep, "initargs": (context.Barrier(2),)}
    cached.set_params(batch_size=2)
    with ProcessPoolExecutor(2, **options) as processes:
        done = [processes.submit(transform_and_count, cached, image_files) for _ in range(2)]
    counts, rows = zip(*(future.result() for future in done), strict=True)
    assert sum(counts) == len(image_files)
    for X in rows:
        np.testing.assert_allclose(X, embedder.transform(image_files), atol=1e-5)


def test_search_without_a_cache_for_comparison(embedder, image_files, passes):
    pipeline = make_pipeline(embedder, LogisticRegression())
    GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1]}, cv=5).fit(image_files, [0, 1] * 5)
    assert sum(passes) == 11 * len(image_files)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_cache_returns_what_the_model_would(cached, embedder, image_files, n_jobs):
    expected = embedder.transform(image_files)
    cached.set_params(n_jobs=n_jobs)
    first = cached.transform(image_files)
    np.testing.assert_array_equal(first, expected)
    order = np.random.default_rng(0).permutation(10)
    np.testing.assert_array_equal(cached.transform(np.array(image_files)[order]), first[order])


def test_any_source_and_any_name(cached, image_files, pictures, passes, tmp_path):
    cached.transform(image_files)
    contents = [Path(path).read_bytes() for path in image_files]
    (tmp_path / "renamed.dat").write_bytes(contents[0])
    cached.transform([*contents, tmp_path / "renamed.dat"])
    assert sum(passes) == 10
    cached.transform(pictures)  # pixels, not files: other keys
    cached.transform([np.asarray(picture) for picture in pictures])
    assert sum(passes) == 20


def test_equal_images_are_embedded_once(cached, image_files, passes):
    X = cached.transform(image_files[:3] * 5)
    assert sum(passes) == 3
    np.testing.assert_array_equal(X[:3], X[-3:])


def test_file_changed_in_place_gives_a_new_vector(cached, embedder, image_files, pictures, passes):
    cached.transform(image_files)
    pictures[1].save(image_files[0])
    X = cached.transform(image_files)
    np.testing.assert_array_equal(X[0], X[1])
    Image.new("RGB", (9, 9), "red").save(image_files[0])
    X = cached.transform(image_files)
    assert np.abs(X[0] - X[1]).max() > 1e-3
    np.testing.assert_allclose(X, embedder.transform(image_files), atol=1e-6)


def test_models_precisions_and_modalities_have_rows_of_their_own(
    cached, embedder, image_files, passes, make_model
):
    others = [{"model_name": make_model(seed=5)}, {"dtype": "bfloat16"}]
    for changes in [{}, *others]:
        X = clone(cached).set_params(**changes).transform(image_files)
        np.testing.assert_array_equal(
            X, clone(embedder).set_params(**changes).transform(image_files)
        )
    assert len(cache_info(cached.cache).n_vectors) == 3


def test_normalised_or_not_is_one_entry(cached, image_files, passes):
    raw = clone(cached).set_params(normalize=False).transform(image_files)
    unit = cached.transform(image_files)
    assert sum(passes) == 10
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1)[:, None], unit, rtol=1e-5)


def test_texts(cached, passes):
    embedder = cached.set_params(modality="text")
    texts = ["a", "b", "a", "ü\udcff"]
    X = embedder.transform(texts)
    np.testing.assert_array_equal(embedder.transform(texts[::-1]), X[::-1])
    assert sum(passes) == 3


def test_what_came_before_an_interrupt_is_kept(cached, image_files, passes):
    def interrupted():
        yield from image_files[:9]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached.transform(interrupted())
    kept = sum(passes)
    assert kept >= cached.batch_size
    cached.transform(image_files)
    assert sum(passes) == 10


def test_what_came_before_an_unreadable_image_is_kept(cached, image_files, passes):
    with pytest.raises(UnreadableImageError):
        cached.transform([*image_files, b"nothing"])
    cached.transform(image_files)
    assert sum(passes) == 10


def test_failures_are_not_remembered(cached, image_files, tmp_path):
    late = tmp_path / "late.png"
    with pytest.raises(UnreadableImageError, match="no such file"):
        cached.transform([late])
    Image.new("RGB", (9, 9)).save(late)
    assert cached.transform([late]).any()


def test_damaged_cache_is_rebuilt_with_a_warning(cached, image_files, passes):
    expected = cached.transform(image_files)
    (cached.cache / FILE).write_bytes(b"garbage" * 999)
    with pytest.warns(CacheWarning, match=r"is damaged .* it is now") as caught:
        np.testing.assert_array_equal(cached.transform(image_files), expected)
    assert caught[0].filename == __file__
    cached.transform(image_files)
    assert sum(passes) == 20


def test_cache_that_cannot_be_made_costs_a_warning(embedder, image_files, tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(CacheWarning, match="cannot be used"):
        X = clone(embedder).set_params(cache=tmp_path / "file").transform(image_files)
    np.testing.assert_array_equal(X, embedder.transform(image_files))
