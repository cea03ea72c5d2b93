"""What a collection calls the classes: methods of CaptionRetriever."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from sklearn.utils import check_scalar

from skclip.captions import Spellings
from skclip.corpus import CaptionStore
from skclip.recall._names._caption_match import CaptionMatch, as_caption_match
from skclip.recall._names._count_names import count_names
from skclip.recall._names._suggest import Suggestion, suggest_synonyms
from skclip.recall._vectors import check_text_of_images, text_rows

__all__ = ["NamesMixin"]


class NamesMixin:
    """Names of classes in the captions of a retriever."""

    match: CaptionMatch | str
    method: str
    plural: bool
    synonyms: Spellings | None
    zero_shot: Any

    def _ready(self, names: Iterable[Any]) -> tuple[CaptionStore, list[Any]]:
        """Return the collection and valid names, after checking the parameters."""
        raise NotImplementedError

    def count_names(self, names: Iterable[Any]) -> dict[Any, dict[str, int]]:
        """Count the captions that have each name of each class.

        Parameters
        ----------
        names : iterable
            Distinct class names; their synonyms are those of the retriever.

        Returns
        -------
        counts : dict of {name: dict of {str: int}}
            Number of captions by class and by name of the class, the class's own name first.

        See Also
        --------
        frequent_prompts : Prompts with the name that the collection uses most.

        Examples
        --------
        >>> from skclip.recall import CaptionRetriever
        >>> retriever = CaptionRetriever(synonyms={"automobile": ["car"]}, plural=True)
        >>> retriever.fit(["a car", "cars", "an automobile"]).count_names(["automobile"])
        {'automobile': {'automobile': 1, 'car': 2}}
        """
        store, names = self._ready(names)
        return count_names(
            store,
            names,
            as_caption_match(self.match),
            synonyms=self.synonyms,
            plural=self.plural,
            method=self.method,
        )

    def suggest_synonyms(
        self, names: Iterable[Any], *, n_nearest: int = 200, n_phrases: int = 10
    ) -> dict[Any, list[Suggestion]]:
        r"""Suggest further names of classes from the captions themselves.

        Phrases are suggested that are frequent in the captions of the images nearest to the text
        of a class and rare in other captions. Captions that name the class already are left out.
        Suggestions also hold what is often seen beside the class: accept only names.

        Parameters
        ----------
        names : iterable
            Distinct class names; ``zero_shot`` gives their text embeddings.

        n_nearest : int, default=200
            Number of rows nearest to each class whose captions are read; fewer than the
            collection has.

        n_phrases : int, default=10
            Maximum number of suggestions per class.

        Returns
        -------
        suggestions : dict of {name: list of Suggestion}
            Phrases of up to three words, highest score first: the log-odds ratio of captions near
            the class and elsewhere, in standard errors. Phrases that chance explains are left out.

        Notes
        -----
        For :math:`a` of :math:`n` captions near the class and :math:`b` of :math:`m` others, the
        score is :math:`z = \delta / \sigma` of the log-odds ratio with half a caption added to
        each cell,

        .. math:: \delta = \log\frac{a + ½}{n - a + ½} - \log\frac{b + ½}{m - b + ½}, \qquad
                  \sigma^2 = \frac{1}{a + ½} + \frac{1}{n - a + ½} + \frac{1}{b + ½}
                             + \frac{1}{m - b + ½}.

        A phrase is suggested if Fisher's exact test, corrected for the number of phrases that
        occur near the class, leaves less than 0.05 to chance.

        Examples
        --------
        >>> from skclip.recall import CaptionRetriever
        >>> captions = ["a red car", "my car", "a car", "an automobile", "a cat", "the cat"]
        >>> X = [[1.0, 0.1]] * 4 + [[0.0, 1.0]] * 2
        >>> retriever = CaptionRetriever(zero_shot={"automobile": [1.0, 0.0]})
        >>> retriever.fit(captions * 5, embeddings=X * 5)
        CaptionRetriever(zero_shot={'automobile': [1.0, 0.0]})
        >>> (found,) = retriever.suggest_synonyms(["automobile"], n_nearest=20)["automobile"]
        >>> found.phrase, found.n_near, found.n_elsewhere
        ('car', 15, 0)
        """
        store, names = self._ready(names)
        check_scalar(n_nearest, "n_nearest", Integral, min_val=1)
        check_scalar(n_phrases, "n_phrases", Integral, min_val=1)
        if self.zero_shot is None:
            raise ValueError(
                "suggest_synonyms compares images with the text of the classes: give zero_shot."
            )
        text, model_id = text_rows(self.zero_shot, names)
        check_text_of_images(store, model_id, text.shape[1])
        if n_nearest >= len(store):
            raise ValueError(
                f"n_nearest={n_nearest} must be less than the {len(store)} rows of the collection: "
                "phrases near a class are compared with those elsewhere."
            )
        return suggest_synonyms(
            store,
            names,
            text,
            synonyms=self.synonyms,
            method=self.method,
            n_nearest=n_nearest,
            n_phrases=n_phrases,
        )
