"""CLIPEmbedder as its users see it: sources, errors, clones, pickles, frames, pipelines."""

import pickle
import subprocess
import sys
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config, register_parallel_backend
from joblib.parallel import ThreadingBackend
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skclip import CLIPEmbedder
from skclip.embedding import _registry
from skclip.exceptions import (
    ModelNotFoundError,
    TruncatedTextWarning,
    UnreadableImageError,
    UnreadableImageWarning,
)


@pytest.fixture
def text_embedder(embedder):
    return clone(embedder).set_params(modality="text")


def test_rows_are_unit_float32(embedder, image_files):
    X = embedder.transform(image_files)
    assert X.dtype == np.float32
    assert X.shape == (10, 12)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=1e-6)


def test_without_normalisation_the_rows_are_the_models(embedder, pictures):
    raw = clone(embedder).set_params(normalize=False).transform(pictures)
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.abs(norms - 1).min() > 0.01
    np.testing.assert_allclose(raw / norms, embedder.transform(pictures), atol=1e-6)


def test_all_sources_of_an_image_give_one_vector(embedder, image_files, pictures):
    expected = embedder.transform(image_files)
    arrays = [np.asarray(picture) for picture in pictures]
    objects = np.empty(10, dtype=object)
    objects[:] = arrays
    for X in (
        [Path(path) for path in image_files],
        [Path(path).read_bytes() for path in image_files],
        np.array(image_files),
        np.array(image_files, dtype=object)[:, None],
        pictures,
        arrays,
        objects,
        iter(pictures),
    ):
        np.testing.assert_array_equal(embedder.transform(X), expected)


def test_array_of_pixels(embedder):
    batch = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    batch.flags.writeable = False
    np.testing.assert_array_equal(embedder.transform(batch), embedder.transform(list(batch)))


def test_texts(text_embedder):
    X = text_embedder.transform(["a cat", "", "ein Hund 🐕", "a cat"])
    assert X.shape == (4, 12)
    np.testing.assert_allclose(X[0], X[3], atol=1e-6)
    assert np.abs(X[0] - X[2]).max() > 0.01


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_batch_size_and_workers_do_not_change_vectors(embedder, pictures, batch_size, n_jobs):
    expected = embedder.transform(pictures)
    other = clone(embedder).set_params(batch_size=batch_size, n_jobs=n_jobs)
    np.testing.assert_allclose(other.transform(pictures), expected, atol=1e-5)


def test_order_and_subset_do_not_change_vectors(embedder, pictures):
    X = embedder.transform(pictures)
    order = np.random.default_rng(0).permutation(10)[:7]
    np.testing.assert_allclose(
        embedder.transform([pictures[i] for i in order]), X[order], atol=1e-5
    )


def test_stream_yields_batches_of_an_endless_source(embedder, pictures):
    def endless():
        while True:
            yield from pictures

    stream = embedder.iter_transform(endless())
    first, second = next(stream), next(stream)
    assert first.shape == second.shape == (4, 12)
    np.testing.assert_allclose(
        np.vstack([first, second]), embedder.transform(pictures)[:8], atol=1e-5
    )
    stream.close()


@pytest.mark.usefixtures("own_workers")
def test_processes_may_decode(embedder, image_files):
    expected = embedder.transform(image_files)
    with parallel_config(backend="loky", n_jobs=2):
        np.testing.assert_array_equal(embedder.transform(image_files), expected)


def test_backends_without_background_work_are_respected(embedder, image_files):
    class NoGenerators(ThreadingBackend):
        supports_return_generator = False
        calls = 0

        def submit(self, func, callback=None):
            NoGenerators.calls += 1
            return super().submit(func, callback)

        def apply_async(self, func, callback=None):  # what joblib 1.4 calls
            NoGenerators.calls += 1
            return super().apply_async(func, callback)

    expected = embedder.transform(image_files)
    register_parallel_backend("no generators", NoGenerators)
    with parallel_config(backend="no generators", n_jobs=2):
        np.testing.assert_array_equal(embedder.transform(image_files), expected)
    assert NoGenerators.calls > 0


# Errors and warnings


@pytest.fixture
def files_with_two_bad(image_files, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing")
    return [*image_files[:3], str(broken), *image_files[3:], str(tmp_path / "missing.png")]


def test_unreadable_image_is_named(embedder, files_with_two_bad):
    message = r"Cannot read image '.*broken\.jpg': .*\. on_error='skip' gives"
    with pytest.raises(UnreadableImageError, match=message):
        embedder.transform(files_with_two_bad)


def test_unreadable_bytes_are_named_by_position(embedder, image_files):
    with pytest.raises(UnreadableImageError, match=r"item 5 \(bytes\): not an image"):
        embedder.transform([*image_files[:5], b"nothing"])


def test_skipped_images_have_zero_rows_and_one_warning(embedder, files_with_two_bad, image_files):
    skipping = clone(embedder).set_params(on_error="skip")
    with pytest.warns(UnreadableImageWarning) as caught:
        X = skipping.transform(files_with_two_bad)
    message = str(caught[0].message)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert message.startswith("2 of 12 images could not be read and have rows of zeros: ")
    assert "broken.jpg': " in message
    assert "missing.png': no such file" in message
    np.testing.assert_array_equal(np.flatnonzero(~X.any(axis=1)), [3, 11])
    np.testing.assert_allclose(
        np.delete(X, [3, 11], axis=0), embedder.transform(image_files), atol=1e-5
    )


def test_a_batch_without_any_readable_image(embedder):
    skipping = clone(embedder).set_params(on_error="skip", batch_size=2)
    with pytest.warns(UnreadableImageWarning, match="2 of 2 images"):
        assert not skipping.transform([b"1", b"2"]).any()


def test_long_texts_are_counted_in_one_warning(text_embedder):
    texts = ["short", "one two three four five six seven eight nine ten", "eleven " * 30]
    with pytest.warns(TruncatedTextWarning, match="1 of 3 texts are longer than") as caught:
        X = text_embedder.transform(texts)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_allclose(X[2:], text_embedder_first(text_embedder, "eleven " * 10), atol=1e-5)


def text_embedder_first(embedder, text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return embedder.transform([text])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"modality": "audio"}, "The 'modality' parameter of CLIPEmbedder must be"),
        ({"batch_size": 0}, "The 'batch_size' parameter of CLIPEmbedder must be"),
        ({"dtype": "int8"}, "The 'dtype' parameter of CLIPEmbedder must be"),
        ({"on_error": "ignore"}, "The 'on_error' parameter of CLIPEmbedder must be"),
        ({"model_name": None}, "The 'model_name' parameter of CLIPEmbedder must be"),
    ],
)
def test_parameters_are_checked_by_every_method(embedder, pictures, parameters, message):
    wrong = clone(embedder).set_params(**parameters)
    for method in (wrong.fit, wrong.transform, lambda X: next(wrong.iter_transform(X))):
        with pytest.raises(ValueError, match=message):
            method(pictures)


