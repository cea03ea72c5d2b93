import os
import re
import shlex
import sqlite3
import subprocess
import sys
import warnings

import pytest

import skclip
from skclip.cli import main
from skclip.exceptions import NoMatchWarning


@pytest.fixture
def stub(monkeypatch):
    """Let the verb `info` do something else."""

    def install(action):
        monkeypatch.setattr("skclip.cli._verbs._info.run", lambda args: action())

    return install


def fail(error: BaseException):
    def action():
        raise error

    return action


def test_python_m_skclip_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "skclip", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == skclip.__version__


def test_verbs_without_a_model_import_no_library_of_models(tmp_path):
    (tmp_path / "captions.txt").write_text("a cat\n")
    code = (
        "import sys\n"
        "from contextlib import suppress\n"
        "from skclip.cli import main\n"
        "with suppress(SystemExit): main(['--version'])\n"
        "main(['index', 'captions.txt', '--output', 'corpus', '--quiet'])\n"
        "main(['recall', 'cat', '--corpus', 'corpus', '--output', 'cats.csv'])\n"
        "print({'torch', 'torchvision', 'open_clip'} & {*sys.modules})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.stdout.splitlines() == [skclip.__version__, "set()"]
    assert "cat" in (tmp_path / "cats.csv").read_text()


@pytest.mark.parametrize("verb", ["demo", "prime", "index", "embed", "recall", "info", "cache"])
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"usage: skclip {verb}" in capsys.readouterr().out


def test_no_verb_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "VERB" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [ValueError, OSError, ImportError, MemoryError, sqlite3.Error])
def test_errors_are_one_line_and_status_2(kind, stub, capsys):
    stub(fail(kind("first\n  second")))
    assert main(["info"]) == 2
    assert capsys.readouterr().err == "skclip: error: first second\n"


def test_error_without_a_message_has_its_name(stub, capsys):
    stub(fail(ValueError()))
    main(["info"])
    assert capsys.readouterr().err == "skclip: error: ValueError\n"


def test_what_is_our_mistake_keeps_its_traceback(stub):
    stub(fail(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["info"])


def test_interrupt_is_one_line_and_status_130(stub, capsys):
    stub(fail(KeyboardInterrupt()))
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "skclip: interrupted\n"


def test_our_warnings_are_one_line_every_time(stub, capsys):
    def warn_twice():
        for _ in range(2):
            warnings.warn("no caption\nnames 'emu'", NoMatchWarning, stacklevel=1)
        return 0

    stub(warn_twice)
    assert main(["info"]) == 0
    assert capsys.readouterr().err == "skclip: warning: no caption names 'emu'\n" * 2


def test_warnings_of_others_look_as_ever(stub, capsys):
    def warn():
        warnings.simplefilter("always", FutureWarning)
        warnings.warn("soon", FutureWarning, stacklevel=1)
        return 0

    stub(warn)
    main(["info"])
    assert "FutureWarning: soon" in capsys.readouterr().err


def test_reader_that_leaves_is_no_error():
    talker = (
        "import sys; from skclip import cli; from skclip.cli._verbs import _info\n"
        "_info.run = lambda args: [print('line') for _ in range(10**6)]\n"
        "sys.exit(cli.main(['info']))"
    )
    command = f'{sys.executable} -c "{talker}" | head -n 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("line\n", "")


def command(code: str, **options):
    """Run the command with the verb `info` doing something else, in a process of its own."""
    talker = (
        "import sys; from skclip import cli; from skclip.cli._verbs import _info\n"
        f"_info.run = lambda args: {code}\n"
        "sys.exit(cli.main(['info']))"
    )
    return subprocess.run([sys.executable, "-c", talker], stderr=subprocess.PIPE, **options)


PRINTING = ["info", "demo", "recall cat --corpus none"]

# one process that forks: Python and scikit-learn start once
CLOSED = """
import os, sys, warnings
from skclip.cli import _main, main
warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
for verb in sys.argv[1:]:
    if not (child := os.fork()):
        os._exit(main(verb.split()))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"status {status}", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def said_without_output():
    """What verbs say where standard output is closed, and their status."""
    line = shlex.join([sys.executable, "-c", CLOSED, *PRINTING]) + " >&-"
    done = subprocess.run(line, shell=True, stderr=subprocess.PIPE, text=True, check=True)
    return dict(zip(PRINTING, re.findall(r"(.*?)status (\d+)\n", done.stderr, re.S), strict=True))


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("verb", PRINTING)
def test_closed_standard_output_is_one_line(verb, said_without_output):
    assert said_without_output[verb] == ("skclip: error: standard output is closed.\n", "2")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = command("[print('line') for _ in range(9)] and 0", stdout=full, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("skclip: error: [Errno 28]")


def test_standard_output_is_utf8_in_any_locale():
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = command("print('\u732b caf\\udce9') or 0", stdout=subprocess.PIPE, env=environment)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [b"\xe7\x8c\xab caf\\udce9"]


def test_interrupt_while_importing_is_one_line():
    code = (
        "import sys, builtins\n"
        "from skclip.cli import main\n"
        "original = builtins.__import__\n"
        "def interrupted(name, *more):\n"
        "    if name == 'sklearn.base': raise KeyboardInterrupt\n"
        "    return original(name, *more)\n"
        "builtins.__import__ = interrupted\n"
        "sys.exit(main(['info']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "skclip: interrupted\n")


@pytest.mark.parametrize("argument", ["--nonsense", "--k=many"])
def test_wrong_options_are_one_line(argument, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["recall", "cat", "--corpus", "x", argument])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("skclip: error: ")
    assert argument.partition("=")[0] in line


def test_errors_speak_of_options(tmp_path, capsys):
    (tmp_path / "captions.txt").write_text("a cat\n")
    arguments = ["index", str(tmp_path / "captions.txt"), "--output", str(tmp_path / "corpus")]
    main([*arguments, "--quiet"])
    assert main([*arguments, "--quiet"]) == 2
    message = capsys.readouterr().err
    assert "give --overwrite to replace it, or add to it with --append" in message
    assert main([*arguments, "--append", "--model", "skclip-tinny"]) == 2
    assert "--model 'skclip-tinny' is not a model of open_clip" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--device", "gpu"], "--device 'gpu' cannot be used on this machine"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0."),
        (["--jobs", "0"], "--jobs must be a number of workers"),
        (["--cache", __file__], "is a file: give a folder"),
        (["--images-root", "/none"], "--images-root '/none' is not a folder"),
    ],
)
def test_options_are_checked_before_the_work(option, said, tmp_path, capsys):
    (tmp_path / "captions.txt").write_text("a cat\n")
    inputs = [str(tmp_path / "captions.txt"), "--output", str(tmp_path / "corpus")]
    assert main(["index", *inputs, "--model", "skclip-tiny", *option]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "corpus").exists()


def test_a_folder_below_a_file_is_refused(tmp_path, capsys):
    captions = tmp_path / "captions.txt"
    captions.write_text("a cat\n")
    assert main(["index", str(captions), "--output", str(captions / "corpus")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "captions.txt', which is a file: give a folder to write." in line
