from skclip.datasets._captioned_images import make_captioned_images
from skclip.datasets._shapes import CLASS_NAMES
from skclip.datasets._styles import STYLES

__all__ = ["CLASS_NAMES", "STYLES", "make_captioned_images"]
