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
        monkeypatch.setattr("skclip.cli._info.run", lambda args: action())

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


@pytest.mark.parametrize("kind", [ValueError, OSError, ImportError])
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
        "import sys; from skclip import cli; from skclip.cli import _info\n"
        "_info.run = lambda args: [print('line') for _ in range(10**6)]\n"
        "sys.exit(cli.main(['info']))"
    )
    command = f'{sys.executable} -c "{talker}" | head -n 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("line\n", "")
