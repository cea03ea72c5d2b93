"""What a worker does, without a cluster; and that Ray is asked for only where it is needed."""

import os
import pickle
import subprocess
import sys

import pytest

from skclip.corpus import current_engine
from skclip.distributed._engine import CallWithEmbedder, call, chosen_engine, recipe
from skclip.exceptions import ModelMismatchError
from tests.distributed.workers import LengthEmbedder, WrongWeights


class TwoArguments(Exception):
    """Can be pickled, but not unpickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fail(task):
    raise TwoArguments(*task)


def row(task):
    return {"position": 7, "task": pickle.dumps(task)}


def outcome(row):
    assert row["position"] == 7
    return pickle.loads(row["outcome"])


def test_a_result_comes_back_with_its_seconds_and_its_process():
    result, error, seconds, place = outcome(call(row([2, 1]), sorted))
    assert (result, error) == ([1, 2], None)
    assert seconds >= 0
    assert f"process {os.getpid()}" in place


def test_an_error_is_a_value_even_if_it_cannot_be_pickled():
    error = outcome(call(row(("one", "two")), fail)).error
    assert repr(error) == "RuntimeError('TwoArguments: one and two')"
    assert isinstance(outcome(call(row(1), sorted)).error, TypeError)


def test_an_embedder_is_made_anew_from_its_parameters():
    given = LengthEmbedder(batch_size=3)
    made = pickle.loads(pickle.dumps(recipe(given)))()
    assert made is not given
    assert made.get_params() == given.get_params()


def test_an_embedder_without_parameters_is_sent_itself(mean_color):
    assert recipe(mean_color)() is mean_color


def test_a_worker_with_other_weights_is_refused():
    actor = CallWithEmbedder(divmod, recipe(WrongWeights()), "length/none@another")
    error = outcome(actor(row(1))).error
    assert isinstance(error, ModelMismatchError)
    assert "install the same weights on every machine" in str(error)


def test_an_actor_calls_with_its_embedder():
    actor = CallWithEmbedder(
        lambda task, e: (task, e.batch_size), recipe(LengthEmbedder(4)), "length/none@1"
    )
    assert outcome(actor(row("task"))).result == ("task", 4)


def test_the_local_engine_needs_no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    options = {"address": None, "num_cpus": 1, "num_gpus": 0, "compute": None}
    with chosen_engine("local", **options):
        assert current_engine() is None
    with pytest.raises(ImportError, match=r"engine='ray' needs ray: pip install 'skclip\[ray\]'"):
        chosen_engine("ray", **options)


def test_the_package_is_imported_without_ray_and_torch():
    code = "import skclip.distributed, sys; print({'ray', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