def test_unknown_model_is_a_matter_of_transform_not_of_init(pictures):
    embedder = CLIPEmbedder("ViT-B-33").fit(pictures)
    with pytest.raises(ModelNotFoundError, match="did you mean 'ViT-B-32'"):
        embedder.transform(pictures)


def test_texts_where_images_are_expected(embedder):
    with pytest.raises(UnreadableImageError, match="'a photo of a cat': no such file"):
        embedder.transform(["a photo of a cat"])


# scikit-learn's contract


def test_clone_holds_parameters_only_and_shares_the_model(embedder, pictures):
    embedder.transform(pictures)
    copy = clone(embedder)
    assert copy.get_params() == embedder.get_params()
    assert set(vars(embedder)) == set(embedder.get_params())
    assert copy.load_model() is embedder.load_model()


def test_pickle_is_small_and_gives_the_same_vectors(embedder, pictures):
    expected = embedder.transform(pictures)
    content = pickle.dumps(embedder)
    assert len(content) < 2_000
    np.testing.assert_array_equal(pickle.loads(content).transform(pictures), expected)


def test_importing_and_pickling_loads_no_torch():
    code = (
        "import pickle, sys; import skclip.embedding, skclip.prompts;"
        "pickle.dumps(skclip.embedding.CLIPEmbedder('skclip-tiny').fit(['a.png']));"
        "assert not {'torch', 'open_clip', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pandas_output_keeps_the_index(embedder, image_files):
    pd = pytest.importorskip("pandas")
    column = pd.DataFrame({"image": image_files}, index=range(100, 110))
    X = clone(embedder).set_output(transform="pandas").transform(column)
    assert list(X.columns) == [f"clip{i}" for i in range(12)]
    assert list(X.index) == list(range(100, 110))
    np.testing.assert_array_equal(X.to_numpy(), embedder.transform(image_files))


def test_polars_output(embedder, pictures):
    pytest.importorskip("polars")
    X = clone(embedder).set_output(transform="polars").transform(pictures)
    assert X.columns == list(embedder.get_feature_names_out())


def test_identity_and_scale_come_from_the_model(embedder):
    loaded = embedder.load_model()
    assert embedder.model_id == loaded.model_id
    assert embedder.logit_scale == loaded.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert embedder.logit_bias is None


def test_in_a_pipeline_and_a_column_transformer(embedder, image_files):
    pd = pytest.importorskip("pandas")
    y = ["a", "b"] * 5
    pipeline = make_pipeline(embedder, LogisticRegression(C=1e4)).fit(image_files, y)
    assert pipeline.predict(image_files).tolist() == y
    table = pd.DataFrame({"image": image_files, "name": y})
    columns = make_column_transformer(
        (embedder, ["image"]), (clone(embedder).set_params(modality="text"), "name")
    )
    assert columns.fit_transform(table).shape == (10, 24)
    assert columns.get_feature_names_out()[0] == "clipembedder-1__clip0"


def test_progress_bar_is_silent_unless_asked(embedder, pictures, capsys):
    embedder.transform(pictures)
    assert capsys.readouterr().err == ""


def test_progress_bar_on_a_terminal(embedder, pictures, monkeypatch):
    class Terminal(BytesIO):
        encoding = "utf-8"

        def isatty(self):
            return True

        def write(self, text):
            return super().write(text.encode())

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    clone(embedder).set_params(verbose=1).transform(pictures)
    assert b"10/10" in terminal.getvalue()


def test_registry_is_not_reached_by_fit(monkeypatch, pictures):
    monkeypatch.setattr(_registry, "_load", pytest.fail)
    embedder = CLIPEmbedder("skclip-tiny", dtype="bfloat16", device="cpu")
    assert embedder.fit(pictures) is embedder
    assert embedder.fit() is embedder


@pytest.mark.parametrize("look", [dir, lambda embedder: embedder._repr_html_()])
def test_looking_at_an_embedder_loads_no_model(look, monkeypatch):
    def load(*arguments):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("skclip.embedding._embedder.get_model", load)
    look(CLIPEmbedder("ViT-B-32"))


def test_a_torch_device_is_a_device(embedder, pictures):
    import torch

    other = clone(clone(embedder).set_params(device=torch.device("cpu")))
    np.testing.assert_array_equal(other.transform(pictures), embedder.transform(pictures))
