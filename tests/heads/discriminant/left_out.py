"""Left-out scores from arrays that are not in the axes of the ridge."""

from skclip.heads._discriminant._formulas import left_out_in_axes, ridge_axes


def left_out_scores(X, codes, weight, means, counts, scatter, dof, ridge, prior=None):
    eigenvalues, axes = ridge_axes(scatter, ridge)
    if prior is not None:
        prior = prior._replace(means=prior.means @ axes)
    return left_out_in_axes(
        X @ axes, codes, weight, means @ axes, counts, eigenvalues, dof, prior=prior
    )
