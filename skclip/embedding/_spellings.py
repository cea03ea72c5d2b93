"""Other libraries' names of the models of open_clip."""

import re

__all__ = ["spelled_elsewhere"]

# Hugging Face repositories with files that open_clip cannot read: name, and tag if any.
_REPOSITORIES = {
    "openai/clip-vit-base-patch32": ("ViT-B-32", "openai"),
    "openai/clip-vit-base-patch16": ("ViT-B-16", "openai"),
    "openai/clip-vit-large-patch14": ("ViT-L-14", "openai"),
    "openai/clip-vit-large-patch14-336": ("ViT-L-14-336", "openai"),
    "google/siglip-base-patch16-224": ("ViT-B-16-SigLIP", "webli"),
    "google/siglip-base-patch16-256": ("ViT-B-16-SigLIP-256", "webli"),
    "google/siglip-base-patch16-384": ("ViT-B-16-SigLIP-384", "webli"),
    "google/siglip-base-patch16-512": ("ViT-B-16-SigLIP-512", "webli"),
    "google/siglip-large-patch16-256": ("ViT-L-16-SigLIP-256", "webli"),
    "google/siglip-large-patch16-384": ("ViT-L-16-SigLIP-384", "webli"),
    "google/siglip-so400m-patch14-384": ("ViT-SO400M-14-SigLIP-384", "webli"),
}
_BARE = {name.partition("/")[2]: model for name, model in _REPOSITORIES.items()}
# OpenAI's package: ViT-B/32, ViT-L/14@336px, RN50x4; sentence-transformers: clip-ViT-B-32
_OPENAI = re.compile(r"(?:openai:)?(?:clip-)?(ViT-[BL])[/-](16|32|14)(?:@(336)px)?", re.IGNORECASE)
_OWN_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_WITH_TAG = re.compile(r"(?:open_clip:)?([^/:\s]+)(?:/|::?)([^/:\s]+)")


def spelled_elsewhere(model_name: str, known: list[str]) -> str | None:
    """Return the parameters of a model whose name another library spells differently.

    Parameters
    ----------
    model_name : str
        As given by the user.

    known : list of str
        Names of open_clip.

    Returns
    -------
    spelling : str or None
        The parameters to use; None for an unknown name.

    Examples
    --------
    >>> from skclip.embedding._spellings import spelled_elsewhere
    >>> spelled_elsewhere("openai/clip-vit-base-patch32", ["ViT-B-32"])
    "model_name='ViT-B-32', pretrained='openai'"
    >>> spelled_elsewhere("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", ["ViT-B-32"])
    "model_name='hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K'"
    """
    # addresses of the hub, and names that its client accepts
    name = re.sub(r"^(https?://huggingface\.co/|hf://|hf_hub:|hf-hub/)", "", model_name.strip())
    lower = name.rstrip("/").lower()
    if lower in _REPOSITORIES or lower in _BARE:
        return _written(*(_REPOSITORIES.get(lower) or _BARE[lower]))
    if match := _OPENAI.fullmatch(name):
        family, patch, size = match.groups()
        model = f"ViT-{family[-1].upper()}-{patch}" + (f"-{size}" if size else "")
        return _written(model, "openai")
    if (match := _WITH_TAG.fullmatch(name)) and match[1] in known:
        return _written(match[1], match[2])
    by_case = {model.lower(): model for model in known}
    for candidate in (lower, lower.replace("/", "-"), lower.replace("_", "-")):
        if candidate in by_case:
            return f"model_name={by_case[candidate]!r}"
    if _OWN_REPOSITORY.fullmatch(name):
        return f"model_name={'hf-hub:' + name!r}"
    return None


def _written(model: str, tag: str) -> str:
    return f"model_name={model!r}, pretrained={tag!r}"
