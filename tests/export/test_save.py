import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skclip import (
    CLIPEmbedder,
    MixedHeadClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    ZeroShotClassifier,
)
from skclip.exceptions import ModelMismatchError
from skclip.export import load_head, save_head
from skclip.recall import PrimingPool
from tests.export.conftest import NAMES, TEXT, blobs

STORED = Path(__file__).parent / "stored"


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "head.skclip"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loaded_head_predicts_the_same_to_the_bit(fitted, path, dtype):
    loaded = load_head(save_head(fitted, path))
    X = np.concatenate([blobs(200, dtype, seed=5)[0], np.zeros((1, 12), dtype)])
    assert loaded.predict(X).tolist() == fitted.predict(X).tolist()
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        wanted, got = getattr(fitted, method)(X), getattr(loaded, method)(X)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


def test_same_head_gives_the_same_bytes(fitted, path, tmp_path):
    save_head(fitted, path)
    save_head(clone(fitted).fit(*blobs()[:2]), tmp_path / "again.skclip")
    save_head(load_head(path), tmp_path / "loaded.skclip")
    content = path.read_bytes()
    assert (tmp_path / "loaded.skclip").read_bytes() == content
    assert (tmp_path / "again.skclip").read_bytes() == content


@pytest.mark.parametrize(
    "labels",
    [
        ["été", "a b", "x,y", '"', "\ud800"],
        [3, 1, 2, 10, -4],
        [True, False, True, False, True],
        [0.0, 1.0, 2.0, 3.0, 4.0],
        np.array(["a", "b", "c", "d", "e"], dtype=object),
    ],
    ids=["text", "integers", "booleans", "floats", "objects"],
)
def test_labels_keep_their_types(labels, path):
    X, y, _ = blobs()
    y = np.asarray(labels)[np.searchsorted(NAMES, y)]
    head = NearestClassMean().fit(X, y)
    loaded = load_head(save_head(head, path))
    assert loaded.classes_.tolist() == head.classes_.tolist()
    assert loaded.classes_.dtype == head.classes_.dtype
    assert loaded.predict(X).tolist() == head.predict(X).tolist()


def test_class_that_was_never_seen_stays_unpredicted(path):
    head = NearestClassMean().partial_fit(*blobs()[:2], classes=["unicorn"])
    loaded = load_head(save_head(head, path))
    assert "unicorn" in loaded.classes_
    assert "unicorn" not in loaded.predict(blobs(300, seed=3)[0])


def test_sigmoids_per_pair_are_kept(path):
    head = ZeroShotClassifier(TEXT, logit_scale=20.0, logit_bias=-5.0).fit()
    X = blobs()[0]
    loaded = load_head(save_head(head, path))
    np.testing.assert_array_equal(loaded.predict_pair_proba(X), head.predict_pair_proba(X))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (
            StackedHeadClassifier(TEXT, [("forest", RandomForestClassifier(3))]),
            "StackedHeadClassifier of RandomForestClassifier is neither one matrix",
        ),
        (RandomForestClassifier(3), "RandomForestClassifier is neither one matrix"),
        (MixedHeadClassifier(TEXT, alpha=0.5), "space='weights'"),
        (GridSearchCV(NearestClassMean(), {"logit_scale": [1.0, 9.0]}), "search.best_estimator_"),
        (make_pipeline(NearestClassMean()), r"pipeline\[-1\], with embedder="),
    ],
    ids=["stack", "forest", "mixture", "search", "pipeline"],
)
def test_what_cannot_be_stored_is_refused(head, says, path):
    head.fit(*blobs()[:2])
    with pytest.raises(ValueError, match=says):
        save_head(head, path)
    assert not path.exists()


def test_linear_classifiers_of_others_are_stored_within_a_stack(path):
    X, y, _ = blobs()
    head = StackedHeadClassifier(TEXT, [("logistic", LogisticRegression())]).fit(X, y)
    np.testing.assert_array_equal(
        load_head(save_head(head, path)).predict_proba(X), head.predict_proba(X)
    )


