"""AggregatedPromptClassifier: limits, fallbacks, training, bad input."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skclip import (
    AggregatedPromptClassifier,
    CaptionRetriever,
    CLIPEmbedder,
    MixedHeadClassifier,
    PrimedNCMClassifier,
    ZeroShotClassifier,
)
from skclip._compat import SUPPORTS_ARRAY_API
from skclip.embedding._registry import LoadedModel
from skclip.exceptions import ModelMismatchError, NoEvidenceWarning
from skclip.heads._prompting import _learning

NAMES = np.array(["cat", "dog", "fox", "yak"])
KINDS = ["generator", "attention", "max", "mean"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Animals:
    """Images that lie off their class's text by one shift for all: what a generator can learn."""

    def __init__(self, seed=0, n_features=16, shots=6):
        rng = np.random.default_rng(seed)
        centers = unit(rng.standard_normal((4, n_features)))
        shift = 1.5 * unit(rng.standard_normal(n_features))
        self.text = dict(zip(NAMES.tolist(), centers + 0.1 * shift, strict=True))
        self.prompts = {
            name: center + 0.15 * rng.standard_normal((5, n_features))
            for name, center in zip(NAMES.tolist(), centers, strict=True)
        }
        pull = centers[rng.permutation(4)]  # each class seen near another's text

        def draw(n):
            codes = np.repeat(np.arange(4), n)
            noise = 0.2 * rng.standard_normal((len(codes), n_features))
            return (centers + 0.8 * pull)[codes] + shift + noise, NAMES[codes]

        self.X, self.y = draw(shots)
        self.X_test, self.y_test = draw(50)


@pytest.fixture(scope="module")
def animals():
    return Animals()


@pytest.fixture(scope="module")
def trained(animals):
    head = AggregatedPromptClassifier(animals.text, prompts=animals.prompts, random_state=0)
    return head.fit(animals.X, animals.y)


def head_of(animals, **params):
    return AggregatedPromptClassifier(
        animals.text, prompts=animals.prompts, random_state=0, **{"max_epochs": 3, **params}
    )


# limits


@pytest.mark.parametrize("aggregation", KINDS)
def test_gamma_zero_is_the_template_head(animals, aggregation):
    head = head_of(animals, aggregation=aggregation, gamma=0).fit(animals.X, animals.y)
    template = ZeroShotClassifier(animals.text).fit()
    assert_array_equal(
        head.decision_function(animals.X_test), template.decision_function(animals.X_test)
    )


@pytest.mark.parametrize("aggregation", KINDS)
@settings(max_examples=8)
@given(random=st.randoms(use_true_random=False))
def test_order_and_repetition_of_prompts_change_no_bit(animals, aggregation, random):
    prompts = {}
    for name, rows in animals.prompts.items():
        order = [*range(len(rows)), random.randrange(len(rows)), 0]
        random.shuffle(order)
        prompts[name] = rows[order]
    items = list(prompts.items())
    random.shuffle(items)
    shuffled = head_of(animals, aggregation=aggregation, max_epochs=1)
    shuffled.set_params(prompts=dict(items)).fit(animals.X, animals.y)
    plain = head_of(animals, aggregation=aggregation, max_epochs=1).fit(animals.X, animals.y)
    assert_array_equal(
        shuffled.decision_function(animals.X_test), plain.decision_function(animals.X_test)
    )


@pytest.mark.parametrize("aggregation", KINDS)
@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_one_prompt_a_class_is_the_head_of_that_prompt(animals, aggregation, gamma):
    single = {name: rows[:1] for name, rows in animals.prompts.items()}
    head = AggregatedPromptClassifier(
        prompts=single, aggregation=aggregation, scored="image", gamma=gamma, max_epochs=2
    ).fit(animals.X, animals.y)
    expected = ZeroShotClassifier({name: rows[0] for name, rows in single.items()}).fit()
    assert_allclose(
        head.decision_function(animals.X_test),
        expected.decision_function(animals.X_test),
        atol=1e-6,
    )


