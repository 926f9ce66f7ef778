"""Several classes per image, from a file beside the images."""

import csv
from pathlib import Path

from polyrepro.data.image_arrays import DataError

HEADER = ["image", "synsets"]


def read_multi_label(path: Path, classes: tuple[str, ...]) -> dict[str, list[int]]:
    """Labels per image from a CSV `image,synsets`: `n01440764/a.JPEG,n01440764 n01443537`.

    Returns:
        Ascending labels by `CLASS_FOLDER/FILE`. Images without a line have the class of their
        folder.

    Raises:
        DataError: naming the line that is no such line, repeats an image or has unknown synsets.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    labels: dict[str, list[int]] = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            if next(rows, None) != HEADER:
                raise DataError(f"{path}: the first line must be `image,synsets`")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if len(row) != 2 or not row[1].split() or "/" not in row[0]:
                    raise DataError(
                        f"{where}: expected `CLASS_FOLDER/FILE,SYNSET SYNSET ...`, found {row}"
                    )
                unknown = [name for name in row[1].split() if name not in label_of]
                if unknown:
                    raise DataError(
                        f"{where}: unknown synset {unknown[0]}; correct it or remove it"
                    )
                if row[0] in labels:
                    raise DataError(f"{where}: {row[0]} has a line already; merge the two")
                labels[row[0]] = sorted({label_of[name] for name in row[1].split()})
    except OSError as error:
        raise DataError(f"cannot read the labels {path}: {error.strerror}") from None
    return labels
