"""Names of classes: checked, written as in captions, with further names."""

from skclip._class_names._check import check_class_names, check_names
from skclip._class_names._further import of_each_name
from skclip._class_names._normalize import normalize_names

__all__ = ["check_class_names", "check_names", "normalize_names", "of_each_name"]
