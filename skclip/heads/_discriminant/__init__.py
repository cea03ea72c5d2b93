"""The Gaussian discriminant (GDA): formulas on class sums, and the estimator."""

from skclip.heads._discriminant._formulas import feature_ridge, ridge_axes, whitener, within_scatter
from skclip.heads._discriminant._gaussian_discriminant import GaussianDiscriminantClassifier
from skclip.heads._discriminant._left_out_choice import distinct_rows_of_classes

__all__ = [
    "GaussianDiscriminantClassifier",
    "distinct_rows_of_classes",
    "feature_ridge",
    "ridge_axes",
    "whitener",
    "within_scatter",
]
