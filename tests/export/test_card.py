import re

import pytest

from skclip import PrimedNCMClassifier, ZeroShotClassifier
from skclip.export import load_head, model_card, push_to_hub, save_head
from skclip.recall import PrimingPool
from tests.export.conftest import TEXT, blobs


@pytest.fixture
def primed():
    X, y, _ = blobs()
    pool = PrimingPool(y[:30], X[:30])
    return PrimedNCMClassifier(TEXT, retriever=pool, filter="passthrough").fit(X, y)


def section(card: str, title: str) -> str:
    return re.search(rf"^## {title}\n\n(.*?)(?=\n## |\Z)", card, re.MULTILINE | re.DOTALL)[1]


def test_head_is_described_from_what_it_knows(primed, tmp_path):
    origin = {"corpus": {"name": "photos"}}
    path = save_head(primed, tmp_path / "h", embedder="some-model@0123456789ab", provenance=origin)
    card = model_card(load_head(path), title="Pets", licence="mit", licences={"shots": "CC0"})
    assert card.startswith(
        "---\nlibrary_name: skclip\npipeline_tag: image-classification\nlicense: mit"
    )
    assert "| model | some-model@0123456789ab |" in card
    assert section(card, "Classes").strip() == "ant, bee, cat, dog, eel."
    assert "| labelled images | 60 | 12 to 12 |" in section(card, "Data")
    assert "| recalled images | 30 | 6 to 6 |" in section(card, "Data")
    assert "| shots | CC0 |\n| photos | unknown |" in section(card, "Licences of the sources")


def test_what_nobody_says_is_not_made_up():
    card = model_card(ZeroShotClassifier(TEXT).fit())
    assert section(card, "Accuracy").strip() == "Not measured."
    for title in ("Data", "Licences of the sources", "Intended use"):
        assert section(card, title).strip() == "Not stated."
    assert "| model | unknown |" in card


def test_accuracy_is_a_table():
    accuracy = {"drawn | photos": "91.2 ± 0.4 %", "sketches": 0.5}
    card = model_card(ZeroShotClassifier(TEXT).fit(), accuracy=accuracy)
    assert "| drawn \\| photos | 91.2 ± 0.4 % |\n| sketches | 50.0 % |" in card


def test_names_cannot_become_html():
    text = {"<script>alert(1)</script>": [1.0, 0.0], "a\n# b": [0.0, 1.0]}
    card = model_card(ZeroShotClassifier(text).fit(), title="<b>")
    assert "<script" not in card
    assert "<b>" not in card
    assert "\n# b" not in card


def test_many_classes_are_not_all_listed():
    text = {f"c{i:03d}": [float(i), 1.0] for i in range(150)}
    assert "c099 and 50 more." in model_card(ZeroShotClassifier(text).fit())


def test_code_of_the_card_names_the_model(tiny_embedder, tmp_path):
    head = ZeroShotClassifier(embedder=tiny_embedder, classes=["ring", "star"]).fit()
    path = save_head(head, tmp_path / "head.skclip", embedder=tiny_embedder)
    assert "CLIPEmbedder('skclip-tiny')" in model_card(load_head(path))


class FakeApi:
    """Keeps what would be uploaded."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bool]] = []
        self.files: dict[str, bytes] = {}

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.made.append((repo_id, private))

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str):
        from pathlib import Path

        self.files = {file.name: file.read_bytes() for file in Path(folder_path).iterdir()}
        self.message = commit_message
        return type("Commit", (), {"commit_url": f"https://hub/{repo_id}/commit/1"})()


def test_head_and_card_are_uploaded(primed, tmp_path):
    api = FakeApi()
    url = push_to_hub(primed, "me/pets", card={"title": "Pets"}, private=True, api=api)
    assert url == "https://hub/me/pets/commit/1"
    assert api.made == [("me/pets", True)]
    assert sorted(api.files) == ["README.md", "head.skclip"]
    assert b"# Pets" in api.files["README.md"]
    (tmp_path / "back.skclip").write_bytes(api.files["head.skclip"])
    X = blobs()[0]
    back = load_head(tmp_path / "back.skclip")
    assert back.predict(X).tolist() == primed.predict(X).tolist()


def test_own_card_is_taken_as_it_is(primed):
    api = FakeApi()
    push_to_hub(primed, "me/pets", card="my card", file_name="pets.skclip", api=api)
    assert api.files["README.md"] == b"my card"
    assert "pets.skclip" in api.files


def test_nothing_is_made_for_a_head_that_cannot_be_stored():
    from sklearn.ensemble import RandomForestClassifier

    api, (X, y, _) = FakeApi(), blobs()
    with pytest.raises(ValueError, match="neither one matrix"):
        push_to_hub(RandomForestClassifier(3).fit(X, y), "me/forest", api=api)
    assert api.made == []
