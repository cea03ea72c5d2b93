"""Grid searches on Ray through joblib: no image goes through the model twice."""

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skclip import NearestClassMean
from tests.distributed.workers import CountingEmbedder

pytestmark = pytest.mark.filterwarnings("ignore")  # joblib's and Ray's


def test_workers_share_the_cache_of_embeddings(cluster, captioned_folder, tmp_path):
    from ray.util.joblib import register_ray

    register_ray()
    paths = sorted(map(str, captioned_folder.glob("*.png")))[:24]
    y = np.arange(24) % 3
    embedder = CountingEmbedder(
        "skclip-tiny", device="cpu", batch_size=4, cache=str(tmp_path / "cache")
    )
    search = GridSearchCV(
        Pipeline([("embed", embedder), ("head", NearestClassMean())]),
        {"head__metric": ["cosine", "euclidean"]},
        cv=3,
        n_jobs=2,
        error_score="raise",
    )
    with joblib.parallel_config(backend="ray"):
        search.fit(paths, y)
    passes = (tmp_path / "cache.passes").read_text().split()
    assert len(passes) == len(paths)
    assert len(search.predict(paths)) == 24
