"""The captions that name each class, and at most k of them without repetition."""

from skclip.recall._matches._by_engine import Candidates, find_candidates
from skclip.recall._matches._find import find_matches
from skclip.recall._matches._select import Choice, Chooser, Excluded, random_order

__all__ = [
    "Candidates",
    "Choice",
    "Chooser",
    "Excluded",
    "find_candidates",
    "find_matches",
    "random_order",
]
