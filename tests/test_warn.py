"""Warnings name the file of the user, not ours."""

import warnings

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skclip import AggregatedPromptClassifier, ZeroShotClassifier

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
