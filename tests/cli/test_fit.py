"""The verbs fit, predict, export and info, on one another's files."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from skclip import MultiProxyImprinter, StackedHeadClassifier, ZeroShotClassifier
from skclip.cli import main
from skclip.datasets import load_image_folder
from skclip.export import load_head, save_head
from skclip.recall import CaptionMatch, CaptionRetriever
from tests.cli.conftest import MODEL


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_head_is_that_of_the_python_api(
    stacked, corpus_path, labelled, captioned_images, tiny_embedder
):
    data = load_image_folder(labelled)
    X = tiny_embedder.transform(data.images)
    zero_shot = ZeroShotClassifier(
        embedder=tiny_embedder,
        classes=captioned_images.target_names,
        synonyms=captioned_images.synonyms,
    )
    retriever = CaptionRetriever(corpus_path, synonyms=captioned_images.synonyms)
    head = StackedHeadClassifier(zero_shot, retriever=retriever)
    head.fit(X, [label.replace("_", " ") for label in data.target])
    loaded = load_head(stacked, embedder=tiny_embedder)
    np.testing.assert_allclose(loaded.coef_, head.coef_, atol=1e-5)
    assert loaded.classes_.tolist() == sorted(captioned_images.target_names)
    origin = loaded.provenance_
    assert sum(origin["labelled_images"].values()) == 60
    assert origin["corpus"] == {"name": corpus_path.name, "k": 100, "plural": False, "filter": "0"}


def test_predictions_are_those_of_the_head(stacked, labelled, tiny_embedder, tmp_path):
    output = tmp_path / "predictions.csv"
    assert main(["predict", str(stacked), str(labelled), "--output", str(output), "--jobs=1"]) == 0
    rows = read(output)
    head, images = load_head(stacked), [row["image"] for row in rows]
    assert images == sorted(map(str, load_image_folder(labelled).images))
    X = tiny_embedder.transform(images)
    assert [row["label"] for row in rows] == head.predict(X).tolist()
    proba = head.predict_proba(X).max(axis=1)
    np.testing.assert_allclose([float(row["probability"]) for row in rows], proba, atol=1e-5)


def test_top_labels_come_in_order(stacked, vectors, tmp_path):
    output = tmp_path / "predictions.jsonl"
    arguments = ["--embeddings", str(vectors), "--top", "99", "--output", str(output)]
    assert main(["predict", str(stacked), *arguments]) == 0
    for row in map(json.loads, output.read_text().splitlines()):
        ranks = ["", *(f"_{i}" for i in range(2, 7))]
        assert sorted(row[f"label{rank}"] for rank in ranks) == load_head(stacked).classes_.tolist()
        proba = [row[f"probability{rank}"] for rank in ranks]
        assert proba == sorted(proba, reverse=True)
        assert sum(proba) == pytest.approx(1, abs=1e-4)


def test_embeddings_predict_as_their_images(stacked, labelled, vectors, tmp_path):
    for given, name in (
        ([str(labelled), "--jobs=1"], "images.parquet"),
        (["--embeddings", str(vectors)], "vectors.parquet"),
    ):
        assert main(["predict", str(stacked), *given, "--output", str(tmp_path / name)]) == 0
    of_images, of_vectors = (
        parquet.read_table(tmp_path / f"{name}.parquet").to_pydict()
        for name in ("images", "vectors")
    )
    assert of_vectors["image"] == of_images["image"]
    assert of_vectors["label"] == of_images["label"]


def test_embeddings_load_no_model(stacked, vectors, tmp_path, monkeypatch):
    def no_model(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("skclip.embedding._embedder.get_model", no_model)
    output = ["--output", str(tmp_path / "predictions.csv")]
    assert main(["predict", str(stacked), "--embeddings", str(vectors), *output]) == 0


def test_embeddings_without_notes_are_called_by_number(stacked, vectors, tmp_path):
    X = np.load(vectors)
    X[1], X[2] = 0, np.nan
    np.save(tmp_path / "bare.npy", X.astype(np.float16))
    output = tmp_path / "predictions.csv"
    arguments = ["--embeddings", str(tmp_path / "bare.npy"), "--output", str(output)]
    assert main(["predict", str(stacked), *arguments]) == 0
    rows = read(output)
    assert [row["image"] for row in rows[:4]] == ["0", "1", "2", "3"]
    assert [row["error"] for row in rows[:4]] == [
        "",
        "its embedding is zero",
        "its embedding is not finite",
        "",
    ]
    assert rows[1]["label"] == rows[2]["label"] == ""


def test_embeddings_of_another_model_are_refused_by_name(stacked, vectors, tmp_path, capsys):
    other = tmp_path / "other.npy"
    shutil.copy(vectors, other)
    notes = json.loads(Path(f"{vectors}.json").read_text())
    notes["model_id"] = "ViT-B-32/laion2b@0123456789ab"
    Path(f"{other}.json").write_text(json.dumps(notes))
    assert main(["predict", str(stacked), "--embeddings", str(other)]) == 2
    said = capsys.readouterr()
    assert "skclip-tiny" in said.err
    assert "ViT-B-32/laion2b@0123456789ab" in said.err
    assert said.out == ""


def test_embeddings_of_another_width_are_refused(stacked, tmp_path, capsys):
    np.save(tmp_path / "X.npy", np.ones((3, 5)))
    assert main(["predict", str(stacked), "--embeddings", str(tmp_path / "X.npy")]) == 2
    assert "has 5 features" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (np.ones(3), "float64 of shape (3,)"),
        (np.array([["a"]]), "<U1 of shape (1, 1)"),
        (np.ones((0, 3)), "has no rows"),
        (np.array([{}]), "is no .npy file of numbers"),
    ],
    ids=["vector", "text", "empty", "objects"],
)
def test_embeddings_must_be_a_matrix(content, says, stacked, tmp_path, capsys):
    np.save(tmp_path / "X.npy", content)
    assert main(["predict", str(stacked), "--embeddings", str(tmp_path / "X.npy")]) == 2
    assert says in capsys.readouterr().err


def test_notes_of_other_rows_are_refused(stacked, vectors, tmp_path, capsys):
    np.save(tmp_path / "X.npy", np.load(vectors)[:-1])
    shutil.copy(f"{vectors}.json", tmp_path / "X.npy.json")
    assert main(["predict", str(stacked), "--embeddings", str(tmp_path / "X.npy")]) == 2
    assert "names 60 images" in capsys.readouterr().err
    (tmp_path / "X.npy.json").write_text("{}")
    assert main(["predict", str(stacked), "--embeddings", str(tmp_path / "X.npy")]) == 2
    assert "does not say what the rows" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["class-means", "discriminant", "proxies"])
def test_heads_without_text_need_no_model(kind, table, vectors, tmp_path, monkeypatch):
    def no_model(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("skclip.embedding._embedder.get_model", no_model)
    path = tmp_path / "head.skclip"
    given = ["--shots", str(table), "--embeddings", str(vectors), "--head", kind]
    assert main(["fit", *given, "--output", str(path)]) == 0
    head = load_head(path)
    assert head.model_id_ == json.loads(Path(f"{vectors}.json").read_text())["model_id"]
    assert (
        main(
            [
                "predict",
                str(path),
                "--embeddings",
                str(vectors),
                "--output",
                str(tmp_path / "p.csv"),
            ]
        )
        == 0
    )


def test_model_of_embeddings_is_taken_for_text(table, vectors, tmp_path):
    path = tmp_path / "head.skclip"
    given = ["--shots", str(table), "--embeddings", str(vectors)]
    assert main(["fit", *given, "--output", str(path)]) == 0
    assert load_head(path).provenance_["estimator"] == "StackedHeadClassifier"
    assert set(load_head(path).provenance_["head_weights"]) >= {"text", "means"}


def test_embeddings_of_nobody_knows_whom_need_a_model(table, vectors, tmp_path, capsys):
    np.save(tmp_path / "X.npy", np.load(vectors))
    given = ["--shots", str(table), "--embeddings", str(tmp_path / "X.npy")]
    assert main(["fit", *given, "--output", str(tmp_path / "head.skclip")]) == 2
    assert "the model of --embeddings is unknown: name it by --model" in capsys.readouterr().err
    path = tmp_path / "head.skclip"
    assert main(["fit", *given, "--output", str(path), *MODEL]) == 0


def test_names_alone_are_enough(names, tmp_path, captioned_images):
    path = tmp_path / "head.skclip"
    assert main(["fit", "--classes", str(names), "--output", str(path), *MODEL]) == 0
    assert load_head(path).classes_.tolist() == sorted(captioned_images.target_names)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--classes is missing"),
        (["--classes", "NAMES", "--head", "class-means"], "give them by --shots"),
        (["--classes", "NAMES", "--alpha", "0.5"], "--alpha belongs to --head primed"),
        (["--classes", "NAMES", "--head", "primed", "--alpha", "2"], "from 0 to 1"),
        (["--classes", "NAMES", "--filter", "much"], "--filter must be a probability"),
        (["--classes", "NAMES", "--filter", "nan"], "--filter must be a probability"),
        (["--classes", "NAMES", "--exclude", "NAMES"], "give --corpus too"),
        (["--classes", "NAMES", "--corpus", "none"], "--corpus 'none' does not exist"),
        (["--classes", "NAMES", "--embeddings", "X"], "is no file"),
        (["--shots", "none"], "--shots 'none' does not exist"),
        (["--shots", "SHOTS", "--classes", "OTHER"], "labels that are not in --classes"),
        (["--classes", "NAMES", "--head", "zero-shot", "--corpus", "CORPUS"], "takes no recalled"),
        (["--shots", "SHOTS", "--head", "zero-shot"], "learns nothing from labelled images"),
        (["--classes", "NAMES", "--templates", "a {name}"], "--templates holds 'a {name}'"),
        (["--classes", "NAMES", "--k", "0"], "--k must be at least 1"),
    ],
)
def test_mistakes_are_told_in_one_line_before_the_work(
    arguments, says, names, labelled, corpus_path, tmp_path, capsys, monkeypatch
):
    def no_work(*_: object, **__: object) -> None:
        raise AssertionError("work has begun")

    monkeypatch.setattr("skclip.cli._verbs._fit.fit_head", no_work)
    monkeypatch.setattr("skclip.cli._verbs._fit.rows_of", no_work)
    other = tmp_path / "other.txt"
    other.write_text("zebra\nlion\n")
    places = {"NAMES": names, "SHOTS": labelled, "CORPUS": corpus_path, "OTHER": other}
    given = [str(places.get(argument, argument)) for argument in arguments]
    output = str(tmp_path / "head.skclip")
    assert main(["fit", *given, "--output", output, *MODEL]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("output", ["none/head.skclip", "."])
def test_place_of_the_head_is_checked_first(output, names, tmp_path, capsys):
    given = ["--classes", str(names), "--output", str(tmp_path / output)]
    assert main(["fit", *given, *MODEL]) == 2
    assert "--output" in capsys.readouterr().err


def test_excluded_words_and_plurals_reach_the_recall(
    corpus_path, names, captioned_images, tmp_path, capsys
):
    words = tmp_path / "not.txt"
    words.write_text("ring, a\n")
    given = ["--corpus", str(corpus_path), "--classes", str(names), *MODEL]
    given += ["--output", str(tmp_path / "head.skclip"), "--exclude", str(words), "--plural"]
    assert main(["fit", *given]) == 0
    (n_matches,) = re.findall(r"^ring +(\d+) ", capsys.readouterr().err, re.MULTILINE)
    retriever = CaptionRetriever(
        corpus_path,
        plural=True,
        match=CaptionMatch(exclude={"ring": ["a"]}),
        synonyms={"ring": captioned_images.synonyms["ring"]},
    )
    (wanted,) = retriever.recall(["ring"]).report().counts["matches"]
    retriever.set_params(match="phrase")
    assert int(n_matches) == wanted < retriever.recall(["ring"]).report().counts["matches"][0]


def test_excluded_images_are_not_recalled(corpus_path, captioned_folder, names, tmp_path, capsys):
    given = ["--corpus", str(corpus_path), "--classes", str(names), *MODEL]
    given += ["--output", str(tmp_path / "head.skclip"), "--filter", "none"]
    assert main(["fit", *given, "--exclude-images", str(captioned_folder)]) == 0
    assert "0 recalled images are kept" in capsys.readouterr().err


def test_info_tells_of_a_head(stacked, capsys):
    assert main(["info", str(stacked)]) == 0
    said = capsys.readouterr().out
    assert "estimator: StackedHeadClassifier" in said
    assert "model: skclip-tiny" in said
    assert "labelled images: 60" in said


def test_info_of_what_is_no_head_is_an_error(table, capsys):
    assert main(["info", str(table)]) == 2
    assert "is no head of skclip" in capsys.readouterr().err


def test_head_without_a_model_asks_for_one(labelled, tmp_path, capsys):
    X, y = np.random.default_rng(0).standard_normal((20, 64)), ["a", "b"] * 10
    path = tmp_path / "head.skclip"
    save_head(MultiProxyImprinter(k=1, random_state=0).fit(X, y), path)
    assert main(["predict", str(path), str(labelled)]) == 2
    assert "name it by --model" in capsys.readouterr().err
    output = str(tmp_path / "predictions.csv")
    assert main(["predict", str(path), str(labelled), *MODEL, "--output", output]) == 0


def test_predict_takes_images_or_embeddings(stacked, labelled, vectors, capsys):
    for given in ([], [str(labelled), "--embeddings", str(vectors)]):
        assert main(["predict", str(stacked), *given]) == 2
        assert "give IMAGES to classify, or else --embeddings" in capsys.readouterr().err


def test_another_model_than_the_head_s_is_refused(stacked, labelled, capsys, monkeypatch):
    identity = "other/tag@0123456789ab"
    monkeypatch.setattr("skclip.CLIPEmbedder.model_id", identity)
    assert main(["predict", str(stacked), str(labelled), *MODEL]) == 2
    said = capsys.readouterr().err
    assert identity in said
    assert "scores embeddings of 'skclip-tiny" in said


@pytest.mark.parametrize("given", [["--features"], []], ids=["features", "images"])
def test_export_writes_a_program_for_torch(given, stacked, vectors, tmp_path):
    import torch

    path = tmp_path / "head.pt2"
    assert main(["export", str(stacked), "--output", str(path), "--jobs=1", *given]) == 0
    module = torch.export.load(path).module()
    if given:
        X = np.load(vectors)
        labels = load_head(stacked).classes_[module(torch.from_numpy(X)).argmax(dim=1).numpy()]
        assert labels.tolist() == load_head(stacked).predict(X).tolist()
    else:
        assert module(torch.zeros(3, 3, 64, 64)).shape == (3, 6)


def test_export_writes_a_card(stacked, tmp_path):
    path = tmp_path / "README.md"
    assert main(["export", str(stacked), "--output", str(path), "--title", "Shapes"]) == 0
    card = path.read_text()
    assert "# Shapes" in card
    assert "| labelled images | 60 |" in card
    assert "load_head('shapes.skclip', embedder=embedder)" in card


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--output", "head.h5"], "must end in one of .onnx, .pt2, .md"),
        (["--output", "none/head.onnx"], "does not exist"),
        (["--output", "head.onnx", "--title", "x"], "--title is of a card"),
    ],
)
def test_export_is_checked_first(given, says, stacked, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(stacked), *given]) == 2
    assert says in capsys.readouterr().err


def test_index_takes_embeddings(vectors, tmp_path, capsys):
    from skclip.corpus import Corpus

    (tmp_path / "captions.txt").write_text("\n".join(f"a cat {i}" for i in range(60)))
    given = ["index", str(tmp_path / "captions.txt"), "--output", str(tmp_path / "c")]
    given += ["--embeddings", str(vectors)]
    assert main([*given, "--model", "skclip-tiny"]) == 2
    assert "leave --model out" in capsys.readouterr().err
    assert main(given) == 0
    corpus = Corpus(tmp_path / "c")
    assert corpus.model_id == json.loads(Path(f"{vectors}.json").read_text())["model_id"]
    np.testing.assert_allclose(corpus.embeddings([5]), np.load(vectors)[5:6], atol=1e-3)
