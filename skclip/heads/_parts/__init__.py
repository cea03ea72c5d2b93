"""Parts of mixed heads, with their left-out scores and mixing weights."""

from skclip.heads._parts._distinct_images import Images, as_images, copies
from skclip.heads._parts._filled_scores import fill_by_text, slope_on_text
from skclip.heads._parts._given_head import in_closed_form, part_of
from skclip.heads._parts._kept_images import add_images, take_away
from skclip.heads._parts._mixing_weights import DEVIATION, LeftOut, Prior, fit_mixing_weights
from skclip.heads._parts._outside_head import (
    FittedHead,
    OutsideHead,
    class_logits,
    filled_rows,
    fit_on,
    linear_rows,
    outside_scores,
    over_all_classes,
)
from skclip.heads._parts._own_similarity import own_similarity
from skclip.heads._parts._pool_images import (
    common_width,
    recall_pool,
    warn_of_disagreement,
)
from skclip.heads._parts._recalling_head import RecallingHeadMixin
from skclip.heads._parts._sampled_images import N_SAMPLED, may_sample, sample_rows, sample_sizes
from skclip.heads._parts._schedules import SCHEDULES, Alpha, mix, text_weight
from skclip.heads._parts._weighed import DISCRIMINANT, MEANS, RECALLED, TEXT, weigh
from skclip.heads._parts._weights_repr import WeightsReprMixin

__all__ = [
    "DEVIATION",
    "DISCRIMINANT",
    "MEANS",
    "N_SAMPLED",
    "RECALLED",
    "SCHEDULES",
    "TEXT",
    "Alpha",
    "FittedHead",
    "Images",
    "LeftOut",
    "OutsideHead",
    "Prior",
    "RecallingHeadMixin",
    "WeightsReprMixin",
    "add_images",
    "as_images",
    "class_logits",
    "common_width",
    "copies",
    "fill_by_text",
    "filled_rows",
    "fit_mixing_weights",
    "fit_on",
    "in_closed_form",
    "linear_rows",
    "may_sample",
    "mix",
    "outside_scores",
    "over_all_classes",
    "own_similarity",
    "part_of",
    "recall_pool",
    "sample_rows",
    "sample_sizes",
    "slope_on_text",
    "take_away",
    "text_weight",
    "warn_of_disagreement",
    "weigh",
]