@pytest.mark.parametrize("scored", ["mixture", "image"])
def test_generator_off_is_the_attention_of_the_image(animals, scored):
    head = head_of(animals, scored=scored, temperature=0.1).fit(animals.X, animals.y)
    attention = head_of(animals, aggregation="attention", temperature=0.1).fit()
    before = attention.decision_function(animals.X_test)
    assert not np.allclose(head.decision_function(animals.X_test), before)
    head.coefs_[1][:] = head.intercepts_[1][:] = 0
    assert_allclose(head.decision_function(animals.X_test), before, atol=1e-6)
    assert_allclose(head.transform(animals.X_test), unit(animals.X_test), atol=1e-6)


def test_attention_lies_between_mean_and_max(animals):
    def scores(**params):
        return head_of(animals, **params).fit().decision_function(animals.X_test)

    mean, best = scores(aggregation="mean"), scores(aggregation="max")
    hot = scores(aggregation="attention", temperature=1e6)
    cold = scores(aggregation="attention", temperature=1e-6)
    assert_allclose(hot, mean, atol=1e-5)
    assert_allclose(cold, best, atol=1e-5)
    assert not np.allclose(mean, best)


# training


def test_generator_learns(animals, trained):
    free = {
        kind: head_of(animals, aggregation=kind).fit().score(animals.X_test, animals.y_test)
        for kind in KINDS[1:]
    }
    assert trained.score(animals.X_test, animals.y_test) > max(free.values()) + 0.2
    assert trained.loss_curve_[-1] < trained.loss_curve_[0]
    assert trained.distillation_curve_[-1] < trained.distillation_curve_[0]
    assert trained.n_epochs_ == trained.best_epoch_ == len(trained.loss_curve_) == 50
    assert trained.validation_scores_ is None


def test_seed_decides(animals):
    heads = [
        head_of(animals, max_epochs=2).set_params(random_state=seed).fit(animals.X, animals.y)
        for seed in (3, 3, 4)
    ]
    scores = [head.decision_function(animals.X_test) for head in heads]
    assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_early_stopping_takes_the_best_epoch(animals, monkeypatch):
    monkeypatch.setattr(_learning, "VALIDATION_FRACTION", 0.4)
    monkeypatch.setattr(_learning, "PATIENCE", 3)
    head = head_of(animals, early_stopping=True, max_epochs=30).fit(animals.X, animals.y)
    assert len(head.validation_scores_) == head.n_epochs_
    assert head.best_epoch_ == 1 + np.argmax(head.validation_scores_)
    assert head.n_epochs_ in (30, head.best_epoch_ + 3)


def test_too_few_images_to_hold_any_out(animals):
    rows = slice(None, None, 6)  # one a class
    head = head_of(animals, early_stopping=True).fit(animals.X[rows], animals.y[rows])
    assert head.validation_scores_ is None
    assert head.n_epochs_ == 3


@pytest.mark.parametrize("how", ["weight", "row"])
def test_images_without_evidence_are_absent(animals, how):
    X = np.vstack([animals.X, animals.X[:2]])
    y = np.append(animals.y, ["yak", "yak"])
    weight = np.ones(len(y))
    if how == "weight":
        weight[-2:] = 0
    else:
        X[-2:] = 0
    ours = head_of(animals).fit(X, y, sample_weight=weight)
    reference = head_of(animals).fit(animals.X, animals.y)
    assert_array_equal(ours.coefs_[0], reference.coefs_[0])


def test_weights_count(animals):
    weight = np.where(animals.y == "cat", 50.0, 1.0)
    plain, weighted = (
        head_of(animals, max_epochs=20).fit(animals.X, animals.y, sample_weight=w)
        for w in (None, weight)
    )
    cats = [(head.predict(animals.X_test) == "cat").sum() for head in (plain, weighted)]
    assert cats[1] > cats[0]


