import tomllib

import pytest

from skclip.cli import main


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("ring\nstar\n")
    return path


@pytest.fixture
def job(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "job.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def options(capsys, *arguments: str) -> dict[str, object]:
    """Return what a dry run prints."""
    assert main([*arguments, "--dry-run"]) == 0
    return tomllib.loads(capsys.readouterr().out)


def test_dry_run_prints_the_options_and_writes_nothing(names, tmp_path, capsys):
    output = tmp_path / "head.skclip"
    given = ["--classes", str(names), "--output", str(output), "--model", "skclip-tiny"]
    printed = options(capsys, "fit", *given, "--templates", 'a "drawn" {}\\')
    assert printed["verb"] == "fit"
    assert printed["classes"] == str(names)
    assert printed["templates"] == 'a "drawn" {}\\'
    assert printed["head"] == "stacked"
    assert printed["k"] == 100
    assert "corpus" not in printed
    assert "dry-run" not in printed
    assert not output.exists()


def test_what_is_printed_is_the_same_run(names, tmp_path, job, capsys):
    given = ["--classes", str(names), "--output", str(tmp_path / "h"), "--model", "skclip-tiny"]
    given += ["--k", "7", "--plural", "--corpus", "--quiet"]
    given.remove("--corpus")
    assert main(["fit", *given, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert main(["fit", "--config", job(printed), "--dry-run"]) == 0
    assert capsys.readouterr().out == printed


def test_command_line_comes_before_the_file(names, tmp_path, job, capsys):
    path = job(f"classes = '{names}'\noutput = '{tmp_path}/h'\nk = 7\nmodel = 'skclip-tiny'\n")
    assert options(capsys, "fit", "--config", path)["k"] == 7
    assert options(capsys, "fit", f"--config={path}", "--k", "9")["k"] == 9
    assert options(capsys, "fit", "--k", "9", "--config", path)["k"] == 9


def test_file_gives_what_has_no_name_too(tmp_path, job, capsys, captioned_folder):
    head = tmp_path / "head.skclip"
    (tmp_path / "names.txt").write_text("ring\nstar\n")
    given = ["--classes", str(tmp_path / "names.txt"), "--output", str(head)]
    assert main(["fit", *given, "--model", "skclip-tiny", "--quiet"]) == 0
    image = str(captioned_folder / "000000.png")
    path = job(f"head = '{head}'\nimages = ['{image}']\n")
    assert options(capsys, "predict", "--config", path)["images"] == [image]
    other = str(captioned_folder / "000001.png")
    printed = options(capsys, "predict", str(head), other, "--config", path)
    assert printed["images"] == [other]


def test_values_may_begin_with_a_dash(job, tmp_path, capsys):
    (tmp_path / "captions.txt").write_text("a cat\n")
    path = job(f"source = '{tmp_path}/captions.txt'\noutput = '{tmp_path}/c'\njobs = -1\n")
    assert options(capsys, "index", "--config", path)["jobs"] == -1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("k = ", "is no TOML"),
        ("verb = 'predict'\n", "is for `skclip predict`, not `skclip fit`"),
        ("[fit]\nk = 1\n", "values that no option takes: 'fit'"),
        ("k = nan\n", "values that no option takes: 'k'"),
        ("k = [1]\n", "values that no option takes: 'k'"),
        ("k = ['1']\n", "k must be one value"),
        ("corpsu = 'x'\n", "unrecognized arguments: --corpsu=x"),
        ("k = 'many'\n", "invalid int value: 'many'"),
        ("head = 'best'\n", "invalid choice: 'best'"),
        ("plural = 'yes'\n", "ignored explicit argument 'yes'"),
    ],
)
def test_wrong_files_are_told_of_in_one_line(text, says, job, names, tmp_path, capsys):
    arguments = [
        "fit",
        "--config",
        job(text),
        "--classes",
        str(names),
        "--output",
        str(tmp_path / "h"),
    ]
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr().err
    assert status == 2
    assert says in said
    assert len(said.splitlines()) == 1


def test_missing_file_is_named(capsys):
    assert main(["fit", "--config", "none.toml"]) == 2
    assert "--config 'none.toml' is no file" in capsys.readouterr().err


def test_positional_of_the_wrong_kind_is_told(job, capsys):
    assert main(["predict", "--config", job("images = 'a.png'\nhead = 'h'\n")]) == 2
    assert "images must be a list of texts" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["index", "recall", "train", "embed", "prime", "evaluate"])
def test_verbs_with_work_know_both_options(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    said = capsys.readouterr().out
    assert "--config" in said
    assert "--dry-run" in said
