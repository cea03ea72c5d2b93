"""
Train a light CLIP with neighbour guidance
==========================================

A small model learns from captioned images. Two frozen encoders guide it, one for images and one for
texts: the loss moves each embedding closer to those of its nearest neighbours (CLIP-PING). This run
takes a few seconds; the user guide measures the effect of guidance.
"""

# %%
# Pairs and two teachers
# ----------------------
# Any transformer can be a teacher. Here the text teacher reduces TF-IDF counts of captions, and the
# image teacher is the image encoder of an existing model. In practice it would be a large one.

from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skclip import CLIPEmbedder, CLIPPINGTrainer
from skclip.datasets import make_captioned_images

names = ["anchor", "house", "key", "moon", "star", "tree", "umbrella", "bell"]
train = make_captioned_images(400, classes=names, caption_noise=0.05, random_state=0)
words = make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0)).fit(train.captions)
sights = CLIPEmbedder("skclip-tiny")

# %%
# With and without guidance
# -------------------------
# The student is any architecture of open_clip, given by name or, as here, by its configuration.
# Both students start with the same weights and use the same pairs in the same order. With both
# weights zero the teachers are not used, and the training is that of CLIP.

architecture = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32},
    "text_cfg": {"context_length": 24, "width": 32, "heads": 2, "layers": 1},
}
students = {}
for title, weight in {"plain CLIP": 0.0, "guided": 1.0}.items():
    trainer = CLIPPINGTrainer(
        architecture,
        sights,
        words,
        lambda_nn=weight,
        lambda_xnn=weight,
        batch_size=64,
        max_iter=100,
        learning_rate=5e-3,
        dtype="float32",
        log_every=10,
        random_state=0,
    )
    students[title] = trainer.fit(train.images, train.captions)

# %%
# The curves
# ----------
# With ``output=``, the log, the checkpoints and the features of the teachers are stored in a
# directory, and an interrupted run can be resumed.

import matplotlib.pyplot as plt

from skclip.display import TrainingCurvesDisplay

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for title, trainer in students.items():
    TrainingCurvesDisplay.from_estimator(trainer, name=title).plot(left, keys=["clip"])
TrainingCurvesDisplay.from_estimator(students["guided"]).plot(right)
left.set_title("contrastive loss of both")
right.set_title("loss terms of the guided student")
plt.show()

# %%
# Using the students
# ------------------
# ``embedder_`` embeds with the student; ``save`` writes a folder that open_clip and
# ``CLIPEmbedder`` can load.

from sklearn.base import clone

from skclip import ZeroShotClassifier

new = make_captioned_images(200, classes=names, random_state=1)
for title, trainer in students.items():
    texts = clone(trainer.embedder_).set_params(modality="text")
    zero_shot = ZeroShotClassifier(embedder=texts).fit(y=names)
    accuracy = zero_shot.score(trainer.embedder_.transform(new.images), new.target)
    print(f"{title}: zero-shot accuracy {accuracy:.3f}, chance {1 / len(names):.3f}")