def test_classes_without_images_keep_their_text(animals):
    seen = np.isin(animals.y, ["cat", "dog"])
    head = head_of(animals, max_epochs=10).fit(animals.X[seen], animals.y[seen])
    assert_array_equal(head.classes_, NAMES)
    assert {"fox", "yak"} & set(head.predict(animals.X_test))
    # and are no counter-examples in training
    fewer = AggregatedPromptClassifier(
        animals.text,
        prompts=animals.prompts,
        classes=["cat", "dog"],
        random_state=0,
        max_epochs=10,
    ).fit(animals.X[seen], animals.y[seen])
    assert_array_equal(head.coefs_[1], fewer.coefs_[1])


def test_fit_starts_anew(animals):
    head = head_of(animals).fit(animals.X, animals.y)
    head.set_params(aggregation="attention").fit(animals.X, animals.y)
    assert not hasattr(head, "coefs_")
    assert not hasattr(head, "loss_curve_")
    head.set_params(aggregation="mean").fit()
    assert hasattr(head, "coef_")
    assert not hasattr(head.set_params(aggregation="max").fit(), "coef_")
    assert not hasattr(head, "partial_fit")


@pytest.mark.parametrize("labels", [[3, 1], [False, True], ["l'été", "猫"]])
def test_any_label_and_two_classes(animals, labels):
    labels = np.sort(np.asarray(labels))
    y = labels[np.repeat([0, 1], 6)]
    prompts = {
        label: animals.prompts[name]
        for label, name in zip(labels.tolist(), ["cat", "dog"], strict=True)
    }
    head = AggregatedPromptClassifier(prompts=prompts, max_epochs=2, random_state=0)
    head.fit(animals.X[:12], y)
    assert_array_equal(head.classes_, labels)
    assert head.decision_function(animals.X).shape == (24,)
    assert_allclose(head.predict_proba(animals.X).sum(axis=1), 1)


def test_dtype_of_the_images_is_kept(animals, trained):
    for dtype in (np.float32, np.float64):
        X = animals.X_test.astype(dtype)
        assert trained.transform(X).dtype == trained.predict_proba(X).dtype == dtype


def test_probabilities_have_the_model_scale(animals, trained):
    text = ZeroShotClassifier(animals.text, logit_scale=20.0)
    head = head_of(animals, aggregation="mean").set_params(zero_shot=text).fit()
    assert head.logit_scale_ == 20.0
    assert head.temperature_ == 0.05
    own = head.set_params(logit_scale=3.0, temperature=0.7).fit()
    assert (own.logit_scale_, own.temperature_) == (3.0, 0.7)
    logits = 3.0 * own.decision_function(animals.X_test)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_allclose(own.predict_proba(animals.X_test), expected)


# without images, without text


def test_without_images_attention_stands_in_and_says_so(animals):
    with pytest.warns(NoEvidenceWarning, match="learns from labelled images, and there are none"):
        head = head_of(animals).fit()
    assert head.aggregation_ == "attention"
    reference = head_of(animals, aggregation="attention").fit()
    assert_array_equal(
        head.decision_function(animals.X_test), reference.decision_function(animals.X_test)
    )


def test_class_without_prompts_has_its_template_and_says_so(animals):
    prompts = {name: rows for name, rows in animals.prompts.items() if name != "fox"}
    with pytest.warns(NoEvidenceWarning, match="no prompts for 'fox': using their template"):
        head = head_of(animals, aggregation="attention").set_params(prompts=prompts).fit()
    fox = unit(animals.X_test) @ unit(animals.text["fox"])
    assert_allclose(head.decision_function(animals.X_test)[:, 2], fox)
    with pytest.warns(NoEvidenceWarning):
        head = head_of(animals).set_params(prompts=prompts).fit(animals.X, animals.y)
    assert head.score(animals.X, animals.y) > 0.25


def test_text_head_without_any_prompts_is_the_text_head(animals):
    with pytest.warns(NoEvidenceWarning, match="no prompts for 'cat', 'dog', 'fox' and 1 more"):
        head = AggregatedPromptClassifier(animals.text).fit(animals.X, animals.y)
    template = ZeroShotClassifier(animals.text).fit()
    assert_array_equal(head.coef_, template.coef_)


