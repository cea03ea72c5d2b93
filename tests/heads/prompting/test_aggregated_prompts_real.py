"""Aggregated prompts on real embeddings, with real descriptions."""

import pytest

from benchmarks.prompt_study import PromptTask


@pytest.fixture(scope="module")
def task(shared_data):
    return PromptTask(shared_data, "cifar10").blind()


def test_training_is_worth_ten_points_over_templates(task):
    X, y = task.shots(4, seed=2000)
    templates = task.accuracy(task.zero_shot.fit())
    assert task.accuracy(task.head().fit(X, y)) > templates + 10


def test_prompts_without_training_are_worth_a_little(task):
    mean, templates = task.head(aggregation="mean").fit(), task.zero_shot.fit()
    assert -2 < task.accuracy(mean) - task.accuracy(templates) < 5
