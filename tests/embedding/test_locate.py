"""Where weights come from, and the one sentence when they do not. No test asks the network."""

import logging
import pickle
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest

from skclip import CLIPEmbedder, ZeroShotClassifier
from skclip.embedding import _locate
from skclip.embedding._locate import create_open_clip_model, resolve_pretrained, source_label
from skclip.exceptions import ModelNotFoundError
from tests.embedding.conftest import TINY, write_tokenizer


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty hub cache and a hub that does not answer."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(_locate, "_hub_is_reachable", lambda: False)


def test_auto_is_the_bundled_file_the_default_or_the_only_tag():
    assert resolve_pretrained("skclip-tiny", "auto").endswith("skclip-tiny.safetensors")
    assert resolve_pretrained("ViT-B-32", "auto") == "laion2b_s34b_b79k"
    assert resolve_pretrained("ViT-B-16-SigLIP", "auto") == "webli"
    assert resolve_pretrained("hf-hub:org/repo", "auto") is None
    assert resolve_pretrained("local-dir:/models/x", "auto") is None


def test_slashes_in_names_are_dashes_as_in_open_clip():
    assert resolve_pretrained("ViT-B/32", "openai") == "openai"


def test_checkpoint_file_passes_through(tmp_path):
    checkpoint = tmp_path / "mine.pt"
    checkpoint.touch()
    assert resolve_pretrained("ViT-B-32", checkpoint) == str(checkpoint)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ViT-B32", "auto"), r"'ViT-B32' is not a model of open_clip; did you mean 'ViT-B-32'"),
        (("ViT-B/32", "auto"), r"has no default .* model_name='ViT-B-32', pretrained='openai'"),
        (
            ("openai/clip-vit-base-patch32", "auto"),
            r"write model_name='ViT-B-32', pretrained='openai'\.",
        ),
        (("laion/CLIP-x", "auto"), r"write model_name='hf-hub:laion/CLIP-x'\."),
        (("qqqq", "auto"), r"'qqqq' is not a model of open_clip\. open_clip\.list_models\(\)"),
        (("ViT-B-32", "laion2b"), r"neither a file nor a tag .* tags: 'openai', 'laion400m_e31'"),
        (("ViT-L-14", "auto"), r"has no default .* tags: 'openai'"),
        (("ViT-e-14", "auto"), r"no weights for it: give the path"),
        (("hf-hub:org/repo", "openai"), r"includes its weights. Leave pretrained='auto'"),
    ],
)
def test_unknown_names_and_tags(arguments, message):
    with pytest.raises(ModelNotFoundError, match=message):
        resolve_pretrained(*arguments)


@pytest.mark.parametrize(
    ("name", "checkpoint"), [("ViT-B-32", "laion2b_s34b_b79k"), ("hf-hub:org/repo", None)]
)
def test_without_network_and_weights(no_network, capfd, name, checkpoint):
    with pytest.raises(ModelNotFoundError, match="Run once with a network, or copy") as caught:
        create_open_clip_model(name, checkpoint)
    assert repr(name) in str(caught.value)
    assert caught.value.__cause__ is None
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err == ""


def test_files_on_disk_need_no_network(monkeypatch, tmp_path, tiny_model):
    """A hub repository that was downloaded once loads from the cache, with no word to the hub."""
    from huggingface_hub import constants

    folder = tiny_model.removeprefix("local-dir:")
    snapshot = tmp_path / "models--org--repo" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_config.json").symlink_to(f"{folder}/open_clip_config.json")
    # the name under which open_clip looks for weights in a repository
    (snapshot / "open_clip_model.safetensors").symlink_to(f"{folder}/model.safetensors")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(_locate, "_hub_is_reachable", pytest.fail)
    _, config = create_open_clip_model("hf-hub:org/repo", None)
    assert config["embed_dim"] == 12
    assert constants.HF_HUB_OFFLINE is False


def test_what_is_not_on_disk_is_fetched(monkeypatch):
    from huggingface_hub import constants

    offline = []

    def create():
        offline.append(constants.HF_HUB_OFFLINE)
        if constants.HF_HUB_OFFLINE:
            raise RuntimeError("not in the cache")
        return "model"

    monkeypatch.setattr(_locate, "_hub_is_reachable", lambda: True)
    assert _locate._from_disk_or_hub(create, "it", try_hub=True) == "model"
    assert offline == [True, False]


def test_download_that_fails_is_one_sentence(monkeypatch):
    def create():
        raise RuntimeError("401 Client Error.\n\nRepository   Not Found")

    monkeypatch.setattr(_locate, "_hub_is_reachable", lambda: True)
    with pytest.raises(
        ModelNotFoundError,
        match=r"^it cannot be loaded \(401 Client Error. Repository Not Found\)",
    ):
        _locate._from_disk_or_hub(create, "it", try_hub=True)


