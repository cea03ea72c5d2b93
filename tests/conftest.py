"""Fixtures that every test module may use."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real captions and embeddings; they are no part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data (../shared/data beside the checkout) is not here")
    return SHARED_DATA
