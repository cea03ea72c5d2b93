"""Which of a class's matches are taken, and what the report says of the others."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skclip.corpus import Corpus
from skclip.exceptions import CorpusError, NoMatchWarning, UnreadableImageWarning
from skclip.recall import CaptionRetriever, PrimingPool
from skclip.recall._matches._select import random_order


def kept(retriever, names=("cat",)):
    return retriever.recall(list(names)).ids.tolist()


def counts(retriever, names=("cat",)):
    report = retriever.recall(list(names)).report()
    return {key: values.tolist() for key, values in report.counts.items() if values.any()}


def fitted(X, **parameters):
    X = np.asarray(X, dtype=float)
    return CaptionRetriever(**parameters).fit(["a cat"] * len(X), embeddings=X)


def test_several_captions_of_an_image_are_one_example():
    captions, ids = ["a cat", "the cat", "cat and dog", "my cat"], ["x", "x", "y", "x"]
    retriever = CaptionRetriever(k=2).fit(captions, ids=ids)
    assert kept(retriever, ["cat", "dog"]) == ["x", "y", "y"]
    assert counts(retriever, ["cat", "dog"]) == {
        "matches": [4, 1],
        "ambiguous": [1, 1],
        "repeated": [1, 0],
        "kept": [2, 1],
    }


def test_rejected_matches_are_replaced_until_there_are_k():
    X = np.repeat(np.eye(8), 50, axis=0)
    assert kept(fitted(X, k=5, deduplicate=0.9)) == [0, 50, 100, 150, 200]
    assert kept(fitted(X, k=9, deduplicate=0.9)) == list(range(0, 400, 50))


@pytest.mark.parametrize("k", [1, 3, None])
def test_unreadable_images_are_left_out(k):
    X = [[0, 0], [1, 0], [0, 0], [0, 1], [1, 1]]
    assert kept(fitted(X, k=k)) == [1, 3, 4][:k]


def test_near_duplicates_are_left_out():
    X = [[1, 0], [1, 0.01], [0, 1], [0.02, 1], [1, 1]]
    assert kept(fitted(X, deduplicate=0.99)) == [0, 2, 4]
    assert counts(fitted(X, deduplicate=0.99)) == {
        "matches": [5],
        "duplicates": [2],
        "kept": [3],
    }
    assert kept(fitted(X)) == [0, 1, 2, 3, 4]


def test_duplicates_are_sought_within_a_class():
    retriever = CaptionRetriever(deduplicate=0.9)
    retriever.fit(["a cat", "a dog"], embeddings=np.ones((2, 3)))
    assert kept(retriever, ["cat", "dog"]) == [0, 1]


def test_equal_files_are_duplicates_by_content(tmp_path):
    for name, color in (("a", "red"), ("b", "red"), ("c", "blue")):
        Image.new("RGB", (4, 4), color).save(tmp_path / f"{name}.png")
    images = [str(tmp_path / f"{name}.png") for name in "abc"]
    retriever = CaptionRetriever(deduplicate="content")
    retriever.fit(["cat"] * 4, images=[*images, "https://example.org/x.png"])
    assert kept(retriever) == [0, 2, 3]


# -- images that are to be tested on


def test_test_images_are_not_recalled_by_content(photos, corpus):
    test_images = [photos / "red.png", (photos / "pink.png").read_bytes()]
    retriever = CaptionRetriever(corpus, exclude_images=test_images[:1])
    assert kept(retriever, ["red"]) == ["pink.png"]
    assert counts(retriever, ["red"]) == {"matches": [2], "excluded": [1], "kept": [1]}
    assert kept(CaptionRetriever(corpus, exclude_images=test_images), ["red"]) == []


def test_test_images_that_cannot_be_read_are_named(photos, corpus):
    retriever = CaptionRetriever(corpus, exclude_images=[photos / "missing.png"])
    with pytest.warns(UnreadableImageWarning, match=r"exclude_images has 1 .*missing\.png"):
        assert kept(retriever, ["red"]) == ["pink.png", "red.png"]


def test_test_images_at_urls_are_not_recalled():
    urls = ["https://example.org/1.jpg", "https://example.org/2.jpg"]
    retriever = CaptionRetriever(exclude_images=urls[:1]).fit(["a cat", "a cat"], images=urls)
    assert kept(retriever) == [1]


@pytest.mark.parametrize(
    "parameters", [{"deduplicate": 0.9}, {"exclude_images": np.eye(2)}], ids=lambda p: next(iter(p))
)
def test_what_compares_embeddings_needs_some(parameters):
    name = next(iter(parameters))
    with pytest.raises(ValueError, match=f"{name} compares embeddings, and there are none"):
        CaptionRetriever(**parameters).fit(["a cat", "a cat"]).recall(["cat"])


def test_test_embeddings_must_be_of_the_same_width():
    with pytest.raises(ValueError, match="exclude_images has 3 features, but the collection has 2"):
        kept(fitted([[1, 0], [0, 1]], exclude_images=np.eye(3)))


def test_test_images_are_not_recalled_by_embedding(photos, corpus, mean_color):
    copy = Image.open(photos / "red.png").resize((20, 20))
    assert kept(CaptionRetriever(corpus, exclude_images=[copy]), ["red"]) == ["pink.png", "red.png"]
    retriever = CaptionRetriever(corpus, exclude_images=[np.asarray(copy)], embedder=mean_color)
    assert kept(retriever, ["red"]) == ["pink.png"]


def test_test_embeddings_are_not_recalled(embedded_corpus):
    retriever = CaptionRetriever(embedded_corpus, exclude_images=embedded_corpus.embeddings([3]))
    assert kept(retriever, ["red"]) == ["pink.png"]


def test_the_threshold_of_a_copy_is_that_of_duplicates():
    X = [[1, 0], [1, 0.5], [0, 1]]
    test = np.array([[1.0, 0.0]])
    assert kept(fitted(X, exclude_images=test)) == [1, 2]
    assert kept(fitted(X, exclude_images=test, deduplicate=0.8)) == [2]


def test_test_images_are_embedded_once(corpus, photos, mean_color):
    for k in (1, 2):
        retriever = CaptionRetriever(
            corpus, k=k, exclude_images=[str(photos / "red.png")], embedder=mean_color
        )
        retriever.recall(["green"])
    assert mean_color.seen.count(str(photos / "red.png")) == 1


# -- order


def test_best_means_most_similar_to_the_text():
    X = [[0.6, 0.8], [1, 0], [0.8, 0.6], [2, 0]]
    retriever = fitted(X, k=3, select="best", zero_shot={"cat": [1.0, 0.0], "dog": [0.0, 1.0]})
    assert kept(retriever) == [1, 3, 2]


def test_best_needs_text_and_images():
    with pytest.raises(ValueError, match=r"select='best' compares images with text: give zero"):
        fitted([[1, 0]], select="best").recall(["cat"])
    retriever = CaptionRetriever(select="best", zero_shot={"cat": [1.0, 0.0]}).fit(["cat"])
    with pytest.raises(ValueError, match="select='best' needs embeddings"):
        retriever.recall(["cat"])
    with pytest.raises(ValueError, match="without a text embedding: 'dog'"):
        fitted([[1, 0]], select="best", zero_shot={"cat": [1.0, 0.0]}).recall(["dog"])


def test_a_random_order_is_a_permutation_that_depends_on_the_name():
    rows = np.arange(100)
    orders = [random_order(rows, name, seed) for name, seed in (("a", 0), ("b", 0), ("a", 1))]
    assert all(sorted(order) == rows.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert (random_order(rows, "a", 0) == orders[0]).all()


def test_fewer_are_a_part_of_more():
    X = np.random.default_rng(0).normal(size=(50, 3))
    few, many = (kept(fitted(X, k=k, select="random", random_state=3)) for k in (5, 20))
    assert many[:5] == few


# -- the report


def test_the_report_counts_and_names(photos, tmp_path, mean_color):
    (photos / "red.png").write_bytes(b"broken")
    corpus = Corpus.build(photos, tmp_path / "again")
    retriever = CaptionRetriever(corpus, embedder=mean_color, plural=True)
    with pytest.warns(NoMatchWarning), pytest.warns(UnreadableImageWarning):
        report = retriever.recall(["red", "green", "square", "zebra"]).report()
    assert report.to_frame().loc["red"].to_dict() == {
        "matches": 2,
        "ambiguous": 1,
        "repeated": 0,
        "unreadable": 1,
        "excluded": 0,
        "duplicates": 0,
        "kept": 1,
    }
    assert report.unmatched == report.empty == ["zebra"]
    assert report.ambiguous_share == pytest.approx(4 / 7)
    assert [p.partition(":")[0] for p in report.problems] == ["red.png"]


def test_the_report_prints_as_a_table():
    retriever = CaptionRetriever(k=1).fit(["a cat", "a dog", "cats", "dog"])
    assert str(retriever.recall(["cat", "dog"]).report()).splitlines() == [
        "class  matches  kept",
        "cat          1     1",
        "dog          2     1",
    ]


def test_a_filtered_pool_reports_what_is_left():
    pool = CaptionRetriever().fit(["a cat", "a dog", "the cat"]).recall(["cat", "dog"])
    report = pool[pool.ids == 0].report()
    assert report.counts["matches"].tolist() == [2, 1]
    assert report.counts["kept"].tolist() == [1, 0]
    assert report.empty == ["dog"]


def test_a_pool_shows_itself_in_a_notebook(photos, corpus):
    (photos / "pink.png").write_bytes(b"broken")
    html = CaptionRetriever(corpus).recall(["red", "green"])._repr_html_()
    assert html.count("<img ") == 3
    assert html.count("data:image/webp;base64,") == 3
    assert "red and white make pink" in html
    hostile = CaptionRetriever().fit(["<script>alert(1)</script> cat"]).recall(["cat"])
    assert "<script>" not in hostile._repr_html_()


def test_a_pool_of_many_classes_shows_some():
    names = [f"c{i}" for i in range(30)]
    html = CaptionRetriever().fit(names).recall(names)._repr_html_()
    assert "and 18 more classes" in html


def test_test_embeddings_that_are_not_finite_hide_no_other():
    test = np.array([[np.nan, 0.0], [1.0, 0.0]])
    retriever = fitted([[1, 0], [0, 1]], exclude_images=test)
    with pytest.warns(UnreadableImageWarning, match=r"exclude_images holds NaN .* \(0\)"):
        assert kept(retriever) == [1]


def test_test_embeddings_may_be_a_data_frame(photos, corpus):
    frame = pd.DataFrame([[1.0, 0.0]], columns=["a", "b"])
    assert kept(fitted([[1, 0], [0, 1]], exclude_images=frame)) == [1]
    images = pd.DataFrame({"image": [str(photos / "red.png")]})
    assert kept(CaptionRetriever(corpus, exclude_images=images), ["red"]) == ["pink.png"]


def test_a_collection_without_its_images_is_refused(mean_color):
    images = [f"/nowhere/{i}.png" for i in range(1000)]
    retriever = CaptionRetriever(k=400, embedder=mean_color)
    retriever.fit(["a cat"] * 1000, images=images)
    with pytest.raises(CorpusError, match=r"None of the first 400 recalled images .* can be read"):
        retriever.recall(["cat"])


def test_counts_that_are_remembered_cannot_be_changed():
    counts = fitted([[1, 0]]).recall(["cat"]).report().counts
    for values in counts.values():
        with pytest.raises(ValueError, match="read-only"):
            values[:] = 7


def test_notebooks_get_little_however_much_there_is():
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(96)]
    pool = PrimingPool(
        [f"class {i // 8:02d} " + 300 * "x" for i in range(96)],
        captions=["<b>" + 5000 * "&"] * 96,
        images=noise,
    )
    html = pool._repr_html_()
    assert len(html) < 200_000
    assert html.count("<img") > 10