def test_repository_without_weights_is_no_random_model(
    no_network, monkeypatch, tmp_path, tiny_model
):
    """open_clip would go on with random weights and one line in the log."""
    snapshot = tmp_path / "models--org--empty" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_config.json").symlink_to(
        f"{tiny_model.removeprefix('local-dir:')}/open_clip_config.json"
    )
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    with pytest.raises(ModelNotFoundError, match="not all on this machine"):
        create_open_clip_model("hf-hub:org/empty", None)


def test_folder_that_is_none(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"cannot be loaded \(Directory specified"):
        create_open_clip_model(f"local-dir:{tmp_path}/none", None)


def test_missing_tokenizer_is_copied_with_its_folder(no_network, monkeypatch):
    import open_clip

    def needs_download(*args, **kwargs):
        raise OSError("no such file in the cache")

    monkeypatch.setattr(open_clip, "get_tokenizer", needs_download)
    with pytest.raises(ModelNotFoundError, match="tokenizer's files in it") as caught:
        _locate.create_tokenizer("ViT-B-16-SigLIP", "webli")
    assert "pretrained='CHECKPOINT'" not in str(caught.value)


def test_tokenizer_comes_from_the_folder_of_the_model(make_model, no_network):
    pytest.importorskip("transformers", reason="needs the extra `transformers`")
    text = {**TINY["text_cfg"], "vocab_size": 99, "hf_tokenizer_name": "org/not-on-this-machine"}
    name = make_model("sigmoid", text_cfg=text, init_logit_bias=-10.0)
    write_tokenizer(Path(name.removeprefix("local-dir:")))
    embedder = CLIPEmbedder(name, device="cpu")
    tokens = embedder.load_model().tokenizer(["a cat"])
    assert tokens[0, :4].tolist() == [3, 5, 1, 0]
    head = ZeroShotClassifier(embedder=embedder, classes=["cat", "dog"]).fit()
    assert head.logit_bias_ == pytest.approx(-10)
    proba = head.predict_pair_proba(np.eye(12))
    expected = 1 / (1 + np.exp(10 - head.logit_scale_ * np.eye(12) @ head.coef_.T))
    np.testing.assert_allclose(proba, expected, rtol=1e-5)


def test_tilde_is_the_home_folder(monkeypatch, tmp_path):
    (tmp_path / "mine.pt").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert resolve_pretrained("ViT-B-32", "~/mine.pt") == str(tmp_path / "mine.pt")
    assert _locate.expand_folder("local-dir:~/model") == f"local-dir:{tmp_path / 'model'}"
    assert _locate.expand_folder("hf-hub:org/~") == "hf-hub:org/~"


def test_torn_checkpoint_is_not_advised_to_be_trusted(tmp_path):
    checkpoint = tmp_path / "torn.pt"
    checkpoint.write_bytes(pickle.dumps({"weights": print}))
    with pytest.raises(ModelNotFoundError, match="the file is damaged, or holds more") as caught:
        create_open_clip_model("skclip-tiny", str(checkpoint))
    assert "weights_only" not in str(caught.value)


def test_weights_of_another_model(tmp_path, tiny_model):
    checkpoint = f"{tiny_model.removeprefix('local-dir:')}/model.safetensors"
    with pytest.raises(ModelNotFoundError, match="belong together"):
        create_open_clip_model("skclip-tiny", checkpoint)


def test_file_that_is_no_checkpoint(tmp_path):
    checkpoint = tmp_path / "broken.safetensors"
    checkpoint.write_bytes(b"nothing")
    with pytest.raises(ModelNotFoundError, match="files are complete"):
        create_open_clip_model("skclip-tiny", str(checkpoint))


def test_missing_package_is_named(monkeypatch):
    import open_clip

    def needs_package(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'transformers'", name="transformers")

    monkeypatch.setattr(open_clip, "get_tokenizer", needs_package)
    with pytest.raises(
        ImportError, match=r"needs transformers: pip install 'skclip\[transformers\]'"
    ):
        _locate.create_tokenizer("skclip-tiny", None)


def test_logging_stays_as_the_user_configured_it(tiny_model, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    create_open_clip_model(tiny_model, None)
    assert logging.root.handlers == []


@pytest.mark.parametrize(
    ("answer", "reachable"),
    [
        (HTTPError("", 503, "", None, None), True),
        (URLError(OSError("no name service")), False),
        (TimeoutError(), False),
    ],
)
def test_a_hub_that_answers_anything_is_reachable(monkeypatch, answer, reachable):
    def urlopen(*args, **kwargs):
        raise answer

    monkeypatch.setattr(_locate, "urlopen", urlopen)
    assert _locate._hub_is_reachable() is reachable


def test_labels_hold_no_folders(tmp_path):
    checkpoint = tmp_path / "mine.pt"
    checkpoint.touch()
    assert source_label("ViT-B-32", "openai") == "ViT-B-32/openai"
    assert source_label("ViT-B-32", str(checkpoint)) == "ViT-B-32/mine"
    assert source_label("hf-hub:org/repo", None) == "org/repo"
    assert source_label(f"local-dir:{tmp_path}/model", None) == "model"
