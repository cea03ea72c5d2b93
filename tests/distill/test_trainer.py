"""CLIPPINGTrainer as its users see it."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

from skclip import CLIPEmbedder
from skclip.distill import _feed, _trainer
from skclip.exceptions import (
    TrainingDivergedError,
    TruncatedTextWarning,
    UnreadableImageError,
    UnusablePairWarning,
)
from skclip.metrics import retrieval_recall
from tests.distill.conftest import SMALL


class MeanColor:
    """A teacher of images, as scikit-learn's transformers are."""

    def transform(self, images):
        return np.stack([np.asarray(image).mean(axis=(0, 1)) for image in images])


@pytest.fixture(scope="module")
def trained(make_trainer, pairs):
    """A trainer with the usual parameters, fitted once: tests only read it."""
    return make_trainer().fit(pairs.images, pairs.captions)


def test_fit_save_load(trained, pairs, tmp_path):
    X = trained.embedder_.transform(pairs.images)
    trained.save(tmp_path / "student")
    loaded = CLIPEmbedder(f"local-dir:{tmp_path / 'student'}", device="cpu")
    np.testing.assert_array_equal(loaded.transform(pairs.images), X)
    T = clone(loaded).set_params(modality="text").transform(pairs.captions)
    assert X.shape == T.shape == (48, 12)
    assert trained.n_iter_ == 8


def test_saving_again_replaces_what_this_process_has_loaded(
    make_trainer, pairs, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        trainer = make_trainer(random_state=seed).fit(pairs.images, pairs.captions)
        trainer.save("student")
        loaded = CLIPEmbedder(f"local-dir:{tmp_path / 'student'}", device="cpu")
        expected = trainer.embedder_.transform(pairs.images)
        np.testing.assert_array_equal(loaded.transform(pairs.images), expected)


def test_it_learns_the_pairs(make_trainer, pairs):
    plain = {"lambda_nn": 0, "lambda_xnn": 0, "augment": False}
    trainer = make_trainer(max_iter=150, batch_size=48, **plain).fit(pairs.images, pairs.captions)
    X = trainer.embedder_.transform(pairs.images)
    T = clone(trainer.embedder_).set_params(modality="text").transform(pairs.captions)
    n = np.arange(48)
    assert retrieval_recall(X, T, n, n, k=(1,))[1] > 0.8


def test_log_has_every_term_and_numbers(make_trainer, pairs):
    log = make_trainer(max_iter=7).fit(pairs.images, pairs.captions).log_
    assert [record["step"] for record in log] == [2, 4, 6, 7]
    terms = {"loss", "clip", "nn", "xnn"}
    others = {"step", "epoch", "logit_scale", "learning_rate", "images_per_second"}
    for record in log:
        assert set(record) == terms | others
        expected = record["clip"] + record["nn"] + record["xnn"]
        assert record["loss"] == pytest.approx(expected, rel=1e-5)


def test_weights_of_zero_ask_no_teacher(make_trainer, pairs, assert_same_weights):
    class Unwilling:
        def transform(self, items):
            raise AssertionError("was asked")

    plain = {"lambda_nn": 0, "lambda_xnn": 0}
    with_teachers = make_trainer(image_teacher=Unwilling(), text_teacher=Unwilling(), **plain)
    without = make_trainer(image_teacher=None, text_teacher=None, **plain)
    for trainer in (with_teachers, without):
        trainer.fit(pairs.images, pairs.captions)
    assert_same_weights(with_teachers, without)


def test_guidance_changes_the_student(make_trainer, trained, pairs, weights):
    plain = make_trainer(lambda_nn=0, lambda_xnn=0).fit(pairs.images, pairs.captions)
    assert (weights(plain)["text_projection"] != weights(trained)["text_projection"]).any()


@pytest.mark.parametrize(
    "changes",
    [
        {"cache_images": False},
        {"cache_images": False, "n_jobs": 2},
        {"checkpoint_every": 3, "log_every": 5},
        {"verbose": 1},
    ],
    ids=str,
)
def test_how_it_is_run_does_not_change_the_student(
    make_trainer, trained, pairs, assert_same_weights, changes
):
    assert_same_weights(make_trainer(**changes).fit(pairs.images, pairs.captions), trained)


def test_banks_beside_the_model_give_the_same(
    make_trainer, trained, pairs, assert_same_weights, monkeypatch
):
    monkeypatch.setattr(_feed, "_fits_on", lambda device, n_bytes: True)
    assert_same_weights(make_trainer().fit(pairs.images, pairs.captions), trained)


def test_seed_decides(make_trainer, trained, pairs, assert_same_weights, weights):
    same, other = (
        make_trainer(random_state=seed).fit(pairs.images, pairs.captions) for seed in (0, 4)
    )
    assert_same_weights(trained, same)
    assert (weights(trained)["text_projection"] != weights(other)["text_projection"]).any()


def test_the_users_random_numbers_are_left_alone(make_trainer, pairs):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make_trainer().fit(pairs.images, pairs.captions)
    assert torch.equal(torch.rand(3), expected)


def test_transformers_as_teachers(make_trainer, pairs):
    words = HashingVectorizer(n_features=16)
    trainer = make_trainer(image_teacher=MeanColor(), text_teacher=words)
    trainer.fit(pairs.images, pairs.captions)
    assert {"nn", "xnn"} <= set(trainer.log_[-1])


def test_clip_as_teacher(make_trainer, pairs):
    teacher = CLIPEmbedder("skclip-tiny", device="cpu")
    texts = clone(teacher).set_params(modality="text")
    trainer = make_trainer(image_teacher=teacher, text_teacher=texts, max_iter=2)
    assert trainer.fit(pairs.images, pairs.captions).n_iter_ == 2


@pytest.mark.parametrize(("lambdas", "term"), [((1, 0), "nn"), ((0, 1), "xnn")])
def test_one_term_alone(make_trainer, pairs, lambdas, term):
    trainer = make_trainer(lambda_nn=lambdas[0], lambda_xnn=lambdas[1])
    last = trainer.fit(pairs.images, pairs.captions).log_[-1]
    assert {"nn", "xnn"} & set(last) == {term}


def test_several_captions_an_image(make_trainer, pairs):
    ids = np.arange(48) // 4
    images = [pairs.images[i] for i in ids]
    bank = np.random.default_rng(0).normal(size=(30, 5))
    trainer = make_trainer(image_teacher=bank, n_epochs=3, max_iter=None, batch_size=6)
    trainer.fit(images, pairs.captions, image_ids=ids + 11)
    assert trainer.n_iter_ == 3 * (12 // 6)


def test_averaged_and_accumulated(make_trainer, pairs):
    trainer = make_trainer(ema_decay=0.5, accumulate=3).fit(pairs.images, pairs.captions)
    assert np.isfinite(trainer.embedder_.transform(pairs.images)).all()


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.9])
def test_any_share_of_few_steps_may_be_warm_up(make_trainer, pairs, warmup):
    trainer = make_trainer(max_iter=2, warmup=warmup).fit(pairs.images, pairs.captions)
    assert trainer.n_iter_ == 2