def test_without_text_class_means_stand_in(animals):
    with pytest.warns(NoEvidenceWarning, match="neither zero_shot nor prompts"):
        head = AggregatedPromptClassifier().fit(animals.X, animals.y)
    means = unit(np.stack([unit(animals.X)[animals.y == name].sum(axis=0) for name in NAMES]))
    assert_allclose(head.coef_, means)


def test_prompts_alone_make_the_template(animals):
    head = AggregatedPromptClassifier(prompts=animals.prompts, aggregation="mean").fit()
    means = unit(np.stack([unit(animals.prompts[name]).mean(axis=0) for name in NAMES]))
    assert_allclose(head.coef_, means)


# texts


def test_embedder_of_the_text_head_encodes_the_prompts(tiny_embedder):
    prompts = {"star": ["a star with five points", "a bright star"], "ring": ["a round ring"]}
    text = ZeroShotClassifier(embedder=tiny_embedder)
    head = AggregatedPromptClassifier(text, prompts=prompts, aggregation="attention")
    head.fit(y=["star", "ring"])
    assert_array_equal(head.prompt_classes_, ["ring", "star", "star"])
    assert head.model_id_ == tiny_embedder.model_id
    assert head.logit_scale_ == tiny_embedder.logit_scale
    own = clone(head).set_params(zero_shot=None, embedder=tiny_embedder).fit()
    assert_array_equal(own.prompts_, head.prompts_)
    assert own.model_id_ == tiny_embedder.model_id


def test_captions_are_prompts(captioned_images, tiny_embedder):
    retriever = FrozenEstimator(CaptionRetriever(k=20).fit(captioned_images.captions))
    X, y = tiny_embedder.transform(captioned_images.images), captioned_images.target
    head = AggregatedPromptClassifier(
        ZeroShotClassifier(embedder=tiny_embedder, classes=captioned_images.target_names),
        prompts="recall",
        retriever=retriever,
        aggregation="attention",
    ).fit()
    assert set(head.prompt_classes_) == set(captioned_images.target_names)
    assert len(head.prompts_) > 12
    assert head.score(X, np.asarray(y)) > 0.5


def test_grid_search_encodes_nothing_twice(monkeypatch, animals):
    encoded = []
    original = LoadedModel.encode_tokens

    def counting(self, tokens):
        encoded.append(len(tokens))
        return original(self, tokens)

    monkeypatch.setattr(LoadedModel, "encode_tokens", counting)
    embedder = CLIPEmbedder("skclip-tiny", device="cpu")
    prompts = {"star": ["never written star", "a star never seen"], "ring": ["an unheard ring"]}
    head = AggregatedPromptClassifier(
        prompts=prompts, embedder=embedder, max_epochs=1, random_state=0
    )
    X = np.random.default_rng(0).standard_normal((12, len(embedder.get_feature_names_out())))
    grid = {"gamma": [0.0, 0.5], "temperature": [0.1, "auto"]}
    search = GridSearchCV(head, grid, cv=2).fit(X, ["star", "ring"] * 6)
    assert sum(encoded) == 3
    assert set(search.best_params_) == set(grid)


# scikit-learn


def test_text_head_of_other_heads_where_it_is_constant(animals):
    mean = head_of(animals, aggregation="mean")
    primed = PrimedNCMClassifier(mean).fit(animals.X, animals.y)
    mixed = MixedHeadClassifier(mean).fit(animals.X, animals.y)
    # coef_ is normalised once more, which may round
    assert_allclose(primed.text_head_.weights, unit(mean.fit().coef_), rtol=1e-12)
    assert mixed.score(animals.X_test, animals.y_test) > 0.5
    attention = head_of(animals, aggregation="attention")
    for other in (PrimedNCMClassifier(attention), MixedHeadClassifier(attention)):
        with pytest.raises(ValueError, match=r"has no coef_.*aggregation='mean'"):
            other.fit(animals.X, animals.y)


def test_transform_names_its_columns(animals):
    head = head_of(animals).set_output(transform="pandas")
    frame = head.fit_transform(animals.X, animals.y)
    assert list(frame.columns) == list(head.get_feature_names_out())
    assert frame.columns[0] == "aggregatedpromptclassifier0"
    assert_allclose(np.linalg.norm(frame, axis=1), 1)


