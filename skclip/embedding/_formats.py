"""The list of image formats that are opened: only those decoded within this process.

Pillow passes PostScript to Ghostscript, and opens stubs of formats that other programs read. It
ignores file names, so every image is opened with this list.
"""

from functools import cache
from importlib import import_module

__all__ = ["IMAGE_SUFFIXES", "PROGRAM_FORMATS", "readable_formats", "unreadable_because"]

# Pillow's name of each format, and the endings of its files.
RASTER = {
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "DDS": (".dds",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "ICO": (".ico",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "MPO": (".mpo",),
    "PCX": (".pcx",),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "PSD": (".psd",),
    "QOI": (".qoi",),
    "SGI": (".sgi",),
    "TGA": (".tga",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
# Formats of plug-ins: the module that registers them when imported, and our extra.
PLUG_INS = {
    "HEIF": ((".heic", ".heif", ".hif"), "pillow_heif.HeifImagePlugin", "heif"),
    "JXL": ((".jxl",), "pillow_jxl", "jxl"),
}

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    suffix
    for suffixes in (*RASTER.values(), *(suffixes for suffixes, *_ in PLUG_INS.values()))
    for suffix in suffixes
)

# Formats that Pillow opens with other programs or the system: never loaded, even if already opened.
PROGRAM_FORMATS = ("EPS", "WMF")

# First bytes of known formats that are not opened.
_PROGRAMS = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "PDF",
    b"\xd7\xcd\xc6\x9a": "a Windows metafile",
    b"<svg": "SVG",
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")


def readable_formats() -> list[str]:
    """Return Pillow's names of the formats that are opened and available here."""
    from PIL import Image

    _import_plug_ins()
    return [name for name in (*RASTER, *PLUG_INS) if name in Image.OPEN]


@cache
def _import_plug_ins() -> None:
    from PIL import Image

    Image.init()
    for _, module, _ in PLUG_INS.values():
        try:
            import_module(module)
        except ImportError:
            continue


def unreadable_because(content: bytes) -> str:
    """Return why a content matches no format of the list, and what helps if anything does.

    Examples
    --------
    >>> from skclip.embedding._formats import unreadable_because
    >>> unreadable_because(b"%PDF-1.7")
    'it is PDF, which is never opened: save it as pixels, for instance as PNG'
    """
    for beginning, name in _PROGRAMS.items():
        if content.startswith(beginning):
            return f"it is {name}, which is never opened: save it as pixels, for instance as PNG"
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        return f"it is HEIF: pip install 'skclip[{PLUG_INS['HEIF'][2]}]'"
    if content.startswith(_JXL):
        return f"it is JPEG XL: pip install 'skclip[{PLUG_INS['JXL'][2]}]'"
    return "not an image in a format Pillow reads"
