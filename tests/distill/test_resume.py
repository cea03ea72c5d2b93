"""A run that was stopped, however, ends as if it had not been."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from skclip.distill._learner import Learner
from skclip.distill._run import Run
from skclip.exceptions import TrainingRunError
from tests.distill.conftest import SMALL

SCRIPT = """
import json, os, signal, sys
import numpy as np
from skclip.distill import CLIPPINGTrainer
from skclip.distill._learner import Learner

step = Learner.step

def killed(self, *batch):
    if self.step_number == int(sys.argv[5]):
        os.kill(os.getpid(), signal.SIGKILL)
    step(self, *batch)

Learner.step = killed
data = np.load(sys.argv[1])
trainer = CLIPPINGTrainer(
    json.loads(sys.argv[3]), data["image_bank"], data["text_bank"], max_iter=int(sys.argv[4]),
    batch_size=8, learning_rate=1e-2, dtype="float32", device="cpu", ema_decay=0.9,
    random_state=0, log_every=5,
    checkpoint_every=3, output=sys.argv[2],
)
trainer.fit(data["images"], data["captions"])
"""


def records(output: Path) -> list[dict]:
    """Return the log without what depends on the clock."""
    lines = (output / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if "second" not in k} for x in lines]


def assert_same_runs(one: Path, other: Path) -> None:
    for name in ("model/open_clip_model.safetensors", "image_bank.npy", "text_bank.npy"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert records(one) == records(other)


def test_killed_and_resumed_equals_uninterrupted(make_trainer, pairs, tmp_path):
    data = tmp_path / "data.npz"
    captions = np.array(pairs.captions)
    np.savez(data, **{**pairs, "captions": captions})
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments = [str(data), str(broken), json.dumps(SMALL), "16", "8"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    killed = subprocess.run(command, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (broken / "checkpoint.pt").exists()
    assert not (broken / "model").exists()
    options = {"max_iter": 16, "ema_decay": 0.9, "log_every": 5, "checkpoint_every": 3}
    for output in (whole, broken):
        make_trainer(output=output, **options).fit(pairs.images, captions)
    assert_same_runs(broken, whole)


@pytest.fixture(scope="module")
def finished_run(make_trainer, pairs, tmp_path_factory):
    """A folder of eight steps; tests compare with it, or work on copies of it."""
    folder = tmp_path_factory.mktemp("training") / "run"
    make_trainer(output=folder, checkpoint_every=4).fit(pairs.images, pairs.captions)
    return folder


@pytest.fixture
def run_folder(finished_run, tmp_path):
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


DROPPING = {**SMALL, "vision_cfg": {**SMALL["vision_cfg"], "patch_size": 4, "patch_dropout": 0.5}}


@pytest.fixture(scope="module")
def finished_run_that_draws(make_trainer, pairs, tmp_path_factory):
    """The same of a student that drops random patches."""
    folder = tmp_path_factory.mktemp("training") / "run"
    trainer = make_trainer(output=folder, student=DROPPING, checkpoint_every=2)
    trainer.fit(pairs.images, pairs.captions)
    return folder


@contextmanager
def out_of_memory_after_step(number, monkeypatch):
    step = Learner.step

    def failing(self, *batch):
        step(self, *batch)
        if self.step_number == number:
            raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", failing)
        with pytest.raises(MemoryError):
            yield


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_student_that_draws_goes_on_as_if_it_had_not_stopped(
    make_trainer, pairs, finished_run_that_draws, tmp_path, monkeypatch, k
):
    broken = tmp_path / "broken"
    options = {"student": DROPPING, "checkpoint_every": 2}
    with out_of_memory_after_step(k + 1, monkeypatch):
        make_trainer(output=broken, **options).fit(pairs.images, pairs.captions)
    make_trainer(output=broken, **options).fit(pairs.images, pairs.captions)
    assert_same_runs(broken, finished_run_that_draws)
    runs = (finished_run_that_draws, broken)
    states = [torch.load(run / "checkpoint.pt") for run in runs]
    assert torch.equal(states[0]["rng"], states[1]["rng"])


@pytest.mark.parametrize("k", [0, 3, 4, 7])
def test_failed_in_any_step_and_resumed(
    make_trainer, pairs, finished_run, tmp_path, monkeypatch, k
):
    broken = tmp_path / "broken"
    with out_of_memory_after_step(k + 1, monkeypatch):
        make_trainer(output=broken, checkpoint_every=2).fit(pairs.images, pairs.captions)
    make_trainer(output=broken, checkpoint_every=2).fit(pairs.images, pairs.captions)
    assert_same_runs(broken, finished_run)


def test_stopped_while_a_checkpoint_is_written(
    make_trainer, pairs, finished_run, tmp_path, monkeypatch
):
    broken = tmp_path / "broken"
    save = torch.save

    def torn(state, path):
        save(state, path)
        if state["step"] == 6:
            Path(path).write_bytes(b"half")
            raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", torn)
        with pytest.raises(OSError, match="No space"):
            make_trainer(output=broken, checkpoint_every=3).fit(pairs.images, pairs.captions)
    assert torch.load(broken / "checkpoint.pt")["step"] == 3
    make_trainer(output=broken, checkpoint_every=3).fit(pairs.images, pairs.captions)
    assert_same_runs(broken, finished_run)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_one_sentence(make_trainer, pairs, tmp_path, monkeypatch):
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda state, path: save(state, "/dev/full"))
    with pytest.raises(OSError, match=r"checkpoint\.pt' cannot be written: the disk is full"):
        make_trainer(output=tmp_path).fit(pairs.images, pairs.captions)
    assert not [path for path in tmp_path.iterdir() if "checkpoint" in path.name]


@pytest.fixture
def interrupts():
    """Python's own handler, also where whoever started the tests ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_interrupt_finishes_the_step_and_is_resumed(
    make_trainer, pairs, finished_run, tmp_path, monkeypatch
):
    broken = tmp_path / "broken"
    step = Learner.step

    def interrupted(self, *batch):
        if self.step_number == 4:
            signal.raise_signal(signal.SIGINT)
        step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_trainer(output=broken).fit(pairs.images, pairs.captions)
    assert torch.load(broken / "checkpoint.pt")["step"] == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    make_trainer(output=broken).fit(pairs.images, pairs.captions)
    assert_same_runs(broken, finished_run)


