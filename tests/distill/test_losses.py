"""The losses beside a loop over rows, by numeric gradients, and in their limits."""

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, strategies as st
from torch.nn.functional import normalize

from skclip.distill import info_nce, neighbor_loss, ping_loss


def unit_rows(seed, n=5, d=7, *, grad=False):
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(rows, dim=-1).requires_grad_(grad)


def naive_info_nce(a, b, scale):
    """The formula, row by row."""
    total = 0.0
    for i in range(len(a)):
        for x, Y in ((a[i], b), (b[i], a)):
            logits = [scale * float(x @ y) for y in Y]
            total -= logits[i] - np.log(np.sum(np.exp(logits)))
    return total / (2 * len(a))


@given(st.integers(0, 1000), st.integers(1, 6), st.floats(0.1, 30))
def test_info_nce_is_the_formula(seed, n, scale):
    a, b = unit_rows(seed, n), unit_rows(seed + 1, n)
    expected = naive_info_nce(a.numpy(), b.numpy(), scale)
    np.testing.assert_allclose(info_nce(a, b, scale).item(), expected, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 1000), st.floats(0, 3), st.floats(0, 3))
def test_ping_loss_is_the_formula(seed, lambda_nn, lambda_xnn):
    v, u, p, q, r, s = (unit_rows(seed + k) for k in range(6))
    arrays = [x.numpy() for x in (v, u, p, q, r, s)]
    clip, *parts = (
        naive_info_nce(arrays[i], arrays[j], 5.0)
        for i, j in ((0, 1), (0, 2), (1, 3), (0, 4), (1, 5))
    )
    nn, xnn = (parts[0] + parts[1]) / 2, (parts[2] + parts[3]) / 2
    terms = ping_loss(
        v,
        u,
        5.0,
        neighbors=(p, q),
        counterparts=(r, s),
        lambda_nn=lambda_nn,
        lambda_xnn=lambda_xnn,
    )
    np.testing.assert_allclose(terms["loss"].item(), clip + lambda_nn * nn + lambda_xnn * xnn)
    np.testing.assert_allclose(neighbor_loss(v, u, p, q, 5.0).item(), nn)


@given(st.integers(0, 1000))
def test_gradients_are_numeric_ones(seed):
    rows = [unit_rows(seed + k, n=3, d=4, grad=True) for k in range(6)]
    scale = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)

    def loss(v, u, p, q, r, s, scale):
        targets = {"neighbors": (p, q), "counterparts": (r, s)}
        return ping_loss(v, u, scale, **targets, lambda_nn=0.7, lambda_xnn=1.3)["loss"]

    assert torch.autograd.gradcheck(loss, (*rows, scale))


def test_without_weights_it_is_clips_loss_bit_for_bit():
    v, u, p, q = (unit_rows(k, n=16).float() for k in range(4))
    scale = torch.tensor(14.3)
    expected = open_clip.ClipLoss()(v, u, scale)
    terms = ping_loss(v, u, scale, neighbors=(p, q), counterparts=(p, q), lambda_nn=0, lambda_xnn=0)
    assert torch.equal(terms["loss"], expected)
    assert set(terms) == {"loss", "clip"}


def test_terms_are_without_their_weights():
    v, u, p, q = (unit_rows(k) for k in range(4))
    terms = ping_loss(v, u, 3.0, neighbors=(p, q), lambda_nn=0.25)
    assert set(terms) == {"loss", "clip", "nn"}
    expected = terms["clip"] + 0.25 * terms["nn"]
    torch.testing.assert_close(terms["loss"], expected)


@pytest.mark.parametrize("order", [[2, 0, 1, 4, 3]])
def test_order_of_pairs_means_nothing(order):
    v, u = unit_rows(0), unit_rows(1)
    torch.testing.assert_close(info_nce(v, u, 9.0), info_nce(v[order], u[order], 9.0))
