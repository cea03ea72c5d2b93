"""What a terminal gets to see."""

import io
import sys

import pytest

from skclip.cli._terminal import escaped, results_in_utf8, say, standard_output, tell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a \x1b]0;title\x07 cat", r"a \x1b]0;title\x07 cat"),
        ("one\rtwo\tthree\x7f\x9b", r"one\rtwo\tthree\x7f\x9b"),
        ("gpj.\u202egnp", r"gpj.\u202egnp"),
        ("caf\udce9", r"caf\udce9"),
        ("猫 🐈\u200d⬛ café\nsecond line", "猫 🐈\u200d⬛ café\nsecond line"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert escaped(text) == shown


def test_messages_are_escaped(capsys):
    say("read \x1b[2Ja.png")
    tell("model: \x1b[2J")
    output = capsys.readouterr()
    assert output.err == "skclip: read \\x1b[2Ja.png\n"
    assert output.out == "model: \\x1b[2J\n"


def test_without_standard_error_nothing_goes_to_the_results(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    say("a word")
    assert capsys.readouterr().out == ""


def test_without_standard_output_there_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OSError, match="standard output is closed"):
        standard_output()


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "expected"), [(io.TextIOWrapper, "é 猫"), (Terminal, "é \\u732b")]
)
def test_pipes_get_utf8_and_terminals_their_own_encoding(monkeypatch, kind, expected):
    file = kind(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", file)
    with results_in_utf8():
        print("é 猫", end="")
    assert (file.encoding, file.errors) == ("latin-1", "strict")
    encoding = "latin-1" if kind is Terminal else "utf-8"
    assert file.buffer.getvalue().decode(encoding) == expected
