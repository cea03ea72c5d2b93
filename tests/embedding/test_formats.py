"""One list of formats: rasters decoded here, others when a plug-in brings them, programs never."""

import sys
from io import BytesIO
from types import ModuleType

import pytest
from PIL import Image

from skclip.embedding import IMAGE_SUFFIXES, _formats
from skclip.embedding._decode import decode_image
from skclip.embedding._formats import PLUG_INS, RASTER, readable_formats


def test_programs_are_not_on_the_list():
    assert not {"EPS", "PDF", "WMF", "MPEG", "GRIB", "HDF5", "IPTC"} & set(readable_formats())
    assert not {".eps", ".ps", ".pdf", ".wmf", ".emf", ".svg"} & IMAGE_SUFFIXES


def test_endings_of_photographs_are_known():
    assert {".jfif", ".jpe", ".jxl", ".heic", ".heif", ".avif", ".webp", ".png"} <= IMAGE_SUFFIXES


@pytest.mark.parametrize(
    "kind", sorted(RASTER.keys() & {"PNG", "JPEG", "TIFF", "WEBP", "TGA", "PCX"})
)
def test_what_pillow_writes_is_read(kind):
    buffer = BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)
    assert decode_image(buffer.getvalue()).size == (8, 8)


def test_every_ending_belongs_to_one_format():
    endings = [e for group in RASTER.values() for e in group]
    endings += [e for group, *_ in PLUG_INS.values() for e in group]
    assert len(endings) == len(set(endings)) == len(IMAGE_SUFFIXES)


def test_installed_plug_ins_are_imported(monkeypatch):
    class Plugin(ModuleType):
        """Registers itself as Pillow's plug-ins do."""

    parent = Plugin("pillow_heif")
    parent.__path__ = []
    monkeypatch.setitem(sys.modules, "pillow_heif", parent)
    monkeypatch.setitem(sys.modules, "pillow_heif.HeifImagePlugin", Plugin("HeifImagePlugin"))
    monkeypatch.setitem(Image.OPEN, "HEIF", (None, None))
    _formats._import_plug_ins.cache_clear()
    assert "HEIF" in readable_formats()
