"""A head and its card to a model hub."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skclip.export._card import model_card
from skclip.export._save import save_head

__all__ = ["push_to_hub"]


def push_to_hub(
    head: Any,
    repo_id: str,
    *,
    card: str | Mapping[str, Any] | None = None,
    file_name: str = "head.skclip",
    embedder: Any = None,
    private: bool = False,
    commit_message: str = "Upload a head of skclip",
    api: Any = None,
) -> str:
    """Upload a head and its card to a repository of the Hugging Face Hub.

    Parameters
    ----------
    head : classifier
        Fitted, of a form that :func:`save_head` stores; or loaded.

    repo_id : str
        ``"ORG/NAME"``; the repository is made if it is not there.

    card : str or mapping, default=None
        The card, or what :func:`model_card` is to be given for it.

    file_name : str, default="head.skclip"
        Name of the file of the head in the repository.

    embedder : CLIPEmbedder or str, default=None
        As for :func:`save_head`.

    private : bool, default=False
        Whether a new repository is private.

    commit_message : str, default="Upload a head of skclip"
        Message of the commit.

    api : huggingface_hub.HfApi, default=None
        Client that uploads. None makes a new one, with the token of the login.

    Returns
    -------
    url : str
        Address of the commit.

    See Also
    --------
    model_card : Writes the card.

    Examples
    --------
    >>> from skclip.export import load_head, push_to_hub
    >>> head = load_head("birds.skclip")  # doctest: +SKIP
    >>> push_to_hub(head, "me/birds", card={"title": "Birds"})  # doctest: +SKIP
    """
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    with tempfile.TemporaryDirectory(prefix="skclip-hub-") as folder:
        save_head(head, Path(folder) / file_name, embedder=embedder)
        if not isinstance(card, str):
            card = model_card(head, **{"file_name": file_name, **(card or {})})
        (Path(folder) / "README.md").write_text(card, encoding="utf-8")
        api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=commit_message)
    return str(getattr(done, "commit_url", done))
