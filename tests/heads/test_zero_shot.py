"""ZeroShotClassifier: alignment by name, sources of text, bad input."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import BaseEstimator, clone

from skclip import ZeroShotClassifier
from skclip.exceptions import NoEvidenceWarning
from tests.heads.strategies import LABELS

TEXT = {"dog": [0.0, 2.0], "cat": [3.0, 0.0]}


class LetterEmbedder(BaseEstimator):
    """Counts letters: a text encoder that needs no weights."""

    logit_scale = 7.0
    model_id = "letters"

    def transform(self, texts):
        return np.array([[t.count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts], float)


def test_rows_follow_sorted_classes_whatever_their_order():
    head = ZeroShotClassifier(TEXT).fit()
    assert_array_equal(head.classes_, ["cat", "dog"])
    assert_array_equal(head.coef_, [[1, 0], [0, 1]])
    assert_array_equal(head.predict([[0.1, 5.0], [2.0, 1.0]]), ["dog", "cat"])


def test_array_rows_follow_the_classes_parameter():
    head = ZeroShotClassifier([[0.0, 2.0], [3.0, 0.0]], classes=["dog", "cat"]).fit()
    assert_array_equal(head.coef_, [[1, 0], [0, 1]])


@given(st.sampled_from(LABELS), st.randoms(use_true_random=False))
def test_order_of_text_rows_changes_nothing(labels, random):
    rows = dict(zip(labels, np.random.default_rng(0).standard_normal((4, 3)), strict=False))
    shuffled = list(rows.items())
    random.shuffle(shuffled)
    ours, reference = ZeroShotClassifier(dict(shuffled)).fit(), ZeroShotClassifier(rows).fit()
    assert_array_equal(ours.classes_, np.sort(labels))
    assert_array_equal(ours.coef_, reference.coef_)


def test_embedder_encodes_prompts_of_the_labels():
    head = ZeroShotClassifier(embedder=LetterEmbedder(), templates="{}").fit(y=["bb", "a", "bb"])
    assert_array_equal(head.classes_, ["a", "bb"])
    assert_array_equal(head.coef_[:, :2], [[1, 0], [0, 1]])
    assert head.logit_scale_ == 7.0
    assert head.model_id_ == "letters"


def test_prompts_and_synonyms_are_averaged_as_unit_rows():
    head = ZeroShotClassifier(
        embedder=LetterEmbedder(), templates=["{}", "{}{}"], synonyms={"a": ["bbb"]}
    ).fit(y=["a"])
    assert_allclose(head.coef_[0, :2], [0.5**0.5, 0.5**0.5])


@pytest.mark.parametrize("labels", [[12, 3], [False, True], np.array([1, 2], dtype=np.uint64)])
def test_prompts_are_not_written_of_numbers(labels):
    head = ZeroShotClassifier(embedder=LetterEmbedder())
    with pytest.raises(ValueError, match=r"are numbers, .* class_names=\{label: name\}"):
        head.fit(y=labels)


def test_prompts_are_written_of_class_names():
    names = {1: "b", 0: "a"}
    head = ZeroShotClassifier(embedder=LetterEmbedder(), templates="{}", class_names=names)
    head.fit(y=[1])
    assert_array_equal(head.classes_, [0, 1])
    assert_array_equal(head.coef_[:, :2], [[1, 0], [0, 1]])
    assert head.class_names_ == {0: "a", 1: "b"}


def test_two_labels_of_one_name_have_one_text_row():
    names = {0: "crane", 1: "crow", 2: "crane"}
    head = ZeroShotClassifier(embedder=LetterEmbedder(), class_names=names).fit(y=[0, 1, 2])
    assert_array_equal(head.coef_[0], head.coef_[2])
    assert (head.coef_[0] != head.coef_[1]).any()


@pytest.mark.parametrize("key", ["label", "name"])
def test_texts_of_named_classes_are_keyed_by_label_or_name(key):
    names = {0: "a", 1: "b"}
    own = {0: ["zz"], 1: ["yy"]} if key == "label" else {"a": ["zz"], "b": ["yy"]}
    head = ZeroShotClassifier(embedder=LetterEmbedder(), class_names=names, templates=own).fit()
    assert_array_equal(head.coef_[:, -2:], [[0, 1], [1, 0]])


@pytest.mark.parametrize("text", [TEXT, {0: TEXT["dog"], 1: TEXT["cat"]}])
def test_text_embeddings_of_named_classes_are_keyed_by_label_or_name(text):
    head = ZeroShotClassifier(text, class_names={0: "dog", 1: "cat"}).fit(y=[1, 1])
    assert_array_equal(head.classes_, [0, 1])
    assert_array_equal(head.coef_, [[0, 1], [1, 0]])


def test_text_embeddings_of_a_frame_are_named_by_its_index():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(list(TEXT.values()), index=list(TEXT))
    for text in frame, pd.Series(TEXT):
        head = ZeroShotClassifier(text).fit()
        assert_array_equal(head.classes_, ["cat", "dog"])
        assert_array_equal(head.coef_, [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="index of text_embeddings holds duplicates: 'cat'"):
        ZeroShotClassifier(frame.iloc[[0, 1, 1]]).fit()
    with pytest.raises(ValueError, match="have no names: give `classes` in the order of the rows"):
        ZeroShotClassifier(frame.reset_index(drop=True)).fit(y=["cat"])
    named_by_classes = ZeroShotClassifier(frame.reset_index(drop=True), classes=list(TEXT)).fit()
    assert_array_equal(named_by_classes.coef_, [[1, 0], [0, 1]])


def test_classes_in_a_frame_are_its_column():
    pd = pytest.importorskip("pandas")
    head = ZeroShotClassifier(TEXT, classes=pd.DataFrame({"name": ["dog", "cat"]})).fit()
    assert_array_equal(head.classes_, ["cat", "dog"])
    pairs = pd.DataFrame({"name": ["dog", "cat"], "other": ["hound", "puss"]})
    with pytest.raises(ValueError, match=r"table of shape \(2, 2\): give one column of it"):
        ZeroShotClassifier(TEXT, classes=pairs).fit()


def test_classes_choose_among_text_embeddings():
    head = ZeroShotClassifier(TEXT, classes=["dog"]).fit(y=["dog"])
    assert_array_equal(head.classes_, ["dog"])
    assert_array_equal(head.coef_, [[0, 1]])


@pytest.mark.parametrize(
    ("params", "y"),
    [
        ({"text_embeddings": {"cat": [3.0, 0.0], "dog": [0.0, 2.0]}}, [1, 0]),
        ({"text_embeddings": TEXT, "classes": ["cat", "dog"]}, np.array([0, 1], np.uint8)),
        ({"text_embeddings": TEXT, "class_names": {"cat": "cat", "dog": "dog"}}, [0, 1, 1]),
    ],
)
def test_codes_of_sorted_names_are_read_as_codes(params, y):
    head = ZeroShotClassifier(**params).fit(y=y)
    assert_array_equal(head.classes_, [0, 1])
    assert_array_equal(head.coef_, [[1, 0], [0, 1]])
    assert head.class_names_ == {0: "cat", 1: "dog"}
    assert head.predict([[1.0, 0.1]]) == 0


@pytest.mark.parametrize(
    ("text", "y"),
    [
        (TEXT, [0, 1]),  # dog before cat: the code of "dog" may be 0 or 1
        (dict(sorted(TEXT.items())), [0, 0]),  # a part of the codes: they may be labels
        (dict(sorted(TEXT.items())), [1, 2]),
        (dict(sorted(TEXT.items())), [False, True]),
        (dict(sorted(TEXT.items())), [0.0, 1.0]),
    ],
)
def test_numbers_that_may_be_no_codes_are_refused(text, y):
    with pytest.raises(ValueError, match=r"The labels are numbers .* class_names=\{label: name\}"):
        ZeroShotClassifier(text).fit(y=y)


def test_declared_classes_are_known_without_labels():
    head = ZeroShotClassifier(embedder=LetterEmbedder(), classes=["z", "a"]).fit(
        np.eye(26)[:1], ["a"]
    )
    assert_array_equal(head.classes_, ["a", "z"])


def test_own_logit_scale_wins():
    head = ZeroShotClassifier(TEXT, logit_scale=2.0).fit()
    assert_allclose(head.predict_proba([[1.0, 0.0]]), [[1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))]])


def test_logit_bias_gives_sigmoids_over_their_sum():
    # the cosines are 0.6 and 0.8, the logits 10 z - 5 are 1 and 3: 0.73106 and 0.95257
    head = ZeroShotClassifier(TEXT, logit_scale=10.0, logit_bias=-5.0).fit()
    assert_allclose(head.predict_proba([[3.0, 4.0]]), [[0.4342150020, 0.5657849980]], rtol=1e-9)


@given(st.floats(1, 200), st.floats(-30, 30), st.sampled_from([np.float32, np.float64]))
def test_logit_bias_changes_probabilities_alone(scale, bias, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 4)).astype(dtype)
    text = dict(enumerate(rng.standard_normal((3, 4)).astype(dtype)))
    softmax = ZeroShotClassifier(text, logit_scale=scale).fit()
    sigmoid = ZeroShotClassifier(text, logit_scale=scale, logit_bias=bias).fit()
    assert_array_equal(sigmoid.predict(X), softmax.predict(X))
    proba = sigmoid.predict_proba(X)
    pairs = expit(scale * softmax.decision_function(X).astype(np.float64) + bias)
    assert proba.dtype == dtype
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert_allclose(proba, pairs / pairs.sum(axis=1, keepdims=True), rtol=2e-4, atol=1e-6)


def test_probabilities_of_pairs_stand_by_themselves():
    # the cosines are 0.6 and 0.8, the logits 10 z - 5 are 1 and 3
    head = ZeroShotClassifier(TEXT, logit_scale=10.0, logit_bias=-5.0).fit()
    assert_allclose(head.predict_pair_proba([[3.0, 4.0]]), expit([[1.0, 3.0]]), rtol=1e-12)
    assert not hasattr(ZeroShotClassifier(TEXT).fit(), "predict_pair_proba")


def test_sigmoids_that_underflow_leave_the_softmax():
    sigmoid = ZeroShotClassifier(TEXT, logit_scale=2.0, logit_bias=-2000.0).fit()
    softmax = ZeroShotClassifier(TEXT, logit_scale=2.0).fit()
    assert_allclose(sigmoid.predict_proba([[3.0, 4.0]]), softmax.predict_proba([[3.0, 4.0]]))


@pytest.mark.parametrize(
    ("given_bias", "expected"), [("auto", -3.0), (None, None), (0.5, 0.5), (0, 0.0)]
)
def test_logit_bias_is_the_embedders_or_as_given(given_bias, expected):
    class PairEmbedder(LetterEmbedder):
        logit_bias = -3.0

    head = ZeroShotClassifier(embedder=PairEmbedder(), logit_bias=given_bias).fit(y=["a", "b"])
    assert head.logit_bias_ == expected


def test_models_without_logit_bias_keep_the_softmax(tiny_embedder):
    tiny = clone(tiny_embedder).set_params(modality="text")
    for head in ZeroShotClassifier(TEXT), ZeroShotClassifier(embedder=tiny):
        assert head.fit(y=["cat", "dog"]).logit_bias_ is None


def test_labels_do_not_depend_on_the_length_of_rows():
    head = ZeroShotClassifier(TEXT).fit()
    X = np.random.default_rng(0).standard_normal((20, 2))
    assert_allclose(head.decision_function(X), head.decision_function(50 * X))


def test_clone_keeps_the_mapping_as_given():
    head = ZeroShotClassifier(TEXT)
    assert clone(head).get_params()["text_embeddings"] == TEXT


def test_without_text_the_class_means_stand_in_and_say_so():
    with pytest.warns(NoEvidenceWarning, match="neither text_embeddings nor embedder"):
        head = ZeroShotClassifier().fit([[0.0, 3.0], [2.0, 0.0]], ["b", "a"])
    assert_array_equal(head.coef_, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("head", "args", "message"),
    [
        (ZeroShotClassifier(), (), "requires y to be passed, but the target y is None"),
        (ZeroShotClassifier(), (None, ["a"]), "has no text"),
        (ZeroShotClassifier(TEXT), ([[1.0, 0.0]], ["owl"]), "without a text embedding: 'owl'"),
        (
            ZeroShotClassifier(TEXT),
            ([[1.0, 0.0, 0.0]], ["cat"]),
            "X has 3 features, but the text head has 2",
        ),
        (ZeroShotClassifier({}), (), "mapping of class names to text embeddings is empty"),
        (ZeroShotClassifier({"a": [1.0], "b": [1.0, 2.0]}), (), "one length"),
        (ZeroShotClassifier({"a": [np.nan, 1.0]}), (), "embeddings of 'a' contain NaN"),
        (
            ZeroShotClassifier([[1.0, 0.0]]),
            (None, ["a"]),
            "give `classes` in the order of the rows",
        ),
        (ZeroShotClassifier([[1.0, 0.0]], classes=["a", "b"]), (), "classes names 2 rows"),
        (ZeroShotClassifier(TEXT, classes=["cat", "cat"]), (), "classes holds duplicates: 'cat'"),
        (
            ZeroShotClassifier(TEXT, classes=["cat", "cat"]),
            (),
            r"need integer labels: give class_names=\{label: name\}",
        ),
        (ZeroShotClassifier(TEXT, classes=["cat", " "]), (), "blank class names: ' '"),
        (
            ZeroShotClassifier(TEXT, classes=["cat", None]),
            (),
            r"invalid class names: None \(position 1",
        ),
        (
            ZeroShotClassifier(TEXT, classes=["cat", np.nan]),
            (),
            r"invalid class names: nan \(position 1",
        ),
        (
            ZeroShotClassifier(TEXT, classes=[("cat", "puss")]),
            (),
            r"invalid class names: \('cat', 'puss'",
        ),
        (
            ZeroShotClassifier(embedder=LetterEmbedder(), classes=["a"]),
            (None, ["b"]),
            "y holds labels that are not among the classes: 'b'. The classes are 'a'",
        ),
        (
            ZeroShotClassifier(embedder=LetterEmbedder(), class_names={0: "a"}, classes=[0, 7]),
            (),
            "class_names has no name for 7",
        ),
        (
            ZeroShotClassifier(embedder=LetterEmbedder(), class_names={0: "a"}),
            (None, [0, 5]),
            "class_names has no name for 5",
        ),
        (
            ZeroShotClassifier(embedder=LetterEmbedder(), class_names={0: 3}),
            (),
            "class_names must map labels to text, got 3",
        ),
        (
            ZeroShotClassifier(embedder=LetterEmbedder(), class_names={0: None}),
            (),
            "class_names holds invalid class names: None",
        ),
        (
            ZeroShotClassifier(embedder=LetterEmbedder(), class_names=["a", "b"]),
            (),
            "The 'class_names' parameter of ZeroShotClassifier must be",
        ),
        (
            ZeroShotClassifier(TEXT, class_names={0: "cat", 1: "owl"}),
            (),
            "without a text embedding: 'owl'",
        ),
        (
            ZeroShotClassifier(TEXT, classes="cat"),
            (),
            "'classes' parameter of ZeroShotClassifier must be an array-like",
        ),
        (ZeroShotClassifier(TEXT, logit_scale=-1.0), (), "The 'logit_scale' parameter"),
        (ZeroShotClassifier(TEXT, logit_bias="none"), (), "The 'logit_bias' parameter"),
        (ZeroShotClassifier(TEXT, logit_bias=np.inf), (), "The 'logit_bias' parameter"),
    ],
)
def test_bad_input(head, args, message):
    with pytest.raises(ValueError, match=message):
        head.fit(*args)


@pytest.mark.parametrize("X", [[[np.nan, 0.0]], [1.0, 0.0], np.empty((0, 2)), [[1.0]]])
def test_bad_rows_at_prediction(X):
    with pytest.raises(ValueError, match=r"NaN|1D array|0 sample|2 features"):
        ZeroShotClassifier(TEXT).fit().predict(X)
