"""Rows in the format that the ending names, and files that are checked before the work."""

import csv
import io
import json
import os
import sys

import pytest
from pyarrow import parquet

from skclip._files import unguard_cell
from skclip.cli._output import choose_format, open_rows

ROWS = [["a\rb.jpg", "=1+1", 0.5], ['a "b",\nc', "-é猫", None], ["caf\udce9.png", "'@x", 0.25]]
COLUMNS = ["image", "label", "probability"]


def write(path, kind=None, rows=ROWS, **options) -> str:
    with open_rows(str(path), choose_format(str(path), kind), COLUMNS, **options) as add:
        for row in rows:
            add(row)
    return str(path)


@pytest.mark.parametrize("quote", [False, True])
@pytest.mark.parametrize(("name", "delimiter"), [("p.csv", ","), ("p.TSV", "\t"), ("p", ",")])
def test_delimited_rows_come_back(tmp_path, name, delimiter, quote):
    with open(write(tmp_path / name, quote=quote), newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    assert header == COLUMNS
    assert [[unguard_cell(cell) for cell in row] for row in rows] == [
        ["a\rb.jpg", "=1+1", "0.5"],
        ['a "b",\nc', "-é猫", ""],
        [r"caf\udce9.png", "'@x", "0.25"],
    ]
    assert not any(cell[:1] in ("=", "+", "-", "@") for row in rows for cell in row if cell)


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []])
def test_json_is_one_array(tmp_path, rows):
    with open(write(tmp_path / "p.json", rows=rows), encoding="utf-8") as file:
        assert [list(row.values()) for row in json.load(file)] == rows


@pytest.mark.parametrize("name", ["p.jsonl", "p.ndjson"])
def test_json_lines_are_one_object_a_row(tmp_path, name):
    lines = (tmp_path / name).read_text("utf-8").splitlines() if write(tmp_path / name) else []
    assert [list(json.loads(line).values()) for line in lines] == ROWS


@pytest.mark.parametrize("rows", [ROWS, []])
def test_parquet_has_a_type_for_every_column(tmp_path, rows):
    table = parquet.read_table(write(tmp_path / "p.parquet", rows=rows))
    assert table.column_names == COLUMNS
    assert table.num_rows == len(rows)
    if rows:
        assert table.column("probability").to_pylist() == [0.5, None, 0.25]
        assert table.column("image")[2].as_py() == r"caf\udce9.png"


@pytest.mark.parametrize("name", ["p.txt", "p.csv.gz", "p.xlsx"])
def test_an_ending_that_names_no_format_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"is not a known format: use one of \.csv, \.tsv"):
        choose_format(str(tmp_path / name))
    assert choose_format(str(tmp_path / name), "jsonl") == "jsonl"


def test_format_and_ending_must_agree(tmp_path):
    with pytest.raises(ValueError, match=r"does not have the suffix of --format csv"):
        choose_format(str(tmp_path / "p.parquet"), "csv")


def test_places_where_nothing_can_be_written(tmp_path):
    with pytest.raises(ValueError, match="is a folder: name a file in it"):
        choose_format(str(tmp_path))
    with pytest.raises(ValueError, match="in a folder that does not exist"):
        choose_format(str(tmp_path / "none" / "p.csv"))


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="the system has no /dev/null")
def test_devices_are_written_to_and_not_replaced():
    write("/dev/null")
    assert not os.path.isfile("/dev/null")


def test_a_terminal_gets_no_control_characters(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for kind in ("csv", "json"):
        write("-", kind, [["\x1b[31mred\x9b.png", "cat", 0.5]])
    assert "\x1b" not in terminal.getvalue()
    assert "\x9b" not in terminal.getvalue()
    with pytest.raises(ValueError, match="Parquet is not text"):
        choose_format("-", "parquet")
