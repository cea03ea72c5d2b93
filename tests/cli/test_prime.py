import csv
import json
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skclip import StackedHeadClassifier, ZeroShotClassifier
from skclip.cli import main
from skclip.cli._inputs._images import find_images, why_unreadable
from skclip.corpus import Corpus
from skclip.embedding._registry import LoadedModel
from skclip.recall import CaptionRetriever


@pytest.fixture
def images(captioned_folder, tmp_path) -> Path:
    """Twelve images, two broken ones, and a text file."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    for i in range(12):
        shutil.copy(captioned_folder / f"{i:06d}.png", folder / ("more" if i % 2 else "."))
    (folder / "empty.jpg").touch()
    whole = (captioned_folder / "000000.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def classes(captioned_images, tmp_path) -> Path:
    path = tmp_path / "names.txt"
    lines = [", ".join([n, *captioned_images.synonyms[n]]) for n in captioned_images.target_names]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def prime(images, classes, tmp_path):
    """Run the verb; return its status and the lines it wrote."""

    def run(corpus: Path, *arguments: str) -> tuple[int, list[dict[str, str]]]:
        output = tmp_path / "predictions.csv"
        inputs = ["--corpus", corpus, "--classes", classes, "--images", images]
        options = ["--model", "skclip-tiny", "--jobs", "1", "--output", output]
        status = main(["prime", *map(str, [*inputs, *options]), *arguments])
        if not output.exists():
            return status, []
        with output.open(newline="") as file:
            return status, list(csv.DictReader(file))

    return run


def test_predictions_are_those_of_the_python_api(
    prime, corpus_path, images, captioned_images, tiny_embedder
):
    status, rows = prime(corpus_path)
    assert status == 0
    readable = [row for row in rows if not row["error"]]
    paths = [path for path in find_images(images) if path.name not in ("half.png", "empty.jpg")]
    assert [row["image"] for row in readable] == list(map(str, paths))

    zero_shot = ZeroShotClassifier(
        embedder=tiny_embedder,
        synonyms=captioned_images.synonyms,
        classes=captioned_images.target_names,
    )
    retriever = CaptionRetriever(corpus_path, synonyms=captioned_images.synonyms)
    head = StackedHeadClassifier(zero_shot, retriever=retriever).fit()
    X = tiny_embedder.transform(paths)
    assert [row["label"] for row in readable] == head.predict(X).tolist()
    np.testing.assert_allclose(
        [float(row["probability"]) for row in readable],
        head.predict_proba(X).max(axis=1),
        atol=1e-4,
    )


def test_embeddings_take_the_place_of_images(prime, corpus_path, classes, images, tmp_path):
    output = tmp_path / "X.npy"
    model = ["--model", "skclip-tiny", "--jobs", "1", "--quiet"]
    assert main(["embed", str(images), "--output", str(output), *model]) == 0
    inputs = ["--corpus", corpus_path, "--classes", classes, "--embeddings", output]
    rows = tmp_path / "by_rows.csv"
    assert main(["prime", *map(str, [*inputs, "--output", rows]), "--quiet"]) == 0
    with rows.open(newline="") as file:
        by_rows = list(csv.DictReader(file))
    by_images = prime(corpus_path)[1]
    assert [row["image"] for row in by_rows] == [row["image"] for row in by_images]
    assert [row["label"] for row in by_rows] == [row["label"] for row in by_images]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "give --images to classify, or else --embeddings"),
        (["--images", "X.npy", "--embeddings", "X.npy"], "or else --embeddings, and not both"),
        (["--embeddings", "X.npy"], "has 3 features, and the model gives 64"),
    ],
)
def test_either_images_or_embeddings_are_given(given, says, classes, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", np.ones((2, 3)))
    assert main(["prime", "--classes", str(classes), "--model", "skclip-tiny", *given]) == 2
    assert says in capsys.readouterr().err


def test_broken_images_have_a_reason_and_no_label(prime, corpus_path, capsys):
    _, rows = prime(corpus_path)
    broken = {Path(row["image"]).name: row for row in rows if row["error"]}
    assert set(broken) == {"half.png", "empty.jpg"}
    assert broken["empty.jpg"]["error"] == "not an image in a format Pillow reads"
    assert all(row["label"] == row["probability"] == "" for row in broken.values())
    assert "2 images could not be read" in capsys.readouterr().err


def test_batches_change_nothing(prime, corpus_path):
    one_batch, many = prime(corpus_path)[1], prime(corpus_path, "--batch-size", "4")[1]
    assert [row["image"] for row in many] == [row["image"] for row in one_batch]
    assert [row["label"] for row in many] == [row["label"] for row in one_batch]


def test_folder_with_captions_is_indexed_for_the_time_being(prime, captioned_folder, capsys):
    before = sorted(captioned_folder.iterdir())
    status, rows = prime(captioned_folder)
    assert status == 0
    assert len(rows) == 14
    assert "indexing the captions" in capsys.readouterr().err
    assert sorted(captioned_folder.iterdir()) == before


def test_folder_and_its_corpus_predict_the_same(prime, captioned_folder, corpus_path):
    labels = [row["label"] for row in prime(captioned_folder)[1]]
    assert labels == [row["label"] for row in prime(corpus_path)[1]]


def test_corpus_can_be_kept(prime, captioned_folder, tmp_path):
    prime(captioned_folder, "--save-corpus", str(tmp_path / "kept"))
    assert len(Corpus(tmp_path / "kept")) == 180


def test_summary_counts_recalled_images(prime, corpus_path, capsys):
    prime(corpus_path, "--k", "3")
    report = capsys.readouterr().err
    assert re.search(r"^class +matched .*kept$", report, re.MULTILINE)
    assert "classified 12 of 14 images" in report


def test_quiet_still_tells_of_broken_images(prime, corpus_path, capsys):
    prime(corpus_path, "--quiet")
    assert capsys.readouterr().err == (
        "skclip: 2 images could not be read: see the column `error`\n"
    )


def test_class_without_a_match_keeps_its_text(prime, corpus_path, classes, capsys):
    classes.write_text("star\nzeppelin\n")
    status, _ = prime(corpus_path)
    assert status == 0
    report = capsys.readouterr().err
    assert "warning: No caption names 'zeppelin'" in report
    assert "which use text only: 'zeppelin'" in report


def test_bare_numbers_are_to_be_mended_in_the_file(prime, corpus_path, classes, capsys):
    classes.write_text("0\n1\n")
    prime(corpus_path)
    report = " ".join(capsys.readouterr().err.split())
    assert "write the names of the classes into the file of --classes" in report
    assert "class_names" not in report


def test_only_broken_images_is_status_1(prime, corpus_path, images):
    for file in find_images(images):
        if file.name != "empty.jpg":
            file.unlink()
    status, rows = prime(corpus_path)
    assert status == 1
    assert [row["label"] for row in rows] == [""]


def relabelled(corpus_path: Path, tmp_path: Path, model_id: str) -> Path:
    """Return a copy of a corpus that says to be embedded by another model."""
    path = shutil.copytree(corpus_path, tmp_path / "relabelled")
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "model_id": model_id}))
    return path


def test_the_model_is_that_of_the_corpus(corpus_path, classes, images, tmp_path):
    inputs = ["--corpus", corpus_path, "--classes", classes, "--images", images]
    output = tmp_path / "p.csv"
    assert main(["prime", *map(str, [*inputs, "--output", output]), "--quiet"]) == 0
    assert len(output.read_text().splitlines()) == 15


@pytest.mark.parametrize(
    "model_id", ["a-folder@1", "ViT-B-32/my-weights@1", "no-such-org/no-such-repository@1"]
)
def test_a_model_that_cannot_be_loaded_is_named(
    corpus_path, classes, images, tmp_path, capsys, monkeypatch, model_id
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    corpus = relabelled(corpus_path, tmp_path, model_id)
    inputs = ["--corpus", corpus, "--classes", classes, "--images", images]
    assert main(["prime", *map(str, inputs), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"was embedded by '{model_id[:-2]}', which cannot be loaded" in line
    assert "give this model as --model and --pretrained" in line


def test_paths_may_be_addresses_or_begin_at_home(
    corpus_path, classes, images, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    inputs = {"--corpus": corpus_path, "--classes": classes, "--images": images}
    pairs = [part for option, path in inputs.items() for part in (option, path.as_uri())]
    for output in ("~/home.csv", "~/home.parquet", (tmp_path / "address.json").as_uri()):
        assert main(["prime", *pairs, "--output", output, "--quiet"]) == 0
    assert {"home.csv", "home.parquet", "address.json"} <= {p.name for p in tmp_path.iterdir()}


def test_standard_output(images, classes, corpus_path, capsys):
    arguments = ["--corpus", corpus_path, "--classes", classes, "--images", images / "000000.png"]
    main(["prime", *map(str, arguments), "--model", "skclip-tiny", "--quiet"])
    header, line = capsys.readouterr().out.splitlines()
    assert header == "image,label,probability,error"
    assert line.startswith(f"{images / '000000.png'},")


@pytest.mark.parametrize("missing", ["--corpus", "--classes", "--images"])
def test_missing_input_is_one_line(missing, images, classes, corpus_path, tmp_path, capsys):
    inputs = {"--corpus": corpus_path, "--classes": classes, "--images": images}
    inputs[missing] = tmp_path / "nowhere"
    arguments = [str(part) for pair in inputs.items() for part in pair]
    assert main(["prime", *arguments, "--model", "skclip-tiny"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("skclip: error: ")
    assert "nowhere" in error


def test_the_ending_of_the_output_decides(images, classes, corpus_path, tmp_path):
    inputs = ["--corpus", corpus_path, "--classes", classes, "--images", images]
    for name in ("p.json", "p.jsonl"):
        output = tmp_path / name
        main(["prime", *map(str, [*inputs, "--output", output]), "--model=skclip-tiny", "--quiet"])
        text = output.read_text(encoding="utf-8")
        rows = json.loads(text if name == "p.json" else f"[{','.join(text.splitlines())}]")
        assert len(rows) == 14
        assert sum(row["label"] is None for row in rows) == 2
        assert all(row["error"] is None for row in rows if row["label"])


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--output", "FOLDER", "is a folder: name a file in it"),
        ("--output", "none/p.csv", "in a folder that does not exist"),
        ("--output", "p.txt", "is not a known format"),
        ("--device", "gpu", "--device 'gpu' cannot be used"),
        ("--templates", "imagnet", "--templates 'imagnet' is neither a published set"),
        ("--k", "0", "--k must be at least 1"),
    ],
)
def test_options_are_checked_before_the_captions_are_read(
    images, classes, captioned_folder, tmp_path, capsys, option, value, said
):
    value = value.replace("FOLDER", str(tmp_path))
    inputs = ["--corpus", captioned_folder, "--classes", classes, "--images", images]
    assert main(["prime", *map(str, inputs), "--model", "skclip-tiny", option, value]) == 2
    message = capsys.readouterr().err
    assert said in message.splitlines()[-1]
    assert "indexing" not in message


def test_a_missing_tokenizer_is_found_before_any_image_is_read(
    prime, corpus_path, monkeypatch, capsys
):
    def missing(self):
        raise ImportError("the tokenizer of 'x' needs transformers")

    monkeypatch.setattr(LoadedModel, "tokenizer", property(missing))
    monkeypatch.setattr(LoadedModel, "encode_pixels", pytest.fail)
    assert prime(corpus_path, "--quiet") == (2, [])
    assert "needs transformers" in capsys.readouterr().err


def test_a_corpus_whose_images_cannot_be_read_fails(prime, captioned_folder, tmp_path, capsys):
    table = tmp_path / "elsewhere" / "captions.csv"
    table.parent.mkdir()
    lines = [f'{path.stem}.png,"{path.read_text()}"' for path in captioned_folder.glob("*.txt")]
    table.write_text("\n".join(["image,caption", *lines]))
    assert prime(table, "--quiet") == (2, [])
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error" in line)
    assert "images that --corpus has of the classes can be read" in line
    assert "--images-root" in line


def test_file_names_of_any_bytes_keep_their_predictions(prime, corpus_path, images):
    odd = os.fsencode(images) + b"/caf\xe9.png"
    try:
        shutil.copy(os.fsencode(images / "000000.png"), odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    shutil.copy(images / "000000.png", images / "a\rb.png")
    shutil.copy(images / "000000.png", images / "z.jfif")
    status, rows = prime(corpus_path)
    assert status == 0
    labels = {row["image"].rpartition("images/")[2]: row["label"] for row in rows}
    assert len(labels) == 17
    assert all(labels[name] for name in (r"caf\udce9.png", "a\rb.png", "z.jfif"))


def test_files_that_are_no_images_are_mentioned(prime, corpus_path, capsys):
    prime(corpus_path)
    assert "1 files of --images have no image suffix: .txt" in capsys.readouterr().err


def test_nothing_temporary_stays(prime, captioned_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prime(captioned_folder, "--quiet")
    assert not list(tmp_path.glob("skclip-*"))


def test_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no images"):
        find_images(tmp_path)


def test_readable_image_with_a_zero_row_is_no_image_error(captioned_folder):
    assert why_unreadable(captioned_folder / "000000.png") == "its embedding is zero"


def test_real_photos_and_captions(prime, shared_data, images, classes, tmp_path, capsys):
    """Mechanics only: the bundled model has never seen a photo."""
    corpus = tmp_path / "flickr8k"
    corpus.mkdir()
    with zipfile.ZipFile(shared_data / "flickr8k_112px.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:120]
        archive.extractall(corpus, names)
    header, *lines = (shared_data / "flickr8k_captions.tsv").read_text().splitlines()
    known = [line for line in lines if line.split("\t")[0] in names]
    (corpus / "captions.tsv").write_text("\n".join([header, *known]))
    (corpus / names[0]).write_bytes(b"broken")
    classes.write_text("dog\nboy\ngirl, little girl\nbicycle, bike\n")
    status, rows = prime(corpus)
    assert status == 0
    assert {row["label"] for row in rows if not row["error"]} <= {"dog", "boy", "girl", "bicycle"}
    assert len(known) == 5 * 120
    assert "of these" not in capsys.readouterr().err


def test_matches_may_be_ranked_by_their_similarity(prime, corpus_path, capsys):
    status, by_image = prime(corpus_path, "--select", "best", "--k", "5")
    assert status == 0
    assert prime(corpus_path, "--select", "caption", "--k", "5")[0] == 2
    assert "`skclip embed DIR --captions`" in capsys.readouterr().err
    assert len(by_image) == 14


def test_a_selection_needs_a_collection(images, classes, capsys):
    given = ["prime", "--classes", str(classes), "--images", str(images), "--select", "best"]
    assert main([*given, "--model", "skclip-tiny"]) == 2
    assert "--select is about recalled images: give --corpus too" in capsys.readouterr().err
