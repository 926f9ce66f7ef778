"""AP of PointPillars on KITTI against the first coefficient on top of the focal loss."""

from matplotlib.figure import Figure

from polyrepro.figures.detection_curves import draw_curves
from polyrepro.figures.measured import Tables

METRICS = (
    "ap40_moderate",
    *(f"{name}_ap40_moderate" for name in ("car", "pedestrian", "cyclist")),
)


def figure(tables: Tables) -> Figure:
    """Differences to the focal loss paired by seed, of the level moderate."""
    return draw_curves(tables, "pointpillars_kitti", "focal loss", METRICS)
