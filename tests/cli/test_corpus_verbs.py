import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.cli import main
from skclip.corpus import Corpus
from skclip.corpus._build import Job


@pytest.fixture
def small_folder(captioned_folder, tmp_path):
    """Six images with captions, one of them broken."""
    folder = tmp_path / "small"
    folder.mkdir()
    for file in sorted(captioned_folder.iterdir())[:12]:
        shutil.copy(file, folder)
    (folder / "000000.png").write_bytes(b"no image")
    return folder


def test_index_writes_a_corpus(small_folder, tmp_path, capsys):
    path = tmp_path / "corpus"
    assert main(["index", str(small_folder), "--output", str(path)]) == 0
    corpus = Corpus(path)
    assert len(corpus) == 6
    assert corpus.has_index
    assert not corpus.has_embeddings
    assert f"6 captions, without embeddings, in {path}" in capsys.readouterr().err


def test_index_with_a_model_embeds(small_folder, tmp_path, capsys):
    path = tmp_path / "corpus"
    main(["index", str(small_folder), "--output", str(path), "--model", "skclip-tiny"])
    assert Corpus(path).model_id.startswith("skclip-tiny")
    assert "1 images could not be read" in capsys.readouterr().err


def test_index_does_not_overwrite_unasked(small_folder, tmp_path, capsys):
    arguments = ["index", str(small_folder), "--output", str(tmp_path / "corpus"), "--quiet"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "already holds a corpus" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0


def test_index_appends(small_folder, tmp_path):
    arguments = ["index", str(small_folder), "--output", str(tmp_path / "corpus"), "--quiet"]
    main(arguments)
    assert main([*arguments, "--append"]) == 0
    assert len(Corpus(tmp_path / "corpus")) == 12


def test_embed_adds_embeddings(small_folder, tmp_path):
    path = tmp_path / "corpus"
    main(["index", str(small_folder), "--output", str(path), "--quiet"])
    assert main(["embed", str(path), "--model", "skclip-tiny", "--quiet"]) == 0
    assert Corpus(path).has_embeddings


def test_embed_without_a_model_takes_that_of_the_corpus(corpus_path, capsys):
    assert main(["embed", str(corpus_path), "--retry-failed", "--quiet"]) == 0
    assert main(["embed", str(corpus_path), "--quiet"]) == 0
    assert "ViT-B-32" not in capsys.readouterr().err


def test_embed_by_another_model_is_refused(corpus_path, monkeypatch, capsys):
    from skclip import CLIPEmbedder

    monkeypatch.setattr(CLIPEmbedder, "model_id", "other/model@123")
    assert main(["embed", str(corpus_path), "--model", "skclip-tiny"]) == 2
    message = capsys.readouterr().err
    assert "other/model@123" in message
    assert Corpus(corpus_path).model_id in message


def test_quiet_is_quiet(small_folder, tmp_path, capsys):
    main(["index", str(small_folder), "--output", str(tmp_path / "corpus"), "--quiet"])
    assert capsys.readouterr() == ("", "")


def test_info_describes_a_corpus(corpus_path, capsys):
    assert main(["info", str(corpus_path)]) == 0
    facts = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert facts["captions"] == "180"
    assert facts["caption index"] == "yes"
    assert facts["model"] == Corpus(corpus_path).model_id
    assert facts["unreadable images"] == "0"


def test_info_lists_failures(small_folder, tmp_path, capfdbinary):
    path = tmp_path / "corpus"
    main(["index", str(small_folder), "--output", str(path), "--model", "skclip-tiny", "--quiet"])
    main(["info", str(path), "--failures"])
    header, line = capfdbinary.readouterr().out.decode().splitlines()
    assert header == '"row","id","reason"'
    assert line.startswith('0,"000000.png",')


def test_info_verifies_the_files(small_folder, tmp_path, capsys):
    path = tmp_path / "corpus"
    main(["index", str(small_folder), "--output", str(path), "--quiet"])
    assert main(["info", str(path), "--verify"]) == 0
    assert "files: verified" in capsys.readouterr().out.splitlines()
    (file,) = path.glob("*.index.sqlite")
    file.write_bytes(file.read_bytes()[:-1])
    assert main(["info", str(path), "--verify"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert f"is damaged: '{file.name}'" in output.err


@pytest.mark.parametrize("option", ["--failures", "--verify"])
def test_options_about_a_corpus_need_one(option, capsys):
    assert main(["info", option]) == 2
    assert "give its path" in capsys.readouterr().err


def test_info_without_a_corpus_shows_versions(capsys):
    assert main(["info"]) == 0
    assert "scikit-learn: " in capsys.readouterr().out


def test_info_of_a_missing_corpus(tmp_path, capsys):
    assert main(["info", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.startswith("skclip: error: ")


def test_embed_tries_again_what_failed(small_folder, captioned_folder, tmp_path, capsys):
    path = tmp_path / "corpus"
    main(["index", str(small_folder), "--output", str(path), "--model", "skclip-tiny", "--quiet"])
    assert "skclip embed --retry-failed embeds them again" in capsys.readouterr().err
    shutil.copy(captioned_folder / "000000.png", small_folder)
    again = ["embed", str(path), "--retry-failed", "--model", "skclip-tiny", "--quiet"]
    assert main(again) == 0
    assert capsys.readouterr() == ("", "")
    assert Corpus(path).failures().num_rows == 0
    assert Corpus(path).embeddings().any(axis=1).all()


def test_the_precision_can_be_chosen(small_folder, tmp_path, monkeypatch):
    from skclip import CLIPEmbedder

    dtypes = []
    transform = CLIPEmbedder.transform
    monkeypatch.setattr(
        CLIPEmbedder, "transform", lambda self, X: dtypes.append(self.dtype) or transform(self, X)
    )
    arguments = ["--output", str(tmp_path / "corpus"), "--model", "skclip-tiny", "--quiet"]
    main(["index", str(small_folder), *arguments, "--dtype", "bfloat16"])
    assert set(dtypes) == {"bfloat16"}


@pytest.mark.parametrize("kind", ["index.sqlite", "captions.parquet"])
@pytest.mark.parametrize("content", [lambda data: b"x" * 5000, lambda data: data[: len(data) // 2]])
def test_info_of_a_damaged_corpus(small_folder, tmp_path, capsys, kind, content):
    path = tmp_path / "corpus"
    main(["index", str(small_folder), "--output", str(path), "--quiet"])
    (file,) = path.glob(f"*.{kind}")
    file.write_bytes(content(file.read_bytes()))
    assert main(["info", str(path)]) == 2
    assert kind in capsys.readouterr().err


def test_a_corpus_without_a_readable_image_is_exit_status_1(small_folder, tmp_path, capsys):
    for file in small_folder.glob("*.png"):
        file.write_bytes(b"no image")
    arguments = ["--output", str(tmp_path / "corpus"), "--model", "skclip-tiny", "--quiet"]
    assert main(["index", str(small_folder), *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("skclip: error: none of the 6 images could be read (the first: ")
    assert "--images-root" in line


def test_a_build_that_goes_on_says_so(small_folder, tmp_path, monkeypatch, capsys):
    arguments = ["index", str(small_folder), "--output", str(tmp_path / "corpus")]
    with monkeypatch.context() as patch:
        patch.setattr(Job, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main([*arguments, "--quiet"]) == 130
    capsys.readouterr()
    assert main(arguments) == 0
    assert f"resuming {tmp_path / 'corpus'} where it was interrupted" in capsys.readouterr().err


def test_index_into_a_file_is_refused(small_folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["index", str(small_folder), "--output", str(tmp_path / "file")]) == 2
    assert "is a file: give a folder to write" in capsys.readouterr().err


def test_what_a_manifest_says_is_escaped(small_folder, tmp_path, capsys):
    path = tmp_path / "corpus"
    main(["index", str(small_folder), "--output", str(path), "--model", "skclip-tiny", "--quiet"])
    manifest = path / "manifest.json"
    manifest.write_text(manifest.read_text().replace("skclip-tiny@", r"\u001b[2J@"))
    main(["info", str(path)])
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err
    assert r"\x1b[2J@" in output.out + output.err


def test_embedding_that_goes_on_says_so(small_folder, tmp_path, monkeypatch, capsys):
    path = str(tmp_path / "corpus")
    main(["index", str(small_folder), "--output", path, "--quiet"])
    with monkeypatch.context() as patch:
        patch.setattr(Job, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(["embed", path, "--model", "skclip-tiny", "--quiet"]) == 130
    capsys.readouterr()
    assert main(["embed", path, "--model", "skclip-tiny"]) == 0
    assert f"resuming {path} where it was interrupted" in capsys.readouterr().err


def test_embed_captions_by_the_model_of_the_images(corpus_path, tmp_path, capsys):
    path = shutil.copytree(corpus_path, tmp_path / "corpus")
    assert main(["embed", str(path), "--captions"]) == 0
    assert "180 captions embedded by skclip-tiny@" in capsys.readouterr().err
    assert Corpus(path).caption_embeddings().any(axis=1).all()
    assert main(["info", str(path), "--verify"]) == 0
    assert "embeddings of captions: yes\nmodel of captions: skclip-tiny@" in capsys.readouterr().out


def test_options_that_exclude_captions_are_refused(small_folder, tmp_path, capsys):
    Corpus.build(small_folder, tmp_path / "corpus")
    assert main(["embed", str(tmp_path / "corpus"), "--captions", "--retry-failed"]) == 2
    assert "--retry-failed is about images" in capsys.readouterr().err
    output = str(tmp_path / "X.npy")
    assert main(["embed", str(small_folder), "--captions", "--output", output]) == 2
    assert "--captions is about a corpus" in capsys.readouterr().err


@pytest.fixture
def table(tmp_path):
    rows = {
        "key": ["00", "01", "02", "03"],
        "caption": ["a cat", "a dog", "a fox", "a wolf"],
        "similarity": [0.2, 0.3, 0.4, 0.5],
        "is_safe": [True, True, False, True],
    }
    pq.write_table(pa.table(rows), tmp_path / "captions.parquet")
    return tmp_path / "captions.parquet"


@pytest.mark.parametrize(
    ("where", "captions"),
    [
        (["similarity", ">", "0.25"], ["a dog", "a fox", "a wolf"]),
        (["similarity", ">=", "-1"], ["a cat", "a dog", "a fox", "a wolf"]),
        (["similarity", "<", "0.5", "--where", "is_safe", "=", "true"], ["a cat", "a dog"]),
        (["caption", "in", "a cat, a fox"], ["a cat", "a fox"]),
        (["key", "=", '"01"'], ["a dog"]),
    ],
)
def test_rows_of_a_table_are_selected(table, tmp_path, where, captions):
    output = tmp_path / "corpus"
    assert main(["index", str(table), "--output", str(output), "--where", *where]) == 0
    assert Corpus(output).captions().tolist() == captions


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["similarity", "~", "1"], "'~' is no operator; expected =, =="),
        (["size", ">", "1"], "no column 'size' for --where; its columns are 'key'"),
        (["key", ">", "1"], "--where cannot be applied to"),
        (["similarity", ">", "1"], "If --where is given, it may leave none"),
    ],
)
def test_a_wrong_condition_is_one_line(table, tmp_path, capsys, where, message):
    given = ["index", str(table), "--output", str(tmp_path / "corpus"), "--where", *where]
    assert main(given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_conditions_are_kept_in_a_file_of_options(table, tmp_path, capsys):
    given = ["index", str(table), "--output", str(tmp_path / "corpus"), "--quiet"]
    given += ["--where", "similarity", "<", "0.5", "--where", "is_safe", "=", "true"]
    assert main([*given, "--dry-run"]) == 0
    (tmp_path / "job.toml").write_text(capsys.readouterr().out)
    assert main(["index", "--config", str(tmp_path / "job.toml")]) == 0
    assert Corpus(tmp_path / "corpus").captions().tolist() == ["a cat", "a dog"]


def test_rows_of_a_corpus_are_not_selected(table, tmp_path, capsys):
    assert main(["index", str(table), "--output", str(tmp_path / "corpus"), "--quiet"]) == 0
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    given = ["fit", "--corpus", str(tmp_path / "corpus"), "--classes", str(tmp_path / "names.txt")]
    given += ["--model", "skclip-tiny", "--output", str(tmp_path / "head.skclip")]
    assert main([*given, "--where", "similarity", ">", "0.3"]) == 2
    assert "--where selects rows of a table, but" in capsys.readouterr().err


def test_info_tells_what_is_left_of_an_interrupted_build(
    small_folder, tmp_path, capsys, monkeypatch
):
    path = tmp_path / "corpus"
    with monkeypatch.context() as patch:
        patch.setattr(Job, "commit", lambda job, manifest: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Corpus.build(small_folder, path)
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "unfinished: run the same command again" in out
    assert "captions written: 6 in 1 shards" in out
    assert "images left" not in out


def test_options_of_ray_need_ray(small_folder, tmp_path, capsys):
    output = ["--output", str(tmp_path / "corpus"), "--ray-address", "auto"]
    assert main(["index", str(small_folder), *output]) == 2
    assert "--ray-address and --ray-gpus are for --engine ray" in capsys.readouterr().err


def test_index_works_by_the_engine(small_folder, tmp_path, monkeypatch):
    """The engine is set while the corpus is built, with the options given."""
    from skclip import distributed
    from skclip.corpus import current_engine, using_engine

    seen = []

    class Engine:
        def map(self, function, tasks, embedder=None):
            seen.append(len(tasks))
            yield from ((i, function(task)) for i, task in enumerate(tasks))

    def chosen(engine, **options):
        seen.append((engine, options["address"], options["num_gpus"]))
        return using_engine(Engine())

    monkeypatch.setattr(distributed, "chosen_engine", chosen)
    words = ["--engine", "ray", "--ray-address", "here:1", "--ray-gpus", "0.5", "--quiet"]
    assert main(["index", str(small_folder), "--output", str(tmp_path / "corpus"), *words]) == 0
    assert seen == [("ray", "here:1", 0.5), 1]
    assert current_engine() is None
