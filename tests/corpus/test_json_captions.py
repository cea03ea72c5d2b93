"""JSON files of captions, as COCO and Flickr are published."""

import json

import pytest

from skclip.corpus import Corpus
from skclip.exceptions import CorpusError

COCO = {
    "info": {},
    "images": [
        {"id": 9, "file_name": "red.png", "coco_url": "https://example.org/9.jpg", "height": 8},
        {"id": 7, "file_name": "green.png", "coco_url": "https://example.org/7.jpg", "height": 4},
        {"id": 8, "file_name": "white.png", "coco_url": "https://example.org/8.jpg", "height": 8},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "a green square"},
        {"id": 2, "image_id": 9, "caption": "a red square"},
        {"id": 3, "image_id": 7, "caption": "all green"},
    ],
}
KARPATHY = {
    "dataset": "flickr30k",
    "images": [
        {
            "imgid": 0,
            "filename": "red.png",
            "split": "train",
            "sentences": [{"raw": "red", "tokens": ["red"]}, {"raw": "a red square"}],
        },
        {"imgid": 1, "filename": "green.png", "split": "test", "sentences": [{"raw": "green"}]},
    ],
}
LIST = [
    {"image": "red.png", "caption": "a red square", "image_id": "r"},
    {"image": "green.png", "caption": ["green", "all green"], "image_id": 7},
]


@pytest.fixture
def build(tmp_path, photos):
    def of(content, **options):
        path = photos / "captions.json"
        path.write_text(json.dumps(content))
        return Corpus.build(path, tmp_path / "corpus", overwrite=True, **options)

    return of


def test_captions_of_coco(build, photos):
    corpus = build(COCO)
    assert corpus.captions().tolist() == ["a red square", "a green square", "all green"]
    assert corpus.ids().tolist() == ["9", "7", "7"]
    # images are found by their bare names
    images = [str(photos / "red.png"), *[str(photos / "more" / "green.png")] * 2]
    assert corpus.images().tolist() == images


def test_images_of_coco_by_address(build):
    corpus = build(COCO, image_column="coco_url", filters=[("height", "=", 8)])
    assert corpus.images().tolist() == ["https://example.org/9.jpg"]


def test_splits_of_flickr(build, photos):
    assert build(KARPATHY).captions().tolist() == ["red", "a red square", "green"]
    corpus = build(KARPATHY, filters=[("split", "=", "test")])
    assert corpus.captions().tolist() == ["green"]
    assert corpus.images().tolist() == [str(photos / "more" / "green.png")]
    assert corpus.ids().tolist() == ["1"]


def test_a_list_of_objects_is_a_table(build):
    corpus = build(LIST)
    assert corpus.captions().tolist() == ["a red square", "green", "all green"]
    assert corpus.ids().tolist() == ["r", "7", "7"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": COCO["images"], "annotations": [{"image_id": 7, "bbox": []}]}, "not a JSON f"),
        ({"images": [{"filename": "x"}]}, "not a JSON file of captions"),
        ({"a": 1}, "expected COCO's `images` and `annotations`"),
        ([1, 2], "not a JSON file of captions"),
        ([], "not a JSON file of captions"),
        ([{"image": "red.png"}], "has no caption column"),
        ({**COCO, "annotations": [{"image_id": 1, "caption": "of no image"}]}, "has no captions"),
    ],
    ids=range(7),
)
def test_other_json_is_refused(build, content, message):
    with pytest.raises(CorpusError, match=message):
        build(content)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\udcff"])
def test_broken_json_names_the_file(tmp_path, text):
    path = tmp_path / "captions.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CorpusError, match=r"captions\.json' is not JSON"):
        Corpus.build(path, tmp_path / "corpus")
