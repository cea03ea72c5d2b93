import csv
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from skclip import CaptionRetriever, PrimedNCMClassifier
from skclip.exceptions import UnusedDecisionWarning
from skclip.recall import PrimingPool

HEADER = ["corpus_id", "row", "id", "class", "decision", "new_class", "note"]
TEXT = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}


@pytest.fixture
def pool() -> PrimingPool:
    return PrimingPool(
        ["cat", "cat", "dog", "dog"],
        [[1.0, 0.1], [0.2, 1.0], [0.1, 1.0], [0.9, 0.5]],
        ids=["a", "b", "c", "d"],
        captions=["a cat", "the cat", "a dog", "my dog"],
    )


def decision(identifier, label, kind, new_class="", **more):
    return {"id": identifier, "class": label, "decision": kind, "new_class": new_class, **more}


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADER, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rejected_rows_leave_the_pool(pool):
    corrected = pool.apply_decisions([decision("b", "cat", "reject")])
    assert corrected.ids.tolist() == ["a", "c", "d"]
    assert len(pool) == 4


def test_relabelled_rows_change_their_class_and_keep_their_place(pool):
    corrected = pool.apply_decisions([decision("b", "cat", "relabel", "dog")])
    assert corrected.labels.tolist() == ["cat", "dog", "dog", "dog"]
    assert corrected.labels.dtype.kind == "U"
    np.testing.assert_array_equal(corrected.embeddings, pool.embeddings)


def test_kept_and_relabelled_rows_are_confirmed(pool):
    corrected = pool.apply_decisions(
        [
            decision("a", "cat", "keep"),
            decision("b", "cat", "relabel", "dog"),
            decision("c", "dog", "unsure"),
        ]
    )
    assert corrected.confirmed.tolist() == [True, True, False, False]
    assert len(corrected) == 4


def test_report_counts_what_was_rejected(pool):
    report = pool.apply_decisions([decision("b", "cat", "reject")]).report()
    assert report.counts["rejected"].tolist() == [1, 0]
    assert report.counts["kept"].tolist() == [1, 2]
    assert "rejected" in str(report)


def test_files_and_frames_say_the_same(pool, tmp_path):
    rows = [decision("b", "cat", "reject", row=1), decision("d", "dog", "relabel", "cat", row=3)]
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(rows))
    sources = [rows, path, str(path), write_csv(tmp_path / "decisions.csv", rows)]
    sources.append(pd.read_csv(sources[-1]))
    for source in sources:
        corrected = pool.apply_decisions(source)
        assert corrected.ids.tolist() == ["a", "c", "d"]
        assert corrected.labels.tolist() == ["cat", "dog", "cat"]


def test_decisions_hold_after_another_recall(pool):
    rows = [decision("c", "dog", "reject", row=2)]
    assert pool[[3, 2, 0]].apply_decisions(rows).ids.tolist() == ["d", "a"]


def test_row_tells_images_of_one_id_apart():
    pool = PrimingPool(["cat", "cat", "cat"], ids=["x", "x", "x"], captions=["1", "2", "3"])
    assert pool.apply_decisions([decision("x", "cat", "reject", row=1)]).captions.tolist() == [
        "1",
        "3",
    ]
    assert len(pool.apply_decisions([decision("x", "cat", "reject")])) == 0


def test_pool_without_ids_goes_by_rows():
    pool = PrimingPool(["cat", "dog"])
    assert pool.apply_decisions([decision("", "dog", "reject", row=1)]).labels.tolist() == ["cat"]
    with pytest.warns(UnusedDecisionWarning, match="1 of 1 decisions"):
        assert len(pool.apply_decisions([decision("", "dog", "reject", row=0)])) == 2


def test_labels_that_are_numbers_stay_numbers():
    pool = PrimingPool(np.array([3, 5, 5]), ids=[10, 11, 12])
    corrected = pool.apply_decisions([decision("11", "5", "relabel", "3")])
    assert corrected.labels.tolist() == [3, 3, 5]
    assert corrected.labels.dtype.kind == "i"


def test_same_image_of_two_classes_is_told_apart_by_the_class():
    pool = PrimingPool(["cat", "dog"], ids=["x", "x"])
    assert pool.apply_decisions([decision("x", "dog", "reject")]).labels.tolist() == ["cat"]


def test_decisions_twice_are_decisions_once(pool):
    rows = [decision("b", "cat", "reject"), decision("a", "cat", "keep")]
    once = pool.apply_decisions(rows)
    with pytest.warns(UnusedDecisionWarning, match="'b'"):
        twice = once.apply_decisions(rows)
    assert twice.ids.tolist() == once.ids.tolist()
    assert twice.confirmed.tolist() == once.confirmed.tolist()


