"""One colour for each family of losses, the same in all figures."""

import pandas as pd

from polyrepro.figures import style
from polyrepro.variants import POLY_SERIES

COLOURS = {"HardGate": style.TRUNCATED, "SoftGate": style.POLY}
"""Of series outside the paper's family, as the figure of the gates has them."""


def colour_of(row: pd.Series) -> str:
    """The colour of a variant, from its settings in a row of `statistics.csv`."""
    if row["series"] != POLY_SERIES:
        return COLOURS.get(row["series"], style.OTHER)
    if pd.notna(row["terms"]):
        return style.TRUNCATED
    if row["epsilon"]:
        return style.POLY
    return style.FOCAL if row["gamma"] else style.CROSS_ENTROPY
