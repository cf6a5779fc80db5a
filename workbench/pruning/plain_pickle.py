"""Pickles of plain values: read without ever running what a pickle may name."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any


class PlainUnpickler(pickle.Unpickler):
    """Reads dictionaries, lists, tuples, sets, text, numbers, True, False and None; refuses every name of a class or function.

    A pickle that names one is refused at that name, before anything is looked up or called.
    """

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and only plain values are read")


def load_plain_pickle(path: str | os.PathLike[str], unpickler: type[pickle.Unpickler] = PlainUnpickler) -> Any:
    """Return the value of a pickle file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no pickle, is cut off, or names a class or function; nothing of it was run.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file at {path}")
    with path.open("rb") as file:
        try:
            return unpickler(file).load()
        except Exception as error:  # a damaged pickle raises nearly anything
            raise ValueError(f"{path} cannot be read as a pickle: {error or type(error).__name__}") from None
