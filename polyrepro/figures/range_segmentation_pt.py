"""How confident the segmentation of range images is: P_t of foreground and background."""

from matplotlib.figure import Figure

from polyrepro.figures.measured import Tables
from polyrepro.figures.pt_histograms import draw_histograms


def figure(tables: Tables) -> Figure:
    """Histograms over pixels of the last epoch of training."""
    return draw_histograms(tables, "range_segmentation", "focal loss")
