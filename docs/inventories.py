"""Inventories of the names in other projects that our pages link to: no network when building.

Sphinx reads such a list to turn ``:class:`~sklearn.pipeline.Pipeline``` into a link. The full lists
lie on the sites of the projects; ours hold only what we use. A name that is missing is an error of
the build: add it to `PROJECTS`, with the role and the page that its project gives it. `conf.py`
calls `write_inventories`; ``python docs/inventories.py FOLDER`` does the same by hand.
"""

import sys
import zlib
from pathlib import Path
from typing import NamedTuple

HEADER = "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# zlib compressed with zlib.\n"


class Project(NamedTuple):
    """Where a project's pages are, and what we link to there."""

    url: str
    """Address of its documentation."""
    pages: str
    """Page of a Python name within it, with ``{}`` for the name."""
    objects: dict[str, tuple[str, ...]]
    """Python names by kind."""
    entries: tuple[tuple[str, str, str, str], ...] = ()
    """Other targets: name, role, page with anchor, title."""


PROJECTS = {
    "scikit-learn": Project(
        "https://scikit-learn.org/stable/",
        "modules/generated/{}.html",
        {
            "class": (
                "sklearn.calibration.CalibrationDisplay",
                "sklearn.decomposition.TruncatedSVD",
                "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
                "sklearn.ensemble.StackingClassifier",
                "sklearn.ensemble.VotingClassifier",
                "sklearn.feature_extraction.text.CountVectorizer",
                "sklearn.feature_extraction.text.TfidfVectorizer",
                "sklearn.frozen.FrozenEstimator",
                "sklearn.linear_model.LogisticRegression",
                "sklearn.model_selection.GridSearchCV",
                "sklearn.model_selection.ValidationCurveDisplay",
                "sklearn.multiclass.OneVsRestClassifier",
                "sklearn.neighbors.KNeighborsTransformer",
                "sklearn.neighbors.NearestCentroid",
                "sklearn.pipeline.Pipeline",
                "sklearn.preprocessing.MultiLabelBinarizer",
                "sklearn.semi_supervised.LabelPropagation",
                "sklearn.utils.Bunch",
                "sklearn.utils.metadata_routing.MetadataRequest",
            ),
            "function": (
                "sklearn.base.clone",
                "sklearn.metrics.top_k_accuracy_score",
                "sklearn.pipeline.make_pipeline",
                "sklearn.set_config",
                "sklearn.utils.estimator_checks.check_estimator",
            ),
        },
        (
            # in the docstrings of methods that estimators inherit
            ("fit", "std:term", "glossary.html#term-fit", "-"),
            ("meta-estimator", "std:term", "glossary.html#term-meta-estimator", "-"),
            (
                "metadata_routing",
                "std:label",
                "metadata_routing.html#metadata-routing",
                "Metadata Routing",
            ),
            (
                "df_output_transform",
                "std:label",
                "modules/df_output_transform.html#df-output-transform",
                "Pandas/Polars Output for Transformers",
            ),
            (
                "sphx_glr_auto_examples_miscellaneous_plot_set_output.py",
                "std:label",
                "auto_examples/miscellaneous/plot_set_output.html",
                "Introducing the set_output API",
            ),
        ),
    ),
    "pyarrow": Project(
        "https://arrow.apache.org/docs/",
        "python/generated/{}.html",
        {"function": ("pyarrow.parquet.read_table",)},
    ),
    "joblib": Project(
        "https://joblib.readthedocs.io/en/stable/",
        "generated/{}.html",
        {"function": ("joblib.parallel_config",)},
    ),
    "torch": Project(
        "https://docs.pytorch.org/docs/stable/",
        "generated/{}.html",
        {"function": ("torch.compile", "torch.set_num_threads")},
    ),
}


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write one inventory per project.

    Parameters
    ----------
    folder : Path
        Where to; it is made if it is missing.

    Returns
    -------
    mapping : dict
        The value of ``intersphinx_mapping``: address and inventory of every project.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for name, project in PROJECTS.items():
        entries = [
            (target, f"py:{kind}", f"{project.pages.format(target)}#{target}", "-")
            for kind, targets in project.objects.items()
            for target in targets
        ]
        lines = "".join(
            f"{target} {role} 1 {page} {title}\n"
            for target, role, page, title in sorted([*entries, *project.entries])
        )
        path = folder / f"{name}.inv"
        path.write_bytes(HEADER.format(name).encode() + zlib.compress(lines.encode()))
        mapping[name] = (project.url, str(path))
    return mapping


if __name__ == "__main__":
    print(*write_inventories(Path(sys.argv[1])), sep="\n")