def test_a_finished_run_is_only_read(make_trainer, pairs, run_folder, monkeypatch):
    first = make_trainer(output=run_folder).fit(pairs.images, pairs.captions)

    def no_step(self, *batch):
        raise AssertionError("trained again")

    monkeypatch.setattr(Learner, "step", no_step)
    again = make_trainer(output=run_folder).fit(pairs.images, pairs.captions)
    assert again.log_ == first.log_
    assert again.n_iter_ == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.5}, r"holds a run with learning_rate=0\.01 \(now 0\.5\)"),
        ({"lambda_nn": 2, "max_iter": 9}, r"n_steps=8 \(now 9\), lambda_nn=1\.0 \(now 2\.0\)"),
        ({"random_state": 1}, r"random_state=0 \(now 1\)"),
        ({"student": "skclip-tiny"}, "with student="),
        ({"text_teacher": np.ones((48, 2))}, "with text_teacher="),
    ],
    ids=str,
)
def test_a_run_with_other_parameters_is_refused(make_trainer, pairs, run_folder, changes, message):
    with pytest.raises(TrainingRunError, match=message):
        make_trainer(output=run_folder, **changes).fit(pairs.images, pairs.captions)


def test_a_run_with_other_data_is_refused(make_trainer, pairs, run_folder):
    with pytest.raises(TrainingRunError, match="with images="):
        make_trainer(output=run_folder).fit(pairs.images[::-1], pairs.captions)
    with pytest.raises(TrainingRunError, match="with captions="):
        make_trainer(output=run_folder).fit(pairs.images, pairs.captions[::-1])
    with pytest.raises(TrainingRunError, match="image_ids="):
        make_trainer(output=run_folder).fit(pairs.images, pairs.captions, np.arange(48) // 2)


def test_how_it_is_run_may_change(make_trainer, pairs, run_folder):
    changed = make_trainer(output=run_folder, log_every=1, checkpoint_every=1, cache_images=False)
    assert changed.fit(pairs.images, pairs.captions).n_iter_ == 8


def test_numbers_of_numpy_are_numbers(make_trainer, pairs, run_folder):
    same = make_trainer(
        output=run_folder,
        batch_size=np.int64(8),
        accumulate=np.int32(1),
        max_iter=np.int64(8),
        augment=np.True_,
        random_state=np.int64(0),
    )
    assert same.fit(pairs.images, pairs.captions).n_iter_ == 8


def test_without_a_seed_a_run_goes_on_with_its_own(make_trainer, pairs, tmp_path):
    trainer = make_trainer(output=tmp_path, random_state=None)
    first = trainer.fit(pairs.images, pairs.captions).log_
    assert trainer.fit(pairs.images, pairs.captions).log_ == first


def test_an_automatic_dtype_is_that_of_the_run(make_trainer, pairs, tmp_path, monkeypatch):
    trainer = make_trainer(output=tmp_path, dtype="auto")
    for measured in ("float32", "bfloat16"):
        monkeypatch.setattr("skclip.distill._trainer.resolve_dtype", lambda *_, m=measured: m)
        trainer.fit(pairs.images, pairs.captions)
        assert json.loads((tmp_path / "run.json").read_text())["dtype"] == "float32"


def test_one_process_at_a_time(make_trainer, pairs, tmp_path):
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(TrainingRunError, match="Another process is training in output="),
    ):
        make_trainer(output=tmp_path).fit(pairs.images, pairs.captions)


