"""AP and AR of Mask R-CNN, boxes and masks, against the first coefficient.

After Table 1 of the paper (COCO), which reports AR only; a public re-run by others found that AR
rises and AP does not, so both are shown.
"""

from matplotlib.figure import Figure

from polyrepro.figures.detection_curves import draw_curves
from polyrepro.figures.measured import Tables


def figure(tables: Tables) -> Figure:
    """Values, and differences to cross-entropy paired by seed."""
    return draw_curves(tables, "mask_rcnn_epsilon", "cross-entropy")