def test_more_epochs_than_one(make_trainer, pairs):
    trainer = make_trainer(max_iter=None, n_epochs=2, batch_size=20)
    assert trainer.fit(pairs.images, pairs.captions).n_iter_ == 4
    assert trainer.log_[-1]["epoch"] == 2.0


def test_unusable_pairs_are_named_and_left_out(make_trainer, pairs, tmp_path, assert_same_weights):
    images, captions = list(pairs.images), list(pairs.captions)
    images[5], captions[7] = str(tmp_path / "missing.png"), "  "
    with pytest.raises(UnreadableImageError, match=r"2 images or captions.*missing\.png.*on_error"):
        make_trainer().fit(images, captions)
    message = r"2 of 48 pairs were left out: .*missing\.png': no such file; caption 7: empty"
    with pytest.warns(UnusablePairWarning, match=message):
        left_out = make_trainer(on_error="skip").fit(images, captions)
    kept = np.delete(np.arange(48), [5, 7])
    banks = {"image_teacher": pairs.image_bank[kept], "text_teacher": pairs.text_bank[kept]}
    expected = make_trainer(**banks)
    expected.fit([images[i] for i in kept], [captions[i] for i in kept])
    assert_same_weights(left_out, expected)


def test_empty_captions_alone_are_a_value_error(make_trainer, pairs):
    with pytest.raises(ValueError, match="1 images or captions cannot be used: caption 0: empty"):
        make_trainer().fit(pairs.images, ["", *pairs.captions[1:]])


