import pytest

from skclip.cli._common import is_corpus, read_classes
from skclip.cli._output import output_file


def classes_of(text: str, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text(text, encoding="utf-8")
    return read_classes(path)


def test_one_class_a_line(tmp_path):
    assert classes_of("cat\n\n  dog \n", tmp_path) == (["cat", "dog"], {})


def test_names_after_the_first_are_synonyms(tmp_path):
    names, synonyms = classes_of("airplane, plane, jet\nship\n", tmp_path)
    assert names == ["airplane", "ship"]
    assert synonyms == {"airplane": ["plane", "jet"]}


def test_name_with_a_comma_stands_in_quotes(tmp_path):
    assert classes_of('"washer, front-loading", machine\n', tmp_path) == (
        ["washer, front-loading"],
        {"washer, front-loading": ["machine"]},
    )


@pytest.mark.parametrize("name", ["Episode IV: A New Hope", "colt's foot", '12" ruler', "a-b*c"])
def test_other_punctuation_has_no_meaning(name, tmp_path):
    assert classes_of(f"{name}\n", tmp_path) == ([name], {})


def test_quote_left_open_spoils_no_other_line(tmp_path):
    assert classes_of('"cat\ndog\n', tmp_path)[0] == ["cat", "dog"]


def test_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("café\r\nfox\r\n".encode("utf-8-sig"))
    assert read_classes(path)[0] == ["café", "fox"]


def test_empty_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no class names"):
        classes_of("\n \n", tmp_path)


def test_line_without_a_name_is_refused_by_number(tmp_path):
    with pytest.raises(ValueError, match="line 2, has no class name before the comma: ', jet'"):
        classes_of("ship\n, jet\n", tmp_path)


def test_corpus_is_told_from_a_folder(corpus_path, captioned_folder):
    assert is_corpus(corpus_path)
    assert not is_corpus(captioned_folder)


def test_interrupted_corpus_is_a_corpus(tmp_path):
    (tmp_path / "unfinished.json").write_text("{}")
    assert is_corpus(tmp_path)


def test_output_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "out.csv"
    with output_file(str(path)) as file:
        file.write("a\r\n")
        assert not path.exists()
    assert path.read_bytes() == b"a\r\n"


def test_output_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(TypeError), output_file(str(path)) as file:
        file.write(b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_of_two_classes_is_refused_by_line(tmp_path):
    with pytest.raises(ValueError, match=r"'crane \(lines 1, 3\)'.* different names"):
        classes_of("crane\ncat\ncrane, machine\n", tmp_path)
