"""Segmentation of range images against the first coefficient on top of the focal loss."""

from matplotlib.figure import Figure

from polyrepro.figures.detection_curves import draw_curves
from polyrepro.figures.measured import Tables

METRICS = ("foreground_ap", "foreground_precision", "points_kept", "pedestrian_foreground_ap")


def figure(tables: Tables) -> Figure:
    """Differences to the focal loss paired by seed."""
    return draw_curves(tables, "range_segmentation", "focal loss", METRICS)
