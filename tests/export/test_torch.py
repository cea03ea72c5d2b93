import numpy as np
import open_clip
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from skclip import (
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    ZeroShotClassifier,
)
from skclip.exceptions import ModelMismatchError
from skclip.export import load_head, save_head, to_open_clip, to_torch
from tests.export.conftest import STORABLE, TEXT, blobs

NOT_IN_TORCH = {"proxies, votes", "proxies, quantiles"}


@pytest.fixture(scope="module")
def pixels(tiny_embedder, captioned_images) -> torch.Tensor:
    preprocess = tiny_embedder.load_model().preprocess
    return torch.stack([preprocess(image.convert("RGB")) for image in captioned_images.images[:40]])


@pytest.fixture(scope="module")
def text_head(tiny_embedder, captioned_images) -> ZeroShotClassifier:
    names = list(captioned_images.target_names)
    return ZeroShotClassifier(embedder=tiny_embedder, classes=names).fit()


@pytest.fixture(scope="module")
def stacked_head(text_head, tiny_embedder, captioned_images) -> StackedHeadClassifier:
    X = tiny_embedder.transform(captioned_images.images[:60])
    return StackedHeadClassifier(text_head).fit(X, captioned_images.target[:60])


@pytest.mark.parametrize("name", sorted(set(STORABLE) - NOT_IN_TORCH))
def test_module_gives_the_probabilities_of_the_head(name):
    X, y, _ = blobs()
    head = clone(STORABLE[name]).fit(X, y)
    module = to_torch(head)
    with torch.inference_mode():
        logits = module(torch.from_numpy(X))
    np.testing.assert_allclose(module.probabilities(logits), head.predict_proba(X), atol=2e-5)
    assert [module.classes[i] for i in logits.argmax(dim=1)] == head.predict(X).tolist()


@pytest.mark.parametrize("aggregation", ["max", "logsumexp", "mean"])
@pytest.mark.parametrize("metric", ["inner_product", "cosine", "euclidean", "mahalanobis"])
@pytest.mark.parametrize("normalize", ["l2", "whiten"])
def test_module_gives_the_scores_of_proxies(aggregation, metric, normalize):
    X, y, _ = blobs()
    head = MultiProxyImprinter(
        k=2, aggregation=aggregation, metric=metric, normalize_inputs=normalize, random_state=0
    )
    head.fit(X, y).partial_fit(X[:1], y[:1], classes=["unicorn"])
    scores = to_torch(head).scores(torch.from_numpy(X)).detach()
    wanted = head.decision_function(X)
    np.testing.assert_allclose(scores, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(NOT_IN_TORCH))
def test_proxies_that_are_not_in_torch_are_refused(name):
    head = clone(STORABLE[name]).fit(*blobs()[:2])
    with pytest.raises(ValueError, match="is not written in torch"):
        to_torch(head)


def test_what_cannot_be_stored_is_no_module():
    head = StackedHeadClassifier(TEXT, [("forest", RandomForestClassifier(3))])
    with pytest.raises(ValueError, match="neither one matrix"):
        to_torch(head.fit(*blobs()[:2]))


def test_loaded_head_gives_the_same_module(tmp_path):
    X, y, _ = blobs()
    head = StackedHeadClassifier(TEXT).fit(X, y)
    loaded = load_head(save_head(head, tmp_path / "head.skclip"))
    X = torch.from_numpy(X)
    assert torch.equal(to_torch(loaded)(X), to_torch(head)(X))


def test_module_from_images_predicts_as_the_pipeline(
    stacked_head, tiny_embedder, captioned_images, pixels
):
    module = to_torch(stacked_head, tiny_embedder)
    with torch.inference_mode():
        logits = module(pixels)
    X = tiny_embedder.transform(captioned_images.images[:40])
    np.testing.assert_allclose(
        module.probabilities(logits), stacked_head.predict_proba(X), atol=1e-4
    )


def test_fused_encoder_gives_the_labels(text_head, tiny_embedder, captioned_images, pixels):
    before = tiny_embedder.transform(captioned_images.images[:40])
    module = to_torch(text_head, tiny_embedder, fuse=True)
    with torch.inference_mode():
        labels = [module.classes[i] for i in module(pixels).argmax(dim=1)]
    assert labels == text_head.predict(before).tolist()
    assert not hasattr(module, "probabilities")
    # the model of the process is not the one that was fused
    np.testing.assert_array_equal(tiny_embedder.transform(captioned_images.images[:40]), before)


def test_vision_transformers_are_fused_too():
    config = {"image_size": 32, "patch_size": 16, "layers": 1, "width": 32, "head_width": 16}
    visual = open_clip.model.CLIP(
        12, config, {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
    ).visual.eval()
    matrix = torch.randn(5, 12)
    images = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        wanted = visual(images) @ matrix.T
        from skclip.export._torch import _fuse

        _fuse(visual, matrix.numpy())
        assert torch.allclose(visual(images), wanted, atol=1e-4)


def test_encoder_without_a_last_matrix_is_not_fused():
    from skclip.export._torch import _fuse

    with pytest.raises(ValueError, match="the image encoder Identity does not end in a matrix"):
        _fuse(torch.nn.Identity(), np.ones((2, 2)))


def test_intercepts_are_not_fused(stacked_head, tiny_embedder):
    with pytest.raises(ValueError, match="needs a head without intercepts, and a StackedHead"):
        to_torch(stacked_head, tiny_embedder, fuse=True)
    with pytest.raises(ValueError, match="needs a head without intercepts"):
        to_open_clip(stacked_head)


def test_fuse_needs_an_encoder():
    with pytest.raises(ValueError, match="give embedder"):
        to_torch(ZeroShotClassifier(TEXT).fit(), fuse=True)


def test_encoder_of_another_width_is_refused(tiny_embedder):
    with pytest.raises(ValueError, match="gives 64 features, and the head scores 12"):
        to_torch(ZeroShotClassifier(TEXT).fit(), tiny_embedder)


def test_encoder_of_another_model_is_refused(text_head, mean_color):
    with pytest.raises(ModelMismatchError, match="mean-color"):
        to_torch(text_head, mean_color)


def test_open_clip_weights_are_those_of_open_clip(tiny_embedder):
    names, template = ["ring", "star"], "a photo of a {}."
    head = ZeroShotClassifier(embedder=tiny_embedder, classes=names, templates=template).fit()
    loaded = tiny_embedder.load_model()
    wanted = open_clip.build_zero_shot_classifier(loaded.model, loaded.tokenizer, names, [template])
    assert torch.allclose(to_open_clip(head), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "head", [NearestClassMean(), PrimedNCMClassifier(TEXT, alpha=0.5)], ids=["means", "published"]
)
def test_other_heads_without_intercepts_are_such_weights(head):
    X, y, _ = blobs()
    weights = to_open_clip(head.fit(X, y)).numpy()
    assert head.classes_[(X @ weights).argmax(axis=1)].tolist() == head.predict(X).tolist()


def test_rows_that_are_not_normalised_are_no_such_weights():
    head = NearestClassMean(metric="euclidean").fit(*blobs()[:2])
    with pytest.raises(ValueError, match="one matrix over unit rows"):
        to_open_clip(head)
