"""From whatever names an architecture to a folder that open_clip loads."""

import json

import open_clip
import pytest
import torch

from skclip import CLIPEmbedder
from skclip.distill._student import find_architecture, save_student, zero_unused_words
from skclip.exceptions import ModelNotFoundError
from tests.distill.conftest import SMALL


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return path


@pytest.mark.parametrize("as_folder", [False, True])
def test_file_and_folder_are_the_configuration(config_file, as_folder):
    student = config_file
    if as_folder:
        description = {"model_cfg": SMALL, "preprocess_cfg": {}}
        (config_file.parent / "open_clip_config.json").write_text(json.dumps(description))
        student = f"local-dir:{config_file.parent}"
    assert find_architecture(student).identity == find_architecture(SMALL).identity


def test_weights_follow_the_seed_and_are_no_checkpoint():
    architecture = find_architecture("skclip-tiny")

    def text_projection(seed):
        torch.manual_seed(seed)
        return architecture.create_model().text_projection

    trained = CLIPEmbedder("skclip-tiny", device="cpu").load_model().model.text_projection
    assert torch.equal(text_projection(0), text_projection(0))
    assert not torch.equal(text_projection(0), text_projection(1))
    assert not torch.equal(text_projection(0), trained)


def test_saved_folder_is_loaded_by_open_clip_and_by_the_embedder(tmp_path, pairs):
    architecture = find_architecture(
        {"model_cfg": SMALL, "preprocess_cfg": {"mean": [0.5] * 3, "interpolation": "bilinear"}}
    )
    model = architecture.create_model().eval()
    save_student(
        model.state_dict(), architecture, architecture.create_tokenizer(), tmp_path / "model"
    )
    name = f"local-dir:{tmp_path / 'model'}"
    loaded, _, preprocess = open_clip.create_model_and_transforms(name)
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key
    assert list(preprocess.transforms[-1].mean) == [0.5] * 3
    rows = CLIPEmbedder(name, device="cpu", normalize=False).transform(pairs.images[:2])
    with torch.inference_mode():
        image = CLIPEmbedder(name, device="cpu").load_model().preprocess
        from PIL import Image

        expected = model.encode_image(
            torch.stack([image(Image.fromarray(x)) for x in pairs.images[:2]])
        )
    torch.testing.assert_close(torch.from_numpy(rows), expected)


def test_words_that_no_caption_has_say_nothing():
    architecture = find_architecture(SMALL)
    model, tokenizer = architecture.create_model(), architecture.create_tokenizer()
    before = model.token_embedding.weight.clone()
    tokens = tokenizer(["red", "blue"])
    zero_unused_words(model, tokens)
    read = tokens.unique()
    assert torch.equal(model.token_embedding.weight[read], before[read])
    unread = tokenizer(["green"])[0, 1]
    assert not model.token_embedding.weight[unread].any()


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ("ViT-B-33", "student='ViT-B-33' is neither a model of open_clip nor a JSON file"),
        ("missing.json", "student='missing.json' cannot be read"),
        ({"embed_dim": 3}, "student is not a model configuration.*has no 'text_cfg', 'vision_cfg'"),
        ("local-dir:nowhere", "open_clip_config.json' cannot be read"),
    ],
)
def test_unknown_students_are_named(student, message):
    with pytest.raises(ModelNotFoundError, match=message):
        find_architecture(student)
