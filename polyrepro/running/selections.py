"""Reading what a selection has chosen, for the runs that follow it."""

import json
import math
from pathlib import Path

from polyrepro.errors import PolyreproError


class SelectionError(PolyreproError):
    """The result of a selection that cannot be used."""


def read_selection(path: Path) -> dict:
    """What a selection has chosen.

    Raises:
        SelectionError: if the file is none that `polyrepro select` writes.
    """
    try:
        selection = json.loads(path.read_bytes())
        coefficients = [float(value) for value in selection["epsilon"]]
        if not all(map(math.isfinite, coefficients)) or not isinstance(selection["winner"], str):
            raise ValueError("no finite coefficients or no winner")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SelectionError(
            f"{path} is not the result of a selection ({error}); remove it to choose again"
        ) from None
    return selection
