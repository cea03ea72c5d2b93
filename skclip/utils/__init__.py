"""Public estimator checks and environment information."""

from skclip.utils._show_versions import installed_versions, show_versions

__all__ = ["installed_versions", "show_versions"]
