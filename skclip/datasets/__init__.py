"""Labelled images in folders and files, and synthetic captioned images."""

from skclip.datasets._captioned_images import make_captioned_images
from skclip.datasets._folder import write_captioned_folder
from skclip.datasets._image_folder import load_image_folder
from skclip.datasets._labelled_images import (
    LABEL_COLUMNS as LABEL_COLUMNS,
    load_labelled_images,
)
from skclip.datasets._shapes import CLASS_NAMES
from skclip.datasets._styles import STYLE_NAMES

__all__ = [
    "CLASS_NAMES",
    "STYLE_NAMES",
    "load_image_folder",
    "load_labelled_images",
    "make_captioned_images",
    "write_captioned_folder",
]