def test_long_captions_are_counted(make_trainer, pairs):
    captions = ["word " * 40, *pairs.captions[1:]]
    with pytest.warns(TruncatedTextWarning, match="1 of 48 captions are longer than the student"):
        make_trainer().fit(pairs.images, captions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 64}, "batch_size=64 with accumulate=1 needs 64 different images.* are 48"),
        ({"batch_size": 20, "accumulate": 3}, "needs 60 different images per step"),
        ({"image_teacher": None}, "image_teacher is None: give a transformer"),
        ({"text_teacher": np.zeros((7, 2))}, "text_teacher has 7 rows but there are 48 pairs"),
        ({"lambda_nn": -1}, "The 'lambda_nn' parameter of CLIPPINGTrainer must be"),
        ({"batch_size": 1}, "The 'batch_size' parameter of CLIPPINGTrainer must be"),
        ({"warmup": 1.0}, "The 'warmup' parameter of CLIPPINGTrainer must be"),
        ({"student": "no-such-model"}, "student='no-such-model' is neither a model"),
    ],
    ids=str,
)
def test_bad_parameters_are_named(make_trainer, pairs, changes, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(**changes).fit(pairs.images, pairs.captions)


def test_one_pair_is_no_batch(make_trainer, pairs):
    bank = {"image_teacher": pairs.image_bank[:1], "text_teacher": pairs.text_bank[:1]}
    with pytest.raises(ValueError, match="needs 2 different images per step, but there are 1"):
        make_trainer(batch_size=2, **bank).fit(pairs.images[:1], pairs.captions[:1])


def test_teacher_that_is_not_fitted_says_so(make_trainer, pairs):
    with pytest.raises(NotFittedError):
        make_trainer(text_teacher=TfidfVectorizer()).fit(pairs.images, pairs.captions)


def test_divergence_stops_with_advice_and_keeps_the_sound_checkpoint(
    make_trainer, pairs, tmp_path, monkeypatch
):
    from skclip.distill._learner import Learner

    step = Learner.step

    def poisoned(self, images, tokens, rows):
        if self.step_number == 5:
            images = images * float("nan")
        step(self, images, tokens, rows)

    monkeypatch.setattr(Learner, "step", poisoned)
    trainer = make_trainer(output=tmp_path, checkpoint_every=2)
    message = "infinite or NaN in steps 5 to 6. Lower learning_rate.*checkpoint of step 4 is valid"
    with pytest.raises(TrainingDivergedError, match=message):
        trainer.fit(pairs.images, pairs.captions)
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == 4
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]


def test_nothing_is_known_before_fit(make_trainer, tmp_path):
    with pytest.raises(NotFittedError):
        make_trainer().save(tmp_path)


def test_a_fitted_trainer_is_pickled_without_its_model(trained, pairs):
    data = pickle.dumps(trained)
    assert len(data) < 100_000
    expected = trained.embedder_.transform(pairs.images)
    np.testing.assert_array_equal(pickle.loads(data).embedder_.transform(pairs.images), expected)


def test_files_as_images(make_trainer, trained, pairs, tmp_path, assert_same_weights):
    paths = [tmp_path / f"{i}.png" for i in range(48)]
    for path, image in zip(paths, pairs.images, strict=True):
        Image.fromarray(image).save(path)
    assert_same_weights(make_trainer().fit(paths, pairs.captions), trained)


@pytest.mark.parametrize("whose", ["student", "teacher"])
def test_a_missing_tokenizer_is_found_before_an_image_is_read(
    make_trainer, pairs, monkeypatch, whose
):
    def missing(*args):
        raise ImportError("needs transformers")

    trainer = make_trainer()
    if whose == "student":
        monkeypatch.setattr("skclip.distill._student.create_tokenizer", missing)
    else:
        teacher = CLIPEmbedder("skclip-tiny", modality="text", device="cpu")
        teacher.load_model()._tokenizer = None
        monkeypatch.setattr(teacher.load_model(), "make_tokenizer", missing)
        trainer.set_params(text_teacher=teacher)
    monkeypatch.setattr(_trainer, "scan_images", pytest.fail)
    with pytest.raises(ImportError, match="needs transformers"):
        trainer.fit(pairs.images, pairs.captions)


def test_tilde_is_the_home_folder(make_trainer, pairs, tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    np.save(tmp_path / "rows.npy", pairs.image_bank)
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    trainer = make_trainer(
        student="~/small.json", image_teacher="~/rows.npy", output="~/run", max_iter=1
    )
    trainer.fit(pairs.images, pairs.captions).save("~/copy")
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    assert (tmp_path / "copy" / "open_clip_config.json").is_file()


def test_a_file_that_describes_no_model_is_named(make_trainer, pairs, tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"list\.json' is not a JSON object"):
        make_trainer(student=tmp_path / "list.json").fit(pairs.images, pairs.captions)
