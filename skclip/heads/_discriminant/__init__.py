"""The Gaussian discriminant (GDA): formulas on class sums, and the estimator."""

from skclip.heads._discriminant._formulas import feature_ridge, ridge_axes, whitener, within_scatter
from skclip.heads._discriminant._gaussian_discriminant import GaussianDiscriminantClassifier
from skclip.heads._discriminant._left_out_choice import distinct_rows_of_classes, fit_scale

__all__ = [
    "GaussianDiscriminantClassifier",
    "distinct_rows_of_classes",
    "feature_ridge",
    "fit_scale",
    "ridge_axes",
    "whitener",
    "within_scatter",
]
