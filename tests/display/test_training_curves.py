import json

import pytest
from sklearn.exceptions import NotFittedError

from skclip import CLIPPINGTrainer
from skclip.display import TrainingCurvesDisplay

LOG = [
    {"step": 20, "loss": 9.0, "clip": 5.0, "nn": 4.0, "learning_rate": 0.1},
    {"step": 40, "loss": 7.0, "clip": 4.0, "nn": 3.0, "learning_rate": 0.05},
]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in LOG))
    return tmp_path


def test_terms_that_took_part_are_drawn(pyplot):
    display = TrainingCurvesDisplay(log=LOG)
    assert display.plot() is display
    assert list(display.lines_) == ["clip", "nn"]
    assert display.lines_["nn"].get_xdata().tolist() == [20, 40]
    assert display.lines_["nn"].get_ydata().tolist() == [4.0, 3.0]
    assert display.ax_.get_ylabel() == "Loss (nats)"
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["CLIP", "NN"]


def test_runs_share_axes_under_their_names(pyplot):
    first = TrainingCurvesDisplay(log=LOG, name="a").plot(keys=["loss"])
    second = TrainingCurvesDisplay(log=LOG, name="b").plot(first.ax_, keys=["loss"], linestyle=":")
    labels = [text.get_text() for text in second.ax_.get_legend().get_texts()]
    assert labels == ["a: loss", "b: loss"]
    assert second.lines_["loss"].get_linestyle() == ":"


def test_other_quantities(pyplot):
    display = TrainingCurvesDisplay(log=LOG).plot(keys=["learning_rate"])
    assert display.ax_.get_ylabel() == "learning_rate"


@pytest.mark.parametrize("name", ["", "log.jsonl"])
def test_log_of_a_run_by_directory_or_file(run, name):
    assert TrainingCurvesDisplay.from_log(run / name).log == LOG


def test_line_that_is_being_written_waits(run):
    with (run / "log.jsonl").open("a") as file:
        file.write('{"step": 60, "lo')
    assert TrainingCurvesDisplay.from_log(run).log == LOG


def test_trainer_must_be_fitted():
    with pytest.raises(NotFittedError):
        TrainingCurvesDisplay.from_estimator(CLIPPINGTrainer())


def test_empty_log_and_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no records yet"):
        TrainingCurvesDisplay(log=[])
    with pytest.raises(ValueError, match="The log has no 'xnn', only 'step', 'loss'"):
        TrainingCurvesDisplay(log=LOG).curve("xnn")


def test_names_are_no_formulas(pyplot):
    display = TrainingCurvesDisplay(log=LOG, name="Ba$$in").plot()
    display.figure_.canvas.draw()
    assert display.ax_.get_legend().get_texts()[0].get_text().startswith("Ba$$in: ")
