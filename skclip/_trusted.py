"""Types of skclip that a saved estimator may hold, for ``skops.io.load``.

skops loads arrays, numbers and strings, and refuses every other type that is not trusted by name.
``skops.io.load(file, trusted=skclip.TRUSTED_TYPES)`` allows skclip's own classes and no others.
"""

__all__ = ["TRUSTED_TYPES"]

# Names, so that this module imports none of the classes.
TRUSTED_TYPES = [
    "skclip._text_head.TextHead",
    "skclip.distill._trainer.CLIPPINGTrainer",
    "skclip.embedding._embedder.CLIPEmbedder",
    "skclip.heads._adapters._constrained_probe.ConstrainedProbeClassifier",
    "skclip.heads._adapters._kernel_text.KernelTextClassifier",
    "skclip.heads._adapters._tip_adapter.TipAdapterClassifier",
    "skclip.heads._prompting._aggregated_prompts.AggregatedPromptClassifier",
    "skclip.heads._class_mean.NearestClassMean",
    "skclip.heads._parts._distinct_images.Images",
    "skclip.heads._discriminant._gaussian_discriminant.GaussianDiscriminantClassifier",
    "skclip.heads._imprinting._imprinter.MultiProxyImprinter",
    "skclip.heads._mixed.MixedHeadClassifier",
    "skclip.heads._multi_label.MultiLabelTextClassifier",
    "skclip.heads._parts._outside_head.FittedHead",
    "skclip.heads._parts._outside_head.OutsideHead",
    "skclip.heads._priming._primed.PrimedNCMClassifier",
    "skclip.heads._stacked.StackedHeadClassifier",
    "skclip.heads._zero_shot.ZeroShotClassifier",
    "skclip.recall._names._caption_match.CaptionMatch",
    "skclip.recall._filter.ZeroShotFilter",
    "skclip.recall._neighbor_retriever.NeighborRetriever",
    "skclip.recall._pool.PrimingPool",
    "skclip.recall._report.RecallReport",
    "skclip.recall._caption_retriever.CaptionRetriever",
    "skclip.selection._conformal.ConformalHead",
    "skclip.selection._open_set.OpenSetClassifier",
    "skclip.transduction._online.OnlineAdaptedClassifier",
    "skclip.transduction._prior_shift.PriorShiftAdapter",
    "skclip.transduction._stat_a_classifier.StatAClassifier",
]
