import numpy as np
import pytest
from numpy.testing import assert_allclose

from skclip.evaluation import AS_PUBLISHED, LEFT_OUT, ORACLE, HeadComparison
from skclip.evaluation._comparison import Run

RNG = np.random.default_rng(0)
SHARES = {("stack", LEFT_OUT): 0.8, ("rival", AS_PUBLISHED): 0.7, ("rival", ORACLE): 0.9}


@pytest.fixture
def comparison():
    """Three heads that are right about 80, 70 and 90 % of 500 test images, in ten draws."""
    runs = tuple(
        Run(head, choice, "4", seed, RNG.random(500) < share, 0.5, 0.1, 1.0, 2.0)
        for (head, choice), share in SHARES.items()
        for seed in range(10)
    )
    settings = {"shots": ["4"], "seeds": list(range(10)), "test_images": 500, "heads": {}}
    return HeadComparison(runs, settings, {})


def test_summary_is_over_draws(comparison):
    row = next(row for row in comparison.summary() if row.head == "stack")
    accuracy = [100 * run.accuracy for run in comparison.cell("stack", 4, LEFT_OUT)]
    assert_allclose([row.accuracy, row.accuracy_std], [np.mean(accuracy), np.std(accuracy)])
    assert_allclose(row.worst_tenth, min(accuracy))
    assert (row.n_runs, row.nll, row.ece) == (10, 0.5, 10.0)


def test_the_worst_tenth_is_at_least_one_run_and_rounds_up(comparison):
    runs = comparison.cell("stack", 4, LEFT_OUT)
    more = [run._replace(seed=seed) for seed, run in enumerate(runs + runs + runs[:1])]
    twenty_one = HeadComparison(tuple(more), comparison.settings, {})
    worst = sorted(100 * run.accuracy for run in more)[:3]
    assert_allclose(twenty_one.summary()[0].worst_tenth, np.mean(worst))


def test_choices_are_never_in_one_table(comparison):
    tables = comparison.to_markdown().split("\n\n")
    assert tables[::2] == [f"**{choice}**" for choice in (AS_PUBLISHED, LEFT_OUT, ORACLE)]
    assert all(table.count("\n") == 2 for table in tables[1::2])


def test_differences_are_paired(comparison):
    ours = np.stack([run.right for run in comparison.cell("stack", 4, LEFT_OUT)]).astype(float)
    theirs = np.stack([run.right for run in comparison.cell("rival", 4, AS_PUBLISHED)])
    marks = 100 * (ours - theirs)
    found = next(d for d in comparison.differences("stack") if d.choice == AS_PUBLISHED)
    by_draw = marks.mean(axis=1).std(ddof=1) / np.sqrt(10)
    by_image = marks.mean(axis=0).std(ddof=1) / np.sqrt(500)
    assert_allclose(found[3:], [marks.mean(), by_draw, np.hypot(by_draw, by_image)])


def test_equal_runs_do_not_differ(comparison):
    runs = comparison.cell("stack", 4, LEFT_OUT)
    twin = [run._replace(head="twin") for run in runs]
    both = HeadComparison((*runs, *twin), comparison.settings, {})
    assert both.differences("stack")[0][3:] == (0.0, 0.0, 0.0)


def test_one_draw_has_no_error_over_draws(comparison):
    runs = [run for run in comparison.runs if run.seed == 0]
    one = HeadComparison(tuple(runs), {**comparison.settings, "seeds": [0]}, {})
    found = one.differences("stack")[0]
    assert np.isnan(found.draw_error)
    assert found.error > 0


def test_an_unknown_reference_is_refused(comparison):
    with pytest.raises(ValueError, match="reference='none' was not compared: give one of"):
        comparison.differences("none")


def test_an_unknown_measure_is_refused(comparison):
    with pytest.raises(ValueError, match="measure='f1' is not measured: give one of accuracy"):
        comparison.to_markdown("f1")


def test_the_frame_has_a_row_per_head_choice_and_shots(comparison):
    frame = comparison.to_frame()
    assert frame.shape == (3, 13)
    assert set(frame["choice"]) == {AS_PUBLISHED, LEFT_OUT, ORACLE}


def test_a_bar_in_a_name_stays_in_its_cell(comparison):
    runs = tuple(run._replace(head="a|b") for run in comparison.runs)
    assert "a\\|b" in HeadComparison(runs, comparison.settings, {}).to_markdown()
