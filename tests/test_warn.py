"""Warnings name the file of the user, not ours."""

import warnings
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

import skclip
from skclip import (
    AggregatedPromptClassifier,
    CaptionRetriever,
    CLIPEmbedder,
    Corpus,
    ZeroShotClassifier,
)
from skclip.exceptions import UnusablePairWarning

SOURCES = sorted(Path(skclip.__file__).parent.rglob("*.py"))
X, Y = [[0.0, 3.0], [2.0, 0.0]], ["b", "a"]


def files_of_warnings(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return {warning.filename for warning in caught}


def test_warnings_point_at_the_caller():
    assert files_of_warnings(lambda: ZeroShotClassifier().fit(X, Y)) == {__file__}
    prompts = {"a": [[1.0, 0.0]], "b": []}
    text = {"a": X[1], "b": X[0]}
    head = AggregatedPromptClassifier(text, prompts=prompts, aggregation="mean")
    assert files_of_warnings(lambda: head.fit()) == {__file__}


def test_warnings_point_at_the_caller_of_a_pipeline():
    pipeline = make_pipeline(Normalizer(), ZeroShotClassifier())
    assert files_of_warnings(lambda: pipeline.fit(X, Y)) == {__file__}


def test_warnings_point_at_the_caller_of_a_parallel_loop():
    fit = joblib.delayed(ZeroShotClassifier().fit)
    assert files_of_warnings(lambda: joblib.Parallel(n_jobs=1)([fit(X, Y)])) == {__file__}


def test_warnings_point_at_the_user_who_derives_a_class():
    class Own(ZeroShotClassifier):
        def fit(self, X, y):
            return super().fit(X, y)

    assert files_of_warnings(lambda: Own().fit(X, Y)) == {__file__}


def test_recall_warns_at_the_line_of_the_user():
    holds_nan = np.array([[0.0, 3.0], [np.nan, 1.0]], np.float32)
    retriever = CaptionRetriever(step="resample")
    captions = ["a cat", "a dog"]
    assert files_of_warnings(lambda: retriever.fit(captions, embeddings=holds_nan)) == {__file__}
    assert files_of_warnings(lambda: retriever.recall(["emu"])) == {__file__}
    assert files_of_warnings(lambda: retriever.fit_resample(X, ["emu", "cat"])) == {__file__}


def test_a_corpus_warns_at_the_line_of_the_user(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "1.png").write_bytes(b"no image")
    pq.write_table(pa.table({"image": ["1.png"], "caption": ["a cat"]}), source / "a.parquet")
    pq.write_table(pa.table({"caption": ["a dog"]}), source / "b.parquet")
    with pytest.warns(UnusablePairWarning) as caught:
        corpus = Corpus.build(source, tmp_path / "corpus")
    assert {warning.filename for warning in caught} == {__file__}
    embedder = CLIPEmbedder("skclip-tiny", on_error="skip")
    assert files_of_warnings(lambda: corpus.embed(embedder)) == {__file__}
    assert files_of_warnings(lambda: list(embedder.iter_transform([b"no image"]))) == {__file__}


def test_all_warnings_are_given_by_the_helper():
    own = [path.name for path in SOURCES if "warnings.warn(" in path.read_text(encoding="utf-8")]
    assert own == ["_warn.py"]
