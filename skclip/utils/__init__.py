"""Public estimator checks and environment information."""
