"""What a saved estimator may hold of skclip, for readers that ask before they build anything.

skops writes arrays, numbers and strings as such, and names every other type it met. Nothing is
trusted by itself: ``skops.io.load(file, trusted=skclip.TRUSTED_TYPES)`` says that skclip's own
classes may be built, and no others.
"""

__all__ = ["TRUSTED_TYPES"]

# Written out, so that reading the list imports none of them.
TRUSTED_TYPES = [
    "skclip._text_head.TextHead",
    "skclip.distill._trainer.CLIPPINGTrainer",
    "skclip.embedding._embedder.CLIPEmbedder",
    "skclip.heads._prompting._aggregated_prompts.AggregatedPromptClassifier",
    "skclip.heads._class_mean.NearestClassMean",
    "skclip.heads._parts._distinct_images.Images",
    "skclip.heads._discriminant._gaussian_discriminant.GaussianDiscriminantClassifier",
    "skclip.heads._imprinting._imprinter.MultiProxyImprinter",
    "skclip.heads._mixed.MixedHeadClassifier",
    "skclip.heads._parts._outside_head.FittedHead",
    "skclip.heads._parts._outside_head.OutsideHead",
    "skclip.heads._priming._primed.PrimedNCMClassifier",
    "skclip.heads._stacked.StackedHeadClassifier",
    "skclip.heads._zero_shot.ZeroShotClassifier",
    "skclip.recall._filter.ZeroShotFilter",
    "skclip.recall._neighbor_retriever.NeighborRetriever",
    "skclip.recall._pool.PrimingPool",
    "skclip.recall._report.RecallReport",
    "skclip.recall._caption_retriever.CaptionRetriever",
]