def test_steps_of_pipelines(animals):
    head = head_of(animals)
    scaled = make_pipeline(FunctionTransformer(lambda X: 3 * X), head).fit(animals.X, animals.y)
    assert_array_equal(
        scaled.predict(animals.X_test), head.fit(animals.X, animals.y).predict(animals.X_test)
    )
    after = make_pipeline(head, ZeroShotClassifier(animals.text)).fit(animals.X, animals.y)
    assert set(after.predict(animals.X_test)) <= set(NAMES)


def test_weights_are_routed(animals):
    with sklearn.config_context(enable_metadata_routing=True):
        head = head_of(animals).set_fit_request(sample_weight=True)
        head.set_score_request(sample_weight=False)
        search = GridSearchCV(head, {"gamma": [0.5]}, cv=2, error_score="raise")
        search.fit(animals.X, animals.y, sample_weight=np.linspace(1, 2, len(animals.y)))
    assert not np.array_equal(
        search.best_estimator_.coefs_[1], head.fit(animals.X, animals.y).coefs_[1]
    )


class Listener:
    """Takes down what it is told; asks for an end after some epochs."""

    def __init__(self, last=None):
        self.last, self.begun, self.scores = last, [], []

    def setup(self, estimator, context):
        self.begun.append("setup")

    def teardown(self, estimator, context):
        self.begun.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X, y))
        return len(self.scores) == self.last


@pytest.mark.skipif(not SUPPORTS_ARRAY_API, reason="callbacks came with scikit-learn 1.9")
def test_callbacks_hear_of_every_epoch(animals):
    listener = Listener()
    head = head_of(animals, max_epochs=4).set_callbacks(listener).fit(animals.X, animals.y)
    assert listener.begun == ["setup", "fit", *["epoch"] * 4, "teardown"]
    assert listener.scores[-1] == head.score(animals.X, animals.y)
    assert len(set(listener.scores)) > 1


@pytest.mark.skipif(not SUPPORTS_ARRAY_API, reason="callbacks came with scikit-learn 1.9")
def test_callbacks_may_end_training(animals):
    head = head_of(animals, max_epochs=9).set_callbacks(Listener(last=2))
    assert head.fit(animals.X, animals.y).n_epochs_ == 2
    untrained = clone(head).set_params(aggregation="max").set_callbacks(listener := Listener())
    untrained.fit(animals.X, animals.y)
    assert listener.begun == ["setup", "fit", "teardown"]


WITHOUT_TORCH = """
import pickle, sys

class NoTorch:
    def find_spec(self, name, *_):
        if name == "torch":
            raise ImportError("torch is not here")

sys.meta_path.insert(0, NoTorch())
head, X = pickle.load(sys.stdin.buffer)
pickle.dump((head.predict_proba(X), head.transform(X)), sys.stdout.buffer)
"""


def test_prediction_needs_no_torch(animals, trained):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        input=pickle.dumps((trained, animals.X_test)),
        capture_output=True,
        check=True,
    )
    proba, generated = pickle.loads(done.stdout)
    assert_array_equal(proba, trained.predict_proba(animals.X_test))
    assert_array_equal(generated, trained.transform(animals.X_test))


# bad input


