"""AP and AR of RetinaNet against the first coefficient on top of the focal loss."""

from matplotlib.figure import Figure

from polyrepro.figures.detection_curves import draw_curves
from polyrepro.figures.measured import Tables


def figure(tables: Tables) -> Figure:
    """Values, and differences to the focal loss paired by seed."""
    return draw_curves(tables, "retinanet_epsilon", "focal loss")
