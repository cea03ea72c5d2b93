"""Import optional dependencies, with one error message."""

from importlib import import_module
from types import ModuleType

__all__ = ["import_optional"]


def import_optional(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import ``module``; the error names the extra that installs it.

    Parameters
    ----------
    module : str
        Name to import, e.g. ``"matplotlib.pyplot"``.

    extra : str
        Extra of skclip that installs it, e.g. ``"plot"``.

    purpose : str
        Beginning of the error message.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If the module is not installed.

    Examples
    --------
    >>> from skclip._optional import import_optional
    >>> import_optional("no_such_module", extra="plot", purpose="The contact sheet")
    Traceback (most recent call last):
        ...
    ImportError: The contact sheet needs no_such_module: pip install 'skclip[plot]'.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{purpose} needs {package}: pip install 'skclip[{extra}]'.") from error
