"""How confident PointPillars' dense head is: P_t of foreground and background per coefficient."""

from matplotlib.figure import Figure

from polyrepro.figures.measured import Tables
from polyrepro.figures.pt_histograms import draw_histograms


def figure(tables: Tables, study: str = "pointpillars_epsilon") -> Figure:
    """Histograms over the samples of the last epoch of training."""
    return draw_histograms(tables, study, "focal loss")
