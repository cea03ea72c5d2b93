import pytest

from skclip.display import PoolCompositionDisplay
from skclip.recall import CaptionRetriever, PrimingPool


def test_counts_add_up_to_what_became_of_the_images():
    pool = CaptionRetriever().fit(["a cat", "the cat", "my cat", "a dog"]).recall(["dog", "cat"])
    rejected = [{"id": pool.ids[1], "class": "cat", "decision": "reject", "row": 1}]
    corrected = pool.apply_decisions(rejected)
    display = PoolCompositionDisplay.from_pool(corrected, kept=[False, True, False])
    assert display.names == ["dog", "cat"]
    assert {part: values.tolist() for part, values in display.counts.items()} == {
        "kept": [0, 1],
        "rejected by the filter": [1, 1],
        "rejected": [0, 1],
    }


def test_pool_without_a_report_has_its_rows():
    display = PoolCompositionDisplay.from_pool(PrimingPool(["b", "a", "b"]))
    assert display.names == ["a", "b"]
    assert display.counts["kept"].tolist() == [1, 2]


def test_kept_must_have_one_value_per_row():
    with pytest.raises(ValueError, match=r"kept has shape \(1,\) but the pool has 2 rows"):
        PoolCompositionDisplay.from_pool(PrimingPool(["a", "b"]), kept=[True])


def test_counts_must_match_the_names():
    with pytest.raises(ValueError, match="give one number per class"):
        PoolCompositionDisplay(names=["a"], counts={"kept": [1, 2]})
