import json
import shutil

import numpy as np
import pytest

from skclip import CLIPEmbedder
from skclip.cli import main
from skclip.cli._verbs import _train
from skclip.corpus import Corpus
from skclip.datasets import make_captioned_images, write_captioned_folder
from skclip.exceptions import TrainingDivergedError
from tests.distill.conftest import SMALL


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    data = make_captioned_images(24, image_size=16, random_state=3)
    return write_captioned_folder(data, tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture
def train(photos, tmp_path):
    """Run the verb on the folder; return its status."""
    student = tmp_path / "small.json"
    student.write_text(json.dumps(SMALL))
    rows = tmp_path / "rows.npy"
    np.save(rows, np.random.default_rng(0).normal(size=(24, 6)))

    def run(*arguments, source=photos):
        options = ["--output", tmp_path / "run", "--student", student, "--dtype", "float32"]
        options += ["--batch-size", 8, "--steps", 4, "--jobs", 1, "--device", "cpu"]
        options += ["--image-teacher", rows, "--text-teacher", rows, "--quiet"]
        return main(["train", *map(str, [source, *options, *arguments])])

    return run


def test_model_is_ready_to_use(train, tmp_path, capsys):
    assert train() == 0
    embedder = CLIPEmbedder(f"local-dir:{tmp_path / 'run' / 'model'}", device="cpu")
    assert embedder.transform(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 12)
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert record["step"] == 4
    assert {"clip", "nn", "xnn"} <= set(record)
    assert capsys.readouterr().out == ""


def test_the_same_command_goes_on_and_another_is_refused(train, tmp_path, capsys):
    assert train() == 0
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    assert train() == 0
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before
    assert train("--learning-rate", 0.5) == 2
    assert "holds a run with --learning-rate 0.001 (now 0.5)" in capsys.readouterr().err


def test_a_corpus_is_taken_as_it_is(train, photos, tmp_path):
    corpus = Corpus.build(photos, tmp_path / "corpus", index=False)
    assert train(source=corpus.path) == 0
    assert not (tmp_path / "run" / "pairs").exists()


def test_models_as_teachers(train):
    models = ["--image-teacher", "skclip-tiny", "--text-teacher", "skclip-tiny"]
    assert train(*models) == 0


def test_broken_images_are_left_out(train, photos, tmp_path, capsys):
    folder = shutil.copytree(photos, tmp_path / "photos")
    next(folder.rglob("*.png")).write_bytes(b"no image")
    assert train("--lambda-nn", 0, "--lambda-xnn", 0, source=folder) == 0
    assert "1 of 24 pairs were left out" in capsys.readouterr().err


def test_without_teachers_it_says_what_to_do(photos, tmp_path, capsys):
    options = ["--output", str(tmp_path / "run"), "--batch-size", "8", "--quiet"]
    assert main(["train", str(photos), *options]) == 2
    message = capsys.readouterr().err
    assert "--image-teacher is missing: give a model or a .npy file" in message
    assert "set --lambda-nn and --lambda-xnn to 0" in message
    assert not (tmp_path / "run").exists()


def test_rows_of_a_teacher_may_be_an_address(train, tmp_path):
    address = (tmp_path / "rows.npy").as_uri()
    assert train("--image-teacher", address, "--text-teacher", address) == 0


def test_divergence_is_no_result(train, monkeypatch, capsys):
    def diverge(*args, **kwargs):
        raise TrainingDivergedError("The loss became infinite or NaN.")

    monkeypatch.setattr(_train.CLIPPINGTrainer, "fit", diverge)
    assert train() == 1
    assert capsys.readouterr().err == "skclip: error: The loss became infinite or NaN.\n"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--image-teacher", "none.npy", "--image-teacher 'none.npy' does not exist"),
        ("--text-teacher", "ViT-B/32", "--text-teacher 'ViT-B/32': "),
        ("--student", "none.json", "none.json"),
        ("--device", "gpu", "--device 'gpu' cannot be used"),
        ("--steps", "0", "--steps must be at least 1, got 0"),
    ],
)
def test_options_are_checked_first(train, tmp_path, capsys, option, value, said):
    assert train(option, value) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "run").exists()
