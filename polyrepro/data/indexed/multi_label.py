"""Several classes per image, from a file beside the images."""

import csv
import io
import json
from pathlib import Path

from polyrepro.data.in_memory.image_arrays import DataError

HEADER = ["image", "synsets"]


def read_multi_label(path: Path, classes: tuple[str, ...]) -> dict[str, list[int]]:
    """Labels per image from a CSV `image,synsets`: `n01440764/a.JPEG,n01440764 n01443537`.

    The file is in UTF-8, -16 or -32, with or without a byte-order mark, as spreadsheets write it.

    Returns:
        Ascending labels by `CLASS_FOLDER/FILE`. Images without a line have the class of their
        folder.

    Raises:
        DataError: naming the line that is no such line, repeats an image or has unknown synsets, or
            is not in Unicode.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    labels: dict[str, list[int]] = {}
    rows = csv.reader(io.StringIO(_read_text(path), newline=""))
    try:
        header = next(rows, None)
        if header != HEADER:
            raise DataError(
                f"{path}: the first line must be `image,synsets`, found {header}; save the file as "
                "CSV with commas"
            )
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            if len(row) != 2 or not row[1].split() or "/" not in row[0]:
                raise DataError(
                    f"{where}: expected `CLASS_FOLDER/FILE,SYNSET SYNSET ...`, found {row}"
                )
            unknown = [name for name in row[1].split() if name not in label_of]
            if unknown:
                raise DataError(f"{where}: unknown synset {unknown[0]}; correct it or remove it")
            if row[0] in labels:
                raise DataError(f"{where}: {row[0]} has a line already; merge the two")
            labels[row[0]] = sorted({label_of[name] for name in row[1].split()})
    except csv.Error as error:
        raise DataError(
            f"{path}, line {rows.line_num}: no CSV ({error}); save the file as CSV in UTF-8"
        ) from None
    return labels


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the labels {path}: {error.strerror}") from None
    # The first letters are ASCII here as in JSON, so the same test tells the encoding.
    encoding = json.detect_encoding(raw)
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: cannot be read as {encoding.upper()} ({error.reason} at byte "
            f"{error.start}); save the file as UTF-8 (in Excel: `CSV UTF-8`)"
        ) from None
