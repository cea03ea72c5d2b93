"""Versions for bug reports."""

import platform
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version

__all__ = ["installed_versions", "show_versions"]

_PACKAGES = (
    "skclip",
    "scikit-learn",
    "numpy",
    "scipy",
    "joblib",
    "torch",
    "open_clip_torch",
    "pyarrow",
    "pillow",
    "tqdm",
    "transformers",
    "pillow-heif",
    "pandas",
    "imbalanced-learn",
    "matplotlib",
    "hnswlib",
    "faiss-cpu",
    "ray",
)


def installed_versions() -> dict[str, str]:
    """Return the versions of skclip and its dependencies.

    Returns
    -------
    versions : dict of str to str
        Python, platform, SQLite and packages; ``"-"`` if a package is not installed.

    Examples
    --------
    >>> from skclip.utils import installed_versions
    >>> "scikit-learn" in installed_versions()
    True
    """
    versions = {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
    }
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "-"
    return versions


def show_versions() -> None:
    """Print ``installed_versions``, for bug reports.

    Examples
    --------
    >>> from skclip.utils import show_versions
    >>> show_versions()
    python: ...
    """
    for name, found in installed_versions().items():
        print(f"{name}: {found}")
