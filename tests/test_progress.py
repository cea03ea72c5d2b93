import io
import sys

import pytest
from tqdm.auto import tqdm

from skclip._progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_shown_bar_is_tqdms(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar(shown=True, total=3, desc="rows") as bar:
        bar.update(2)
        assert isinstance(bar, tqdm)
        assert (bar.n, bar.total) == (2, 3)
    assert "rows" in sys.stderr.getvalue()


@pytest.mark.parametrize(
    ("shown", "stream"), [(False, Terminal()), (True, io.StringIO()), (True, None)]
)
def test_a_hidden_bar_takes_no_lock_and_prints_nothing(shown, stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    with tqdm.get_lock(), progress_bar(shown=shown, total=3) as bar:
        bar.set_description("rows")
        bar.update(2)
        bar.set_postfix({"loss": 1.0})
        bar.close()
    assert not isinstance(bar, tqdm)
    assert stream is None or stream.getvalue() == ""
