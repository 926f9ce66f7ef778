"""Figures as files: a PDF with a page for each part, and a PNG; equal figures, equal bytes."""

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from PIL import Image

from polyrepro.figures.style import STYLE
from polyrepro.files import write_atomically


def save(pages: Sequence[Figure], stem: Path) -> None:
    """Write `<stem>.pdf` and `<stem>.png`, complete or not at all; equal figures, equal bytes.

    Args:
        pages: of the PDF; in the PNG they follow each other from top to bottom.
    """
    document, images = io.BytesIO(), []
    # A date or a version in the metadata would make every drawing differ.
    with PdfPages(document, metadata={"CreationDate": None, "Producer": None}) as pdf:
        for page in pages:
            page.savefig(pdf, format="pdf")
            image = io.BytesIO()
            page.savefig(image, format="png", metadata={"Software": None})
            images.append(image)
    write_atomically(stem.with_suffix(".pdf"), document.getvalue())
    if len(images) > 1:
        images = [_below_each_other(images)]
    write_atomically(stem.with_suffix(".png"), images[0].getvalue())


def _below_each_other(images: Sequence[io.BytesIO]) -> io.BytesIO:
    parts = [Image.open(image) for image in images]
    size = max(part.width for part in parts), sum(part.height for part in parts)
    whole = Image.new("RGB", size, "white")
    for number, part in enumerate(parts):
        whole.paste(part, (0, sum(above.height for above in parts[:number])))
    saved = io.BytesIO()
    whole.save(saved, format="png", dpi=(STYLE["savefig.dpi"],) * 2)
    return saved
