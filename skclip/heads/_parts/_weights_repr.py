"""Mixing weights below the HTML diagram of a fitted head."""

from collections.abc import Callable
from html import escape
from typing import Any

__all__ = ["WeightsReprMixin"]


class WeightsReprMixin:
    """Add ``head_weights_`` to the HTML representation of an estimator."""

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
