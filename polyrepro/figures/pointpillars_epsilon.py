"""AP and APH of PointPillars against the first coefficient on top of the focal loss."""

from matplotlib.figure import Figure

from polyrepro.figures.detection_curves import draw_curves
from polyrepro.figures.measured import Tables

METRICS = ("ap_l1", "vehicle_ap_l1", "pedestrian_ap_l1", "aph_l1")


def figure(tables: Tables) -> Figure:
    """Differences to the focal loss paired by seed, of Waymo's level 1."""
    return draw_curves(tables, "pointpillars_epsilon", "focal loss", METRICS)
