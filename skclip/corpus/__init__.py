"""A captioned collection on disk."""
