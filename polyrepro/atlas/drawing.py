"""What the figures of the atlas share beyond `polyrepro.figures.style`."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyrepro.figures import style

INK, BLUE, RED = style.CROSS_ENTROPY, style.POLY, style.POLY_NEGATIVE
PINK, GREEN, AMBER, GREY = style.FOCAL, style.TRUNCATED, style.PUBLISHED, style.NEUTRAL
SKY = "#56B4E9"
"""The colours of Okabe and Ito; here each figure gives them roles of its own."""

DASHED, DOTTED = (0, (4, 1.5)), (0, (1, 1))


def name_panels(panels: list[Axes], titles: list[str]) -> None:
    """A letter and a title above each panel."""
    for letter, axes, title in zip("abcdefgh", panels, titles, strict=False):
        axes.set_title(f"({letter}) {title}", loc="left", pad=3)


def legend_inside(axes: Axes, **options) -> None:
    """A legend inside a panel that has room for one."""
    axes.legend(handlelength=1.5, **options)


def wide_figure(height: float, **layout) -> tuple[Figure, list[Axes]]:
    """A figure over both columns of a page."""
    return style.new_figure(style.TEXT_WIDTH, height, **layout)
