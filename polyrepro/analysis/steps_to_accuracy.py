"""How many steps a training needs until its training images are classified so well.

Validation images are looked at once per epoch, too seldom for a training of a few epochs. The
predictions of training are there anyway and are averaged over fifths of an epoch.
"""

from collections.abc import Iterator

LEVELS = (25, 50)
"""Percent of the training images, as they are shown to the network in training."""

METRIC = "steps_to_{}"


def steps_to_accuracy(record: dict) -> dict[str, float]:
    """The step at which each level of `LEVELS` is crossed for the first time.

    Accuracies are put in the middle of the part of the epoch that they are means over, and joined
    by straight lines. A run that does not get there, or diverges before, counts with all of its
    steps, a lower bound.

    Args:
        record: of a classifier.

    Returns:
        Metric to steps; nothing for a record without training accuracies, or without a whole epoch.
    """
    rows = [row for row in record["history"] if row["split"] == "train" and "top1" in row]
    if record.get("diverged"):
        rows = rows[:-1]  # that of guessing
    per_epoch = _steps_per_epoch(rows, record["recipe"]["batch_size"])
    if per_epoch is None:
        return {}
    epochs = record["recipe"]["epochs"]
    return {
        METRIC.format(level): per_epoch * min(_crossing(rows, level), epochs) for level in LEVELS
    }


def _steps_per_epoch(rows: list[dict], batch_size: int) -> int | None:
    """Steps of an epoch; a batch is never larger than the training set."""
    for row in rows:
        if "images_per_second" in row:
            images = row["seconds"] * row["images_per_second"]
            return max(1, round(images / batch_size))
    return None


def _crossing(rows: list[dict], level: float) -> float:
    """In epochs; infinite if the level is never reached."""
    before, reached = 0.0, 0.0
    for middle, accuracy in _parts(rows):
        if accuracy >= level:
            return before + (middle - before) * (level - reached) / (accuracy - reached)
        before, reached = middle, accuracy
    return float("inf")


def _parts(rows: list[dict]) -> Iterator[tuple[float, float]]:
    """Middle and accuracy of each part of an epoch.

    The last part of an epoch has no row of its own: it is what the row of the whole leaves over.
    """
    start = end = total = 0.0
    for row in rows:
        width = row["epoch"] - end
        accuracy = row["top1"]
        if float(row["epoch"]).is_integer():
            accuracy = (row["top1"] * (row["epoch"] - start) - total) / width
        yield end + width / 2, accuracy
        total += width * accuracy
        end = row["epoch"]
        if float(end).is_integer():
            start, total = end, 0.0
