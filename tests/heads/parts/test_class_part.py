"""Class parts: left-out scores against refits, the linear head against the scores it stands for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skclip.heads._discriminant._formulas import feature_ridge
from skclip.heads._parts._class_part import (
    class_stats,
    discriminant_part,
    mean_part,
    row_weights,
)
from skclip.heads._parts._distinct_images import Images, distinct_images

SCALE = 30.0


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def scatter_of(images, stats):
    residuals = images.X - stats.means[images.codes]
    return (residuals * images.weight[:, None]).T @ residuals


class Problem:
    """Images of some classes, text, and the parts made of them."""

    def __init__(self, counts, d=6, *, seed=0, weighted=False, pool=False, copies=False, text=True):
        rng = np.random.default_rng(seed)
        self.n_classes = len(counts)
        centres = unit(rng.standard_normal((self.n_classes, d)))
        codes = np.repeat(np.arange(self.n_classes), counts)
        X = unit(centres[codes] + 0.4 * rng.standard_normal((len(codes), d)))
        weight = rng.choice([0.5, 1.0, 3.0], len(codes)) if weighted else np.ones(len(codes))
        if copies:
            X, codes, weight = (np.concatenate([a, a[::3]]) for a in (X, codes, weight))
        self.images = distinct_images(Images(X, codes, weight))
        self.text = SCALE * unit(centres + 0.3 * rng.standard_normal(centres.shape)) * text
        self.extra, self.extra_dof = np.zeros((d, d)), 0.0
        if pool:
            rows = rng.standard_normal((7, d)) / 5
            self.extra, self.extra_dof = rows.T @ rows, 6.5
        self.stats = class_stats(self.images, self.n_classes)
        self.ridge = feature_ridge(
            scatter_of(self.images, self.stats) + self.extra, self.images.weight.sum()
        )

    def part(self, kind, sample=None):
        if sample is None:
            sample = np.arange(len(self.images.codes))
        if kind == "identity":
            return mean_part(self.images, self.stats, self.text, SCALE, sample)
        return discriminant_part(
            self.images,
            self.stats,
            self.text,
            sample,
            scatter=scatter_of(self.images, self.stats) + self.extra,
            dof=self.stats.dof + self.extra_dof,
            ridge=self.ridge,
        )

    def scores(self, kind, held, x, kept, hidden=None):
        """Score ``x`` by the formulas, from the kept images; class by class, no closed forms."""
        images, centre, text = self.images.at(kept), self.stats.centre, self.text
        stats = class_stats(images, self.n_classes)
        square, dof, P = stats.square, stats.dof, SCALE * np.eye(len(x))
        if kind == "discriminant":
            scatter, dof = scatter_of(images, stats) + self.extra, dof + self.extra_dof
            inverse = np.linalg.inv(scatter + np.diag(self.ridge))
            P, square = len(x) * inverse, np.trace(inverse @ scatter)
        scale = SCALE if kind == "identity" else len(x)
        known = [c for c in range(self.n_classes) if stats.n_images[c] and c != hidden]
        inner, length, own_share = {}, {}, {}
        for c in known:
            if self.stats.n_images[c] == 1 or dof < 1e-9:
                variance = held.lone_variance
            else:
                variance = scale * square / dof
            a, difference = stats.inverse_count[c], stats.means[c] - centre
            measured, s = difference @ P @ difference, held.shrinkage
            kept_share = s.signal / (s.signal + s.noise * a + 1e-300)
            length[c] = kept_share * (measured - variance * a) + (1 - kept_share) * s.level
            wanted = max(length[c] + variance * a, 0.05 * measured)
            inner[c] = np.sqrt(wanted / max(measured, 1e-12)) * ((x - centre) @ P @ difference)
            own_share[c] = min(1 / (1 + s.kappa * a) / s.largest, 1)
        of_text = text @ (x - centre)
        mean = np.mean([inner[c] for c in known])
        text_mean, level = np.mean(of_text[known]), np.mean([length[c] for c in known])
        scores = np.empty(self.n_classes)
        for c in range(self.n_classes):
            share = own_share.get(c, 0.0)
            scores[c] = share * (inner.get(c, 0.0) - mean) - length.get(c, level) / 2
            scores[c] += (1 - share) * held.slope * (of_text[c] - text_mean)
        return scores


def centred(scores):
    return scores - scores.mean(axis=-1, keepdims=True)


PROBLEMS = {
    "two images": {"counts": [2, 2, 2, 2]},
    "many": {"counts": [5, 8, 3, 6]},
    "missing classes": {"counts": [3, 0, 4, 0, 2]},
    "one to many": {"counts": [1, 2, 9, 1, 3]},
    "weights": {"counts": [3, 5, 2, 4], "weighted": True},
    "weights and missing": {"counts": [3, 0, 2, 1], "weighted": True},
    "copies": {"counts": [4, 4, 5], "copies": True},
    "copies and weights": {"counts": [3, 4, 1], "copies": True, "weighted": True},
    "pool scatter": {"counts": [3, 4, 1, 0], "pool": True, "weighted": True},
    "two classes": {"counts": [4, 3]},
    "one class": {"counts": [5]},
    "one known class": {"counts": [5, 0, 0]},
    "more features than images": {"counts": [3, 2, 0], "d": 20},
    "fewer features than images": {"counts": [9, 12, 7], "d": 2},
    "no text": {"counts": [3, 0, 4], "text": False},
}
KINDS = ["identity", "discriminant"]
every_problem = pytest.mark.parametrize("name", PROBLEMS)
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_problem
@every_kind
def test_left_out_scores_equal_refits_without_the_image(kind, name):
    problem = Problem(**PROBLEMS[name])
    part, images = problem.part(kind), problem.images
    for i, (x, code) in enumerate(zip(images.X, images.codes, strict=True)):
        kept = np.arange(len(images.codes)) != i
        if problem.stats.n_images[code] == 1:
            continue
        refit = problem.scores(kind, part.held, x, kept)
        assert_allclose(
            centred(part.left_out[i]), centred(refit), rtol=1e-8, atol=1e-8 * np.abs(refit).max()
        )


@every_problem
@every_kind
def test_hidden_scores_equal_refits_whose_class_is_predicted(kind, name):
    problem = Problem(**PROBLEMS[name])
    if problem.stats.known.sum() < 2:
        pytest.skip("no other class is known")
    part, images = problem.part(kind), problem.images
    for i, (x, code) in enumerate(zip(images.X, images.codes, strict=True)):
        kept = np.arange(len(images.codes)) != i
        if problem.stats.n_images[code] == 1 and kind == "discriminant":
            kept[i] = True  # it is not part of the covariance
        refit = problem.scores(kind, part.held, x, kept, hidden=code)
        assert_allclose(
            centred(part.hidden[i]), centred(refit), rtol=1e-8, atol=1e-8 * np.abs(refit).max()
        )


@every_problem
@every_kind
def test_linear_head_equals_the_scores_it_stands_for(kind, name):
    problem = Problem(**PROBLEMS[name])
    part = problem.part(kind)
    everything = np.ones(len(problem.images.codes), dtype=bool)
    for x in unit(np.random.default_rng(1).standard_normal((5, problem.images.X.shape[1]))):
        formula = problem.scores(kind, part.held, x, everything)
        assert_allclose(
            centred(part.coef @ x + part.intercept),
            centred(formula),
            rtol=1e-8,
            atol=1e-8 * np.abs(formula).max(),
        )


@every_kind
def test_unknown_classes_get_the_score_that_the_text_predicts(kind):
    problem = Problem([3, 0, 4, 0])
    part, (x, _, _) = problem.part(kind), problem.images.at([0])
    left_out, of_text = part.left_out[0], problem.text @ (x[0] - problem.stats.centre)
    difference = part.held.slope * (of_text[1] - of_text[3])
    assert_allclose(left_out[1] - left_out[3], difference, rtol=1e-8)


@every_kind
def test_an_image_alone_in_its_class_changes_no_other_difference(kind):
    problem = Problem([1, 4, 4])
    part = problem.part(kind)
    refit = problem.scores(kind, part.held, problem.images.X[0], np.arange(9) > -1)
    assert_allclose(part.left_out[0, 1] - part.left_out[0, 2], refit[1] - refit[2], rtol=1e-8)


@every_kind
def test_only_own_scores_of_lone_images_have_a_deviation(kind):
    problem = Problem([1, 4, 1, 3])
    deviation, codes = problem.part(kind).own_deviation, problem.images.codes
    assert (deviation[np.isin(codes, [0, 2])] > 0).all()
    assert not deviation[np.isin(codes, [1, 3])].any()


@every_kind
def test_one_image_per_class_has_finite_scores(kind):
    problem = Problem([1, 1, 1, 0], pool=True)
    for scores in problem.part(kind)[:5]:
        assert np.isfinite(scores).all()


@every_kind
def test_scores_of_a_sample_are_rows_of_all_scores_with_the_same_shrinkage(kind):
    problem = Problem([4, 4, 4])
    sample = np.array([1, 5, 9])
    part = problem.part(kind, sample)
    for scores, i in zip(part.left_out, sample, strict=True):
        kept = np.arange(12) != i
        refit = problem.scores(kind, part.held, problem.images.X[i], kept)
        assert_allclose(centred(scores), centred(refit), rtol=1e-8, atol=1e-7)


@every_kind
def test_order_of_classes_is_kept(kind):
    problem = Problem([3, 1, 4, 0], weighted=True)
    order = np.array([2, 0, 3, 1])
    other = Problem([3, 1, 4, 0], weighted=True)
    place = np.argsort(order)
    other.images = problem.images._replace(codes=place[problem.images.codes])
    other.stats, other.text = class_stats(other.images, 4), problem.text[order]
    ours, theirs = problem.part(kind), other.part(kind)
    assert_allclose(theirs.coef, ours.coef[order], rtol=1e-8, atol=1e-8)
    assert_allclose(theirs.intercept, ours.intercept[order], rtol=1e-8, atol=1e-8)
    assert_allclose(theirs.left_out, ours.left_out[:, order], rtol=1e-8, atol=1e-8)
    assert_allclose(theirs.hidden, ours.hidden[:, order], rtol=1e-8, atol=1e-8)


@every_kind
def test_scores_do_not_grow_with_the_number_of_images(kind):
    # classes alike but for their counts: on average no count is favoured
    wins = np.zeros(2)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        d, counts = 12, [2] * 6 + [20] * 6
        centres = rng.standard_normal((12, d))
        codes = np.repeat(np.arange(12), counts)
        X = unit(centres[codes] + rng.standard_normal((len(codes), d)))
        images = Images(X, codes, np.ones(len(codes)))
        stats = class_stats(images, 12)
        part = mean_part(images, stats, np.zeros((12, d)), SCALE, np.arange(len(codes)))
        queries = unit(rng.standard_normal((200, d)))
        won = (queries @ part.coef.T + part.intercept).argmax(axis=1)
        wins += np.bincount(won // 6, minlength=2)
    assert 0.2 < wins[0] / wins.sum() < 0.6


def test_stats_by_hand():
    X = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    stats = class_stats(Images(X, np.array([0, 0, 2]), np.array([1.0, 3.0, 2.0])), 3)
    assert_allclose(stats.means, [[0.25, 0.75], [0, 0], [0.6, 0.8]])
    assert_allclose(stats.weight, [4, 0, 2])
    assert_allclose(stats.inverse_count, [10 / 16, 0, 1])
    assert_allclose(stats.centre, [0.425, 0.775])
    assert_allclose(stats.square, 1 * (0.75**2 * 2) + 3 * (0.25**2 * 2))
    assert_allclose(stats.dof, 4 - 10 / 4)


def test_row_weights_let_every_class_count_the_same():
    images = Problem([1, 4, 9], weighted=True).images
    weight = row_weights(images, class_stats(images, 3))
    assert_allclose(np.bincount(images.codes, weight), [14 / 3] * 3)
