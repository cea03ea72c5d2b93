"""The weights of a fitted head in words, below its HTML diagram."""

from collections.abc import Callable
from html import escape
from typing import Any

__all__ = ["WeightsReprMixin"]


class WeightsReprMixin:
    """Add what was believed to the HTML of an estimator with ``head_weights_``.

    ``repr`` stays the constructor.
    """

    @property
    def _repr_html_(self) -> Callable[[], str]:
        diagram = super()._repr_html_  # type: ignore[misc]
        return lambda: diagram() + self._weights_in_words()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] += self._weights_in_words()
        return bundle

    def _weights_in_words(self) -> str:
        weights = getattr(self, "head_weights_", None)
        if not weights:
            return ""
        words = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
        return f"<p>Mixing weights: {escape(words)}</p>"
