import csv

import numpy as np

from skclip.cli import main
from skclip.corpus import Corpus


def test_what_a_text_describes_is_listed(corpus_path, capfdbinary):
    assert main(["search", "a red star", "--corpus", str(corpus_path), "--k", "3"]) == 0
    header, *rows = csv.reader(capfdbinary.readouterr().out.decode().splitlines())
    assert header == ["similarity", "id", "caption", "image"]
    corpus = Corpus(corpus_path)
    expected = corpus.search("a red star", k=3)
    assert [row[1] for row in rows] == corpus.ids(expected).tolist()
    assert [row[2] for row in rows] == corpus.captions(expected).tolist()
    assert all(len(row[0].partition(".")[2]) <= 4 for row in rows)
    similarities = [float(row[0]) for row in rows]
    assert similarities == sorted(similarities, reverse=True)
    assert np.all(np.abs(similarities) <= 1)


def test_captions_that_are_not_embedded_are_said(corpus_path, capsys):
    assert main(["search", "a star", "--corpus", str(corpus_path), "--by", "caption"]) == 2
    said = capsys.readouterr().err
    assert said.endswith("make the embeddings once with `skclip embed DIR --captions`.\n")


def test_a_number_below_one_is_refused(corpus_path, capsys):
    assert main(["search", "a star", "--corpus", str(corpus_path), "--k", "0"]) == 2
    assert "--k must be at least 1, got 0" in capsys.readouterr().err
