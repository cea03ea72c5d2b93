import io
import json
import tarfile

import numpy as np
import pytest

from skclip import CLIPEmbedder, ZeroShotClassifier
from skclip.cli import main
from skclip.cli._verbs._compare import read_shots
from skclip.datasets import make_captioned_images
from skclip.evaluation import compare_heads, usual_heads

NAMES = ["circle", "heart", "star"]
FEW = ["--shots", "1,3", "--seeds", "2", "--quiet"]
HEADS = ["--heads", "StackedHeadClassifier,TipAdapterClassifier"]
MODEL = ["--model", "skclip-tiny", "--jobs", "1"]


@pytest.fixture(scope="module")
def parts():
    """Drawn images of three classes: to draw from, and to test on."""
    return {
        part: make_captioned_images(n, classes=NAMES, style="sketch", random_state=seed)
        for seed, (part, n) in enumerate({"train": 30, "test": 24}.items())
    }


@pytest.fixture(scope="module")
def folder(parts, tmp_path_factory):
    """One folder per class, in `train` and `test`."""
    root = tmp_path_factory.mktemp("images")
    for part, data in parts.items():
        for i, (image, label) in enumerate(zip(data.images, data.target, strict=True)):
            place = root / part / label
            place.mkdir(parents=True, exist_ok=True)
            image.save(place / f"{i:03d}.png")
    return root


def as_bytes(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def run(*arguments):
    return main(["compare", *map(str, arguments)])


def test_numbers_are_those_of_the_python_api(folder, parts, tmp_path, capsys):
    output = tmp_path / "runs.json"
    assert run(folder, *FEW, *HEADS, *MODEL, "--output", output) == 0
    embedder = CLIPEmbedder("skclip-tiny")
    rows = []
    for data in parts.values():
        order = np.argsort(data.target, kind="stable")
        rows += [embedder.transform(data.images)[order], np.asarray(data.target)[order]]
    text = ZeroShotClassifier(embedder=embedder, classes=NAMES)
    heads = {name: usual_heads(text)[name] for name in HEADS[1].split(",")}
    expected = compare_heads(heads, *rows, zero_shot=text, shots=(1, 3), seeds=2)
    printed = capsys.readouterr().out
    assert expected.to_markdown() in printed
    assert "**StackedHeadClassifier less each head" in printed
    kept = json.loads(output.read_text())
    assert kept["settings"]["shots"] == ["1", "3"]
    assert "fit_seconds" in kept["runs"][0]


def test_a_replay_gives_the_same_numbers(folder, tmp_path, capsys):
    output = tmp_path / "runs.json"
    assert run(folder, *FEW, *HEADS, *MODEL, "--output", output) == 0
    assert run(folder, *HEADS, *MODEL, "--quiet", "--replay", output) == 0
    assert "the replay gives the same numbers" in capsys.readouterr().err
    changed = json.loads(output.read_text())
    changed["runs"][0]["nll"] = 9.0
    output.write_text(json.dumps(changed))
    assert run(folder, *HEADS, *MODEL, "--quiet", "--replay", output) == 1


def test_a_folder_of_clip_benchmark(parts, tmp_path, capsys):
    for part, data in parts.items():
        (tmp_path / part).mkdir()
        with tarfile.open(tmp_path / part / "0.tar", "w") as tar:
            for i, (image, label) in enumerate(zip(data.images, data.target, strict=True)):
                members = {"png": as_bytes(image), "cls": str(NAMES.index(label)).encode()}
                for kind, content in members.items():
                    info = tarfile.TarInfo(f"s{i:04d}.{kind}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    (tmp_path / "classnames.txt").write_text("\n".join(NAMES))
    (tmp_path / "zeroshot_classification_templates.txt").write_text("a drawing of a {c}.\n")
    assert run(tmp_path, *FEW, *HEADS, *MODEL) == 0
    assert "| zero-shot |" in capsys.readouterr().out


def test_embeddings_and_labels_as_files(parts, tmp_path, capsys):
    embedder = CLIPEmbedder("skclip-tiny")
    for part, data in parts.items():
        np.save(tmp_path / f"{part}.npy", embedder.transform(data.images).astype(np.float16))
        codes = [NAMES.index(label) for label in data.target]
        (tmp_path / f"{part}.txt").write_text("\n".join(map(str, codes)))
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    np.save(tmp_path / "text.npy", ZeroShotClassifier(embedder=embedder).fit(y=NAMES).coef_)
    given = [tmp_path / "train.npy", "--labels", tmp_path / "train.txt"]
    given += ["--test", tmp_path / "test.npy", "--test-labels", tmp_path / "test.txt"]
    assert run(*given, *FEW, "--heads", "NearestClassMean") == 0
    assert "zero-shot" not in capsys.readouterr().out
    text = ["--text", tmp_path / "text.npy", "--classes", tmp_path / "names.txt"]
    assert run(*given, *text, *FEW, *HEADS) == 0
    assert "| zero-shot |" in capsys.readouterr().out


def test_classes_may_be_those_of_a_published_set(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for part, n in (("", 4), ("_test", 2)):
        np.save(tmp_path / f"X{part}.npy", rng.standard_normal((10 * n, 6)))
        labels = np.tile(np.arange(10), n).astype(str)
        (tmp_path / f"y{part}.txt").write_text("\n".join(labels))
    np.save(tmp_path / "T.npy", rng.standard_normal((10, 6)))
    paths = [tmp_path / "X.npy", "--labels", tmp_path / "y.txt", "--text", tmp_path / "T.npy"]
    paths += ["--test", tmp_path / "X_test.npy", "--test-labels", tmp_path / "y_test.txt"]
    options = [
        "--classes",
        "eurosat",
        "--shots",
        "1",
        "--seeds",
        "1",
        "--heads",
        "NearestClassMean",
    ]
    assert main(["compare", *map(str, paths), *options]) == 0
    assert "NearestClassMean" in capsys.readouterr().out


def test_a_leak_is_refused(folder, capsys):
    assert run(folder / "train", "--test", folder / "train", *FEW, *HEADS, *MODEL) == 2
    assert "test rows are among the rows of X" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shots", "1,x"], "'x' is no number of images"),
        (["--heads", "Best"], "--heads has no 'Best'"),
        (["--output", "/nowhere/x.json"], "in a folder that does not exist"),
        (["--classes", "none.txt"], "--classes 'none.txt' is no file"),
    ],
)
def test_wrong_options_are_one_line(folder, arguments, message, capsys):
    assert run(folder, *FEW, *MODEL, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_parts_needs_a_test(folder, capsys):
    assert run(folder / "train", *FEW, *MODEL) == 2
    assert "holds no folders `train` and `test`" in capsys.readouterr().err


def test_shots_can_be_dealt():
    assert read_shots("1,2,0/1/15") == [1, 2, (0, 1, 15)]