def test_damaged_run_file_is_named(make_trainer, pairs, tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(TrainingRunError, match=r"run\.json' cannot be read"):
        make_trainer(output=tmp_path).fit(pairs.images, pairs.captions)


def test_torn_last_line_of_the_log_is_dropped(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 2}\n{"step": 4}\n{"st')
    torch.save({"step": 4}, tmp_path / "checkpoint.pt")
    run = Run(tmp_path, {"seed": 0})
    run.load_checkpoint()
    assert run.log == [{"step": 2}, {"step": 4}]
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 2}\n{"step": 4}\n'


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def flipped(content: bytes, share: float) -> bytes:
    at = int(share * len(content))
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


@pytest.mark.parametrize("kind", ["torn", "empty", "text", "code", "pickle", "other", *range(6)])
def test_a_damaged_checkpoint_is_named_and_runs_no_code(make_trainer, pairs, run_folder, kind):
    trainer = make_trainer(output=run_folder)
    path, canary = run_folder / "checkpoint.pt", run_folder / "canary"
    content = path.read_bytes()
    if kind == "code":
        torch.save({"step": 4, "model": Evil(canary)}, path)
    elif kind == "other":
        torch.save({"step": 4, "model": {}}, path)
    elif isinstance(kind, int):  # in tensors, for the most part
        path.write_bytes(flipped(content, (kind + 0.5) / 6))
    else:
        contents = {"torn": content[: len(content) // 2], "empty": b"", "text": b"no checkpoint"}
        path.write_bytes(contents.get(kind, pickle.dumps(Evil(canary))))
    with pytest.raises(
        TrainingRunError, match=r"checkpoint\.pt' is damaged, or does not"
    ) as caught:
        trainer.fit(pairs.images, pairs.captions)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "weights_only" not in str(caught.value)
    assert not canary.exists()
    path.unlink()
    assert trainer.fit(pairs.images, pairs.captions).n_iter_ == 8


@pytest.mark.parametrize("step", [-1, 9, 10**12, None, "4", [4]])
def test_a_checkpoint_of_a_step_that_is_not_there_is_refused(make_trainer, pairs, run_folder, step):
    trainer = make_trainer(output=run_folder)
    state = torch.load(run_folder / "checkpoint.pt")
    torch.save({**state, "step": step}, run_folder / "checkpoint.pt")
    with pytest.raises(TrainingRunError, match=r"checkpoint\.pt'"):
        trainer.fit(pairs.images, pairs.captions)


@pytest.mark.parametrize("name", ["image_bank.npy", "text_bank.npy", "guides.npz"])
@pytest.mark.parametrize("kind", ["torn", "text", "code", "other"])
def test_a_damaged_bank_is_named_and_made_again(make_trainer, pairs, run_folder, name, kind):
    trainer = make_trainer(output=run_folder)
    path, canary = run_folder / name, run_folder / "canary"
    arrays = {"code": np.array([[Evil(canary)]], object), "other": np.full((3, 2), 77)}
    content = {"torn": path.read_bytes()[:150], "text": b"no array"}.get(kind)
    if content is not None:
        path.write_bytes(content)
    elif name.endswith(".npz"):
        np.savez(path, image=arrays[kind], text=arrays[kind])
    else:
        np.save(path, arrays[kind], allow_pickle=True)
    with pytest.raises(TrainingRunError, match=f"{name}' is damaged .* delete it") as caught:
        trainer.fit(pairs.images, pairs.captions)
    assert "pickle" not in f"{caught.value}{caught.value.__cause__}"
    assert not canary.exists()
    path.unlink()
    assert trainer.fit(pairs.images, pairs.captions).n_iter_ == 8


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("name", [".lock", "log.jsonl", "model", "image_bank.partial"])
def test_links_out_of_a_run_are_not_followed(make_trainer, pairs, tmp_path, name):
    outside, output = tmp_path / "outside", tmp_path / "run"
    for folder in (outside, output):
        folder.mkdir()
    (outside / "file").write_text("mine")
    (output / name).symlink_to(outside if name == "model" else outside / "file")
    with pytest.raises(TrainingRunError, match=f"{name}' is a symbolic link"):
        make_trainer(output=output).fit(pairs.images, pairs.captions)
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "mine"


@pytest.mark.parametrize("text", ["[]", "5", "{}", '{"seed": "x"}', "[" * 100_000])
def test_a_run_file_of_another_kind_is_named(make_trainer, pairs, tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(TrainingRunError, match=r"run\.json' cannot be read"):
        make_trainer(output=tmp_path).fit(pairs.images, pairs.captions)


def test_lines_of_the_log_that_are_none_are_left_out(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 2}\n5\n[]\n{"a": 1}\n\xff\n{"step": 4}\n')
    torch.save({"step": 4}, tmp_path / "checkpoint.pt")
    run = Run(tmp_path, {"seed": 0})
    run.load_checkpoint()
    assert run.log == [{"step": 2}, {"step": 4}]
