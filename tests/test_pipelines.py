"""Estimators chained with each other and with scikit-learn's and imbalanced-learn's."""

import imblearn.pipeline
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skclip import (
    CaptionRetriever,
    CLIPEmbedder,
    MixedHeadClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    ZeroShotClassifier,
    ZeroShotFilter,
)


@pytest.fixture(scope="module")
def paths(captioned_folder) -> np.ndarray:
    """Sixty image files."""
    return np.asarray(sorted(map(str, captioned_folder.glob("*.png")))[:60])


@pytest.fixture(scope="module")
def labels(captioned_images, paths) -> np.ndarray:
    return captioned_images.target[: len(paths)]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory) -> CLIPEmbedder:
    cache = tmp_path_factory.mktemp("cache")
    return CLIPEmbedder("skclip-tiny", device="cpu", cache=str(cache))


@pytest.fixture(scope="module")
def zero_shot(tiny_embedder, captioned_images) -> ZeroShotClassifier:
    return ZeroShotClassifier(embedder=tiny_embedder, classes=captioned_images.target_names)


@pytest.fixture
def primed(zero_shot, corpus_path) -> PrimedNCMClassifier:
    return PrimedNCMClassifier(
        zero_shot, retriever=CaptionRetriever(corpus_path, k=10), filter=ZeroShotFilter()
    )


def search(pipeline, grid, paths, labels, **options) -> GridSearchCV:
    found = GridSearchCV(pipeline, grid, cv=2, error_score="raise", **options)
    return found.fit(paths, labels)


def test_from_image_files_to_labels(embedder, primed, paths, labels):
    pipeline = make_pipeline(embedder, primed).fit(paths, labels)
    expected = clone(primed).fit(embedder.transform(paths), labels)
    X = embedder.transform(paths)
    assert pipeline.predict(paths).tolist() == expected.predict(X).tolist()


def test_search_over_alpha_and_sigma_from_image_files(embedder, primed, paths, labels):
    grid = {
        "primedncmclassifier__alpha": [0.2, "exponential", "shrinkage"],
        "primedncmclassifier__sigma": [1.0, 100.0],
    }
    found = search(make_pipeline(embedder, primed), grid, paths, labels)
    assert len(found.cv_results_["params"]) == 6
    assert set(found.predict(paths)) <= set(labels)


def test_search_over_the_retrievers_k_and_the_filters_threshold(embedder, primed, paths, labels):
    grid = {
        "primedncmclassifier__retriever__k": [1, None],
        "primedncmclassifier__filter__threshold": [0.0, 0.9],
    }
    found = search(make_pipeline(embedder, primed), grid, paths, labels)
    sizes = {
        (
            params["primedncmclassifier__retriever__k"],
            params["primedncmclassifier__filter__threshold"],
        ): len(
            clone(primed)
            .set_params(
                retriever__k=params["primedncmclassifier__retriever__k"],
                filter__threshold=params["primedncmclassifier__filter__threshold"],
            )
            .fit()
            .pool_
        )
        for params in found.cv_results_["params"]
    }
    assert sizes[1, 0.0] < sizes[None, 0.0]
    assert sizes[None, 0.9] < sizes[None, 0.0]


def test_search_over_the_imprinters_k(embedder, paths, labels):
    pipeline = make_pipeline(embedder, MultiProxyImprinter(random_state=0))
    grid = {"multiproxyimprinter__k": [1, 3]}
    found = search(pipeline, grid, paths, labels)
    assert found.best_params_["multiproxyimprinter__k"] in (1, 3)


def test_search_over_a_mixed_heads_own_head(embedder, zero_shot, paths, labels):
    mixed = MixedHeadClassifier(zero_shot, MultiProxyImprinter(random_state=0))
    grid = {"mixedheadclassifier__head__k": [1, 3], "mixedheadclassifier__alpha": [0.3, 0.7]}
    found = search(make_pipeline(embedder, mixed), grid, paths, labels)
    assert len(found.cv_results_["params"]) == 4


def test_search_in_two_processes_finds_the_same(embedder, primed, paths, labels):
    pipeline = make_pipeline(embedder, primed)
    grid = {
        "primedncmclassifier__alpha": [0.2, "exponential"],
        "primedncmclassifier__retriever__k": [2, 20],
    }
    one, two = (search(pipeline, grid, paths, labels, n_jobs=n_jobs) for n_jobs in (1, 2))
    np.testing.assert_allclose(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    assert one.best_params_ == two.best_params_


def test_the_pool_is_the_same_in_every_fold(embedder, primed, paths, labels):
    X = embedder.transform(paths)
    pools = [clone(primed).fit(X[fold], labels[fold]).pool_ for fold in (slice(40), slice(20, 60))]
    assert pools[0].ids.tolist() == pools[1].ids.tolist()


def test_filter_zeroes_rows_in_a_plain_pipeline(embedder, zero_shot, paths, labels):
    wrong = np.roll(labels, 1)
    pipeline = make_pipeline(embedder, ZeroShotFilter(zero_shot), NearestClassMean())
    pipeline.fit(paths, wrong)
    X = embedder.transform(paths)
    agrees = clone(zero_shot).fit(y=labels).predict(X) == wrong
    assert 0 < agrees.sum() < len(X)
    assert pipeline[-1].class_count_.sum() == agrees.sum()
    # rows to predict pass through whatever their labels
    assert pipeline.predict(paths).shape == labels.shape


def test_retriever_and_filter_are_steps_of_an_imbalanced_learn_pipeline(
    embedder, zero_shot, corpus_path, paths, labels
):
    retriever = CaptionRetriever(corpus_path, k=10, step="resample")
    agreeing = ZeroShotFilter(zero_shot, step="resample")
    pipeline = imblearn.pipeline.make_pipeline(embedder, retriever, agreeing, NearestClassMean())
    pipeline.fit(paths, labels)

    X = embedder.transform(paths)
    pool = retriever.recall(np.unique(labels).tolist())
    rows = np.concatenate([X, pool.embeddings])
    names = np.concatenate([labels, pool.labels])
    agrees = clone(zero_shot).fit(y=labels).predict(rows) == names
    expected = NearestClassMean().fit(rows[agrees], names[agrees])
    np.testing.assert_allclose(pipeline[-1].class_sum_, expected.class_sum_, rtol=1e-5)
    assert pipeline.predict(paths).tolist() == expected.predict(X).tolist()


def test_search_over_steps_of_an_imbalanced_learn_pipeline(
    embedder, zero_shot, corpus_path, paths, labels
):
    pipeline = imblearn.pipeline.make_pipeline(
        embedder,
        CaptionRetriever(corpus_path, step="resample"),
        ZeroShotFilter(zero_shot, step="resample"),
        NearestClassMean(),
    )
    grid = {
        "captionretriever__k": [1, 20],
        "zeroshotfilter": [ZeroShotFilter(zero_shot, step="resample"), "passthrough"],
    }
    found = search(pipeline, grid, paths, labels)
    assert len(found.cv_results_["params"]) == 4


def test_unreadable_image_carries_no_evidence_through_a_pipeline(
    embedder, primed, paths, labels, tmp_path
):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    skipping = clone(embedder).set_params(on_error="skip")
    with pytest.warns(match=r"broken\.png"):
        pipeline = make_pipeline(skipping, primed).fit([*paths, str(broken)], [*labels, labels[0]])
    whole = make_pipeline(embedder, primed).fit(paths, labels)
    np.testing.assert_allclose(pipeline[-1].coef_, whole[-1].coef_, rtol=1e-5, atol=1e-6)