def test_decisions_about_another_collection_are_refused(pool):
    other = PrimingPool(pool.labels, ids=pool.ids, corpus_id="0123")
    rows = [decision("a", "cat", "reject", corpus_id="4567")]
    with pytest.raises(ValueError, match="number 1: this was decided about the collection 4567"):
        other.apply_decisions(rows)
    assert len(other.apply_decisions([{**rows[0], "corpus_id": "0123"}])) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([decision("a", "cat", "maybe")], "number 1: decision must be one of keep, reject"),
        ([decision("a", "cat", "relabel")], "new_class goes with the decision 'relabel'"),
        ([decision("a", "cat", "keep", "dog")], "got 'dog' with 'keep'"),
        ([decision("a", "cat", "relabel", "cow")], "new_class 'cow' is none of the 2 classes"),
        ([decision("a", "cat", "keep", row="-1")], "row must be a row of the pool"),
        ([{"id": "a"}], "a decision needs 'class', 'decision'"),
        (
            [decision("a", "cat", "keep"), decision("a", "cat", "reject")],
            r"two decisions: 'keep' \(decisions, number 1\) and 'reject'",
        ),
    ],
)
def test_bad_decisions_are_refused(pool, rows, message):
    with pytest.raises(ValueError, match=message):
        pool.apply_decisions(rows)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.txt", "", "must end in .csv or .json"),
        ("d.csv", "id,class\na,cat\n", "it has no column 'decision'"),
        ("d.csv", "", "it has no column"),
        ("d.json", "{}", "it is no list of objects"),
        ("d.json", "[1", "cannot be read"),
    ],
)
def test_bad_files_are_refused(pool, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        pool.apply_decisions(tmp_path / name)


def test_lines_are_numbered_as_an_editor_numbers_them(pool, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text('id,class,decision\n"a\nb",cat,keep\nc,dog,wrong\n')
    with pytest.raises(ValueError, match=r"d\.csv', line 4: decision must be"):
        pool.apply_decisions(path)


def test_formulas_of_spreadsheets_are_read_as_they_were(tmp_path):
    pool = PrimingPool(["-cat", "dog"], ids=["=1+1", "b"])
    rows = [decision("'=1+1", "'-cat", "reject", row=0)]
    assert pool.apply_decisions(write_csv(tmp_path / "d.csv", rows)).ids.tolist() == ["b"]


def test_half_a_surrogate_pair_is_found(tmp_path):
    pool = PrimingPool(["cat"], ids=["a\ud800.jpg"])
    assert len(pool.apply_decisions([decision("a\ufffd.jpg", "cat", "reject")])) == 0


def test_fit_is_that_of_the_rows_a_person_left(pool):
    rows = [decision("a", "cat", "reject"), decision("d", "dog", "relabel", "cat")]
    corrected = PrimedNCMClassifier(TEXT, retriever=pool.apply_decisions(rows)).fit()
    by_hand = PrimingPool(["cat", "dog"], pool.embeddings[[3, 2]])
    expected = PrimedNCMClassifier(TEXT, retriever=by_hand).fit()
    np.testing.assert_array_equal(corrected.coef_, expected.coef_)


def test_confirmed_rows_pass_the_filter(pool):
    filtered = PrimedNCMClassifier(TEXT, retriever=pool).fit()
    assert filtered.pool_.ids.tolist() == ["a", "c"]
    confirmed = pool.apply_decisions([decision("d", "dog", "keep")])
    assert PrimedNCMClassifier(TEXT, retriever=confirmed).fit().pool_.ids.tolist() == [
        "a",
        "c",
        "d",
    ]


@given(
    st.lists(st.sampled_from(["keep", "reject", "relabel", "unsure", ""]), min_size=4, max_size=4)
)
def test_every_row_gets_its_own_decision(kinds):
    pool = PrimingPool(["cat", "dog", "cat", "dog"], ids=["a", "b", "c", "d"])
    other = {"cat": "dog", "dog": "cat"}
    rows = [
        decision(i, label, kind, other[label] if kind == "relabel" else "", row=row)
        for row, (i, label, kind) in enumerate(
            zip(pool.ids.tolist(), pool.labels.tolist(), kinds, strict=True)
        )
        if kind
    ]
    expected = [
        (i, other[label] if kind == "relabel" else label)
        for i, label, kind in zip(pool.ids.tolist(), pool.labels.tolist(), kinds, strict=True)
        if kind != "reject"
    ]
    corrected = pool.apply_decisions(rows)
    got = list(zip(corrected.ids.tolist(), corrected.labels.tolist(), strict=True))
    assert got == expected


def test_head_that_recalls_by_itself_honours_decisions(corpus_path, captioned_images, tmp_path):
    names = list(captioned_images.target_names[:3])
    text = dict(zip(names, np.eye(3, 64), strict=True))
    pool = CaptionRetriever(corpus_path, k=5).recall(names)
    four = zip(pool.ids[:4], pool.labels[:4], strict=True)
    rejected = [decision(i, label, "reject") for i, label in four]
    path = write_csv(tmp_path / "decisions.csv", rejected)
    retriever = CaptionRetriever(corpus_path, k=5, decisions=path)
    assert retriever.recall(names).ids.tolist() == pool.ids[4:].tolist()
    head = PrimedNCMClassifier(text, retriever=retriever, filter="passthrough").fit()
    by_hand = PrimedNCMClassifier(
        text, retriever=pool.apply_decisions(path), filter="passthrough"
    ).fit()
    np.testing.assert_array_equal(head.coef_, by_hand.coef_)
    # what is undecided again is recalled again
    assert len(retriever.set_params(decisions=None).recall(names)) == len(pool)
