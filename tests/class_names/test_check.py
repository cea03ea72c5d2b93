"""What class names must be."""

import unicodedata

import numpy as np
import pytest

from skclip._class_names import check_class_names


@pytest.mark.parametrize("wrong", [None, np.nan, ("cat", "puss"), ["cat"], b"cat", {}])
def test_what_is_no_class_name(wrong):
    with pytest.raises(ValueError, match=r"holds invalid class names: .* \(position 1\)"):
        check_class_names(["dog", wrong])


def test_missing_names_of_pandas():
    pd = pytest.importorskip("pandas")
    for missing in pd.NA, pd.NaT:
        with pytest.raises(ValueError, match="holds invalid class names"):
            check_class_names(["dog", missing])


def test_the_header_of_a_frame_is_no_class_name():
    pd = pytest.importorskip("pandas")
    assert check_class_names(pd.DataFrame({"name": ["b", "a"]})) == ["b", "a"]
    with pytest.raises(ValueError, match=r"a table of shape \(2, 2\): give one column of it"):
        check_class_names(pd.DataFrame({"name": ["b", "a"], "id": [1, 2]}))
    with pytest.raises(ValueError, match=r"a table of shape \(1, 2\)"):
        check_class_names(np.array([["a", "b"]]))


@pytest.mark.parametrize("other", ["cafe\u0301", "\u1112\u1161\u11ab"])
def test_names_that_differ_in_unicode_form_are_the_same(other):
    names = [unicodedata.normalize("NFC", other), "dog", other]
    with pytest.raises(ValueError, match=r"names holds .* twice, as .*\\u.*normalize\('NFC'"):
        check_class_names(names)
    assert check_class_names(names[:2]) == names[:2]