def test_head_must_be_fitted(path):
    with pytest.raises(NotFittedError):
        save_head(NearestClassMean(), path)


def test_loaded_head_learns_nothing(fitted, path):
    loaded = load_head(save_head(fitted, path))
    with pytest.raises(TypeError, match="from a file cannot be fitted"):
        loaded.fit(*blobs()[:2])
    assert clone(loaded) is loaded
    assert not hasattr(loaded, "partial_fit")


def test_loaded_head_is_a_step_of_a_pipeline(path, tiny_embedder, captioned_images):
    names = list(captioned_images.target_names)
    head = ZeroShotClassifier(embedder=tiny_embedder, classes=names).fit()
    save_head(head, path, embedder=tiny_embedder)
    pipeline = make_pipeline(tiny_embedder, load_head(path, embedder=tiny_embedder))
    images = captioned_images.images[:8]
    assert (
        pipeline.predict(images).tolist() == head.predict(tiny_embedder.transform(images)).tolist()
    )


def test_loaded_head_can_be_frozen_and_pickled(fitted, path):
    loaded, X = load_head(save_head(fitted, path)), blobs()[0]
    for other in (FrozenEstimator(loaded), pickle.loads(pickle.dumps(loaded))):
        np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))


def test_loaded_text_head_is_a_text_head(path):
    head = ZeroShotClassifier(TEXT).fit()
    loaded = FrozenEstimator(load_head(save_head(head, path)))
    X, y, _ = blobs()
    stacked = StackedHeadClassifier(loaded).fit(X, y)
    wanted = StackedHeadClassifier(head).fit(X, y)
    np.testing.assert_allclose(stacked.coef_, wanted.coef_, rtol=1e-5)


def test_names_of_columns_are_kept(path):
    pandas = pytest.importorskip("pandas")
    X, y, _ = blobs()
    frame = pandas.DataFrame(X, columns=[f"clip{i}" for i in range(12)])
    loaded = load_head(save_head(NearestClassMean().fit(frame, y), path))
    assert loaded.predict(frame).shape == y.shape
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.add_prefix("x"))


def test_model_preprocessing_and_prompts_are_told(path, tiny_embedder):
    head = ZeroShotClassifier(
        embedder=tiny_embedder, classes=["ring", "star"], synonyms={"ring": ["circle"]}
    )
    loaded = load_head(save_head(head.fit(), path, embedder=tiny_embedder))
    assert loaded.model_id_ == tiny_embedder.model_id
    assert loaded.model_["name"] == "skclip-tiny"
    assert loaded.model_["preprocess"]["size"] == 64 or loaded.model_["preprocess"]["size"] == [
        64,
        64,
    ]
    assert len(loaded.model_["preprocess_hash"]) == 12
    assert loaded.prompts_ == {"templates": "photo", "synonyms": {"ring": ["circle"]}}
    assert loaded.logit_scale_ == tiny_embedder.logit_scale


def test_numbers_keep_their_names(path):
    text = {0: TEXT["ant"], 1: TEXT["bee"]}
    head = ZeroShotClassifier(text, class_names={0: "ant", 1: "bee"}).fit()
    assert load_head(save_head(head, path)).class_names_ == {0: "ant", 1: "bee"}


def test_origin_is_told(path):
    X, y, _ = blobs()
    pool = PrimingPool(y, X)
    head = PrimedNCMClassifier(TEXT, retriever=pool, filter="passthrough").fit(X, y)
    loaded = load_head(save_head(head, path, provenance={"corpus": {"name": "photos"}}))
    origin = loaded.provenance_
    assert origin["estimator"] == "PrimedNCMClassifier"
    assert origin["parameters"]["alpha"] == "auto"
    assert origin["head_weights"] == head.head_weights_
    assert origin["recalled_images"] == dict.fromkeys(NAMES, 12)
    assert origin["labelled_images"] == dict.fromkeys(NAMES, 12.0)
    assert origin["corpus"] == {"name": "photos"}