@pytest.mark.parametrize(
    ("params", "args", "error", "message"),
    [
        ({}, (), ValueError, "requires y to be passed, but the target y is None"),
        ({"prompts": {}}, (), ValueError, "requires y to be passed"),
        ({}, (None, ["cat"]), ValueError, "has no text: give `prompts`, `zero_shot`, or both"),
        (
            {"prompts": {"cat": np.eye(2)}},
            (np.eye(2), ["cat", "owl"]),
            ValueError,
            "no text for 'owl': give prompts for every class",
        ),
        (
            {"zero_shot": {"cat": [1.0, 0.0]}, "prompts": {"cat": [[1.0, 0.0, 0.0]]}},
            (),
            ModelMismatchError,
            "prompts of 'cat' have 3 features",
        ),
        (
            {"prompts": {"cat": [[1.0, 0.0, 0.0]]}},
            ([[1.0, 0.0]], ["cat"]),
            ValueError,
            "X has 2 features, but the text head has 3",
        ),
        (
            {"zero_shot": {"cat": [1.0, 0.0]}, "prompts": {"cat": np.eye(2)}},
            (np.eye(2), ["cat", "owl"]),
            ValueError,
            "without a text embedding: 'owl'",
        ),
        (
            {"prompts": {"cat": np.eye(2)}, "classes": ["cat"]},
            (np.eye(2), ["cat", "owl"]),
            ValueError,
            "y holds labels that are not among the classes: 'owl'. The classes are 'cat'",
        ),
        ({"gamma": -1.0}, (), ValueError, "The 'gamma' parameter"),
        ({"temperature": 0}, (), ValueError, "The 'temperature' parameter"),
        ({"aggregation": "median"}, (), ValueError, "The 'aggregation' parameter"),
        ({"prompts": ["a cat"]}, (), ValueError, "The 'prompts' parameter"),
        ({"prompts": "recal"}, (), ValueError, "The 'prompts' parameter"),
        ({"early_stopping": 1.5}, (), ValueError, "The 'early_stopping' parameter"),
    ],
)
def test_bad_input(params, args, error, message):
    with pytest.raises(error, match=message):
        AggregatedPromptClassifier(**params).fit(*args)


def test_thousands_of_prompts_of_one_class(animals):
    rng = np.random.default_rng(0)
    many = animals.prompts | {"cat": rng.standard_normal((3000, 16))}
    head = head_of(animals, max_epochs=1).set_params(prompts=many).fit(animals.X, animals.y)
    assert (head.prompt_classes_ == "cat").sum() == 3000
    assert np.isfinite(head.predict_proba(animals.X_test)).all()


class PromptsOfAnotherWidth(BaseEstimator):
    def transform(self, texts):
        return np.ones((len(texts), 3))


def test_embedder_of_another_model(animals):
    head = AggregatedPromptClassifier(
        animals.text, prompts={"cat": ["fur"]}, embedder=PromptsOfAnotherWidth()
    )
    with pytest.raises(ModelMismatchError, match="embed class names and prompts with one model"):
        head.fit()


@pytest.mark.parametrize("source", ["prompts", "zero_shot"])
def test_named_labels(source):
    text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    names = {0: "dog", 1: "cat"}
    head = AggregatedPromptClassifier(
        prompts={name: [row] for name, row in text.items()}, aggregation="mean"
    )
    if source == "prompts":
        head.set_params(class_names=names)
    else:
        head.set_params(zero_shot=ZeroShotClassifier(text, class_names=names))
    head.fit(np.eye(2), [1, 0])
    assert_array_equal(head.classes_, [0, 1])
    assert_array_equal(head.predict(np.eye(2)), [1, 0])
    assert head.class_names_ == names


def test_logit_bias_of_an_embedder_is_carried():
    class PairEmbedder(BaseEstimator):
        logit_scale, logit_bias = 10.0, -5.0

        def transform(self, texts):
            return np.array([[t.count(c) for c in "abc"] for t in texts], float)

    prompts = {"a": ["a"], "b": ["b"]}
    for zero_shot in None, ZeroShotClassifier(embedder=PairEmbedder()):
        head = AggregatedPromptClassifier(
            zero_shot, prompts=prompts, embedder=PairEmbedder(), aggregation="attention"
        ).fit(y=["a", "b"])
        assert head.logit_bias_ == -5.0
        assert head.predict_pair_proba(np.zeros((1, 3)) + 1e-9).max() < 1


@pytest.mark.parametrize("device", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_there_is_one_sentence(device):
    animals = Animals()
    head = AggregatedPromptClassifier(animals.text, prompts=animals.prompts, device=device)
    with pytest.raises(ValueError, match=f"device='{device}' cannot be used on this machine"):
        head.fit(animals.X, animals.y)
