"""What classes are called, and when a caption says so."""

from skclip.recall._names._caption_match import CaptionMatch, as_caption_match

__all__ = ["CaptionMatch", "as_caption_match"]