def test_origin_holds_plain_values_only(path):
    head = ZeroShotClassifier(TEXT).fit()
    with pytest.raises(ValueError, match="provenance must hold text, numbers"):
        save_head(head, path, provenance={"when": object()})


def test_other_models_are_refused_by_name(path, tiny_embedder, mean_color):
    head = ZeroShotClassifier(embedder=tiny_embedder, classes=["ring", "star"]).fit()
    with pytest.raises(ModelMismatchError, match="mean-color/none@1"):
        save_head(head, path, embedder=mean_color)
    save_head(head, path, embedder=tiny_embedder)
    for other in (mean_color, "mean-color/none@1"):
        with pytest.raises(ModelMismatchError, match=r"skclip-tiny.*mean-color/none@1"):
            load_head(path, embedder=other)


def test_the_same_model_from_another_place_is_taken(path, tiny_embedder):
    head = ZeroShotClassifier(embedder=tiny_embedder, classes=["ring", "star"]).fit()
    save_head(head, path, embedder=tiny_embedder)
    copied = "copy@" + tiny_embedder.model_id.rpartition("@")[2]
    assert load_head(path, embedder=copied).model_id_ == tiny_embedder.model_id


def test_rows_of_another_width_are_refused(path):
    loaded = load_head(save_head(ZeroShotClassifier(TEXT).fit(), path))
    with pytest.raises(ValueError, match="13 features"):
        loaded.predict(np.ones((2, 13)))


def test_file_is_read_without_skclip_and_torch(path):
    X, y, _ = blobs()
    head = StackedHeadClassifier(TEXT).fit(X, y)
    save_head(head, path)
    np.save(path.with_name("X.npy"), X)
    code = """
import json, sys
import numpy as np
from safetensors import safe_open
sys.modules["torch"] = sys.modules["skclip"] = None
with safe_open("head.skclip", framework="np") as file:
    facts = json.loads(file.metadata()["skclip"])
    weight, bias = file.get_tensor("weight"), file.get_tensor("bias")
X = np.load("X.npy")
scores = X / np.linalg.norm(X, axis=1, keepdims=True) @ weight.T + bias
print(json.dumps([facts["labels"][i] for i in scores.argmax(axis=1)]))
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == head.predict(X).tolist()


def test_loading_and_predicting_need_no_torch(path):
    save_head(ZeroShotClassifier(TEXT).fit(), path)
    code = (
        "import sys\n"
        "from skclip.export import load_head\n"
        "print(load_head(sys.argv[1]).predict([[1.0] * 12])[0])\n"
        "print({'torch', 'open_clip'} & {*sys.modules})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[1] == "set()"


@pytest.mark.parametrize("name", ["linear_v1", "proxies_v1"])
def test_files_of_version_1_stay_readable(name):
    """Written by skclip 0.1.0; they are never written again."""
    loaded = load_head(STORED / f"{name}.skclip")
    wanted = load_file(STORED / f"{name}_wanted.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(wanted["X"]), wanted["proba"])
    labels = [loaded.classes_.tolist().index(label) for label in loaded.predict(wanted["X"])]
    assert labels == wanted["codes"].tolist()


def test_metadata_is_one_json_text(path):
    save_head(ZeroShotClassifier(TEXT).fit(), path)
    with safe_open(path, framework="np") as file:
        assert list(file.metadata()) == ["skclip"]
        facts = json.loads(file.metadata()["skclip"])
    assert facts["labels"] == NAMES
    assert facts["format_version"] == 1


def test_embedder_may_be_an_identity(path):
    head = MultiProxyImprinter(k=1, random_state=0).fit(*blobs()[:2])
    assert load_head(save_head(head, path, embedder="m@0123456789ab")).model_id_ == "m@0123456789ab"


def test_text_of_another_embedder_class_has_no_preprocessing(path, mean_color):
    head = NearestClassMean().fit(*blobs()[:2])
    loaded = load_head(save_head(head, path, embedder=mean_color))
    assert loaded.model_ == {"id": "mean-color/none@1"}
    assert CLIPEmbedder("skclip-tiny").model_id != loaded.model_id_
