import numpy as np
import pytest

from skclip.cli._summary import recall_summary, say_recall
from skclip.recall import CaptionRetriever, PrimingPool, RecallReport

CAPTIONS = ["a cat", "a cat and a dog", "the cat", "a dog", "dog", "a dog again", "a cat asleep"]
IMAGES = ["1", "2", "1", "3", "4", "5", "6"]


def table(text: str) -> dict[str, dict[str, int]]:
    """Return the numbers by class and column."""
    for name in ("beyond k", "decided out"):
        text = text.replace(name, name.replace(" ", "_"))
    header, *lines = map(str.split, text.splitlines())
    return {name: dict(zip(header[1:], map(int, cells), strict=True)) for name, *cells in lines}


@pytest.fixture
def pool() -> PrimingPool:
    retriever = CaptionRetriever(k=2).fit(CAPTIONS, embeddings=np.eye(7), images=IMAGES)
    return retriever.recall(["cat", "dog"])


def test_numbers_add_up(pool):
    decided = pool[np.arange(len(pool)) != 0]
    kept = decided[np.arange(len(decided)) != 1]
    rows = table(recall_summary(pool, decided, kept))
    assert rows["cat"]["matched"] == 4
    assert rows["cat"]["ambiguous"] == 1
    for row in rows.values():
        left_out = sum(row.get(name, 0) for name in ("repeated", "unreadable", "excluded"))
        assert row["matched"] == left_out + row["beyond_k"] + row["recalled"]
        assert row["recalled"] == row["decided_out"] + row["rejected"] + row["kept"]
    for column, total in rows["all"].items():
        assert total == rows["cat"][column] + rows["dog"][column]
    assert rows["all"]["kept"] == len(kept)


def test_columns_of_nothing_are_left_out():
    retriever = CaptionRetriever().fit(["a cat"], embeddings=np.eye(1))
    pool = retriever.recall(["cat"])
    assert list(table(recall_summary(pool, pool, pool))["cat"]) == ["matched", "recalled", "kept"]


def test_a_class_called_all_is_no_sum():
    report = RecallReport(
        ["all"], {"matches": np.array([1]), "ambiguous": np.array([0]), "kept": np.array([1])}
    )
    pool = PrimingPool(["all"], np.eye(1), recall_report=report)
    lines = recall_summary(pool, pool, pool).splitlines()
    assert [line.split()[0] for line in lines] == ["class", "all", "all"]


def test_advice_is_given_where_nothing_was_kept(pool, capsys):
    say_recall(pool, pool, pool[pool.labels == "cat"])
    said = " ".join(capsys.readouterr().err.split())
    assert "which use text only: 'dog'. The filter rejected all their images" in said
    assert "--filter none may help" in said


def test_no_advice_where_something_was_kept(pool, capsys):
    say_recall(pool, pool, pool)
    assert "text only" not in capsys.readouterr().err
