"""Overlap of rotated rectangles and non-maximum suppression, in plain torch for CPU and CUDA.

``box_iou_rotated`` and ``nms_rotated`` have the arguments of mmcv's compiled operators. A box is
(x, y, width, height, angle): its centre, its sides at angle 0, and the angle in radians by which
it is turned from x towards y.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

PIECE = 2**17
"""Pairs of boxes that are looked at together; it limits the memory."""
BLOCK = 512
"""Boxes that non-maximum suppression decides together."""


def intersection_areas(boxes: Tensor, others: Tensor) -> Tensor:
    """Areas (pairs,) that the rectangles of each pair share, exact up to rounding.

    Seen from the second box, at the origin and unturned, the shared area is that of the part of
    the first box with abs(x) <= w / 2 and abs(y) <= h / 2. By Green's theorem it is the integral of
    clamp(x, -w / 2, w / 2) dy along those parts of the first box's edges where abs(y) <= h / 2.
    It is continuous in the boxes, so equal and touching edges need no special case.

    Args:
        boxes, others: (pairs, 5), floating point.
    """
    half_width, half_height = (others[:, 2:4] / 2).split(1, 1)
    x, y = _corners_seen_from(boxes, others)
    dx, dy = x.roll(-1, 1) - x, y.roll(-1, 1) - y
    # Where each edge enters and leaves the strip.
    y_in = torch.clamp(y, -half_height, half_height)
    y_out = torch.clamp(y.roll(-1, 1), -half_height, half_height)
    divisor = dy.where(dy != 0, 1)
    x_in, x_out = (x + dx * ((at - y) / divisor) for at in (y_in, y_out))
    areas = _mean_of_clamped(x_in, x_out, half_width) * (y_out - y_in)
    return areas.sum(1).clamp(min=0)


def paired_overlaps(boxes: Tensor, others: Tensor, mode: str = "iou") -> Tensor:
    """Overlap (pairs,) of each pair: shared area by the union, or (``iof``) by the first box.

    Boxes without an area have an overlap of 0.
    """
    shared = intersection_areas(boxes, others)
    whole = boxes[:, 2] * boxes[:, 3]
    if mode == "iou":
        whole = whole + others[:, 2] * others[:, 3] - shared
    return (shared / whole).where(whole > 0, 0)


def box_iou_rotated(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, *, mode_flag: int = 0, aligned: bool = False
) -> None:
    """Fill ``ious``: (n,) of pairs if ``aligned``, otherwise (n * m,) of all with all.

    Args:
        bboxes1, bboxes2: (n, 5) and (m, 5). mode_flag: 0 for IoU, 1 for IoF.
    """
    mode = "iof" if mode_flag else "iou"
    first, second = _at_least_float32(bboxes1), _at_least_float32(bboxes2)
    if aligned:
        ious.copy_(paired_overlaps(first, second, mode))
        return
    ious.zero_()
    for rows, columns in close_pairs(first, second):
        overlaps = paired_overlaps(first[rows], second[columns], mode)
        ious[rows * len(second) + columns] = overlaps.to(ious.dtype)


def nms_rotated(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    labels: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Indices (kept,) of the boxes that stay, by falling score.

    A box goes if a better one that stays overlaps it by more than the threshold; with
    ``multi_label`` only if it has the same label.

    Args:
        dets: (boxes, 5), or with the label as a sixth number. order: (boxes,), indices by falling
            score. dets_sorted: ``dets[order]``. scores, labels: not needed besides.
    """
    boxes = _at_least_float32(dets_sorted)

    def suppressed(better: Tensor, worse: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for rows, columns in close_pairs(boxes[better], boxes[worse]):
            first, second = boxes[better[rows]], boxes[worse[columns]]
            hit = paired_overlaps(first, second) > iou_threshold
            if multi_label:
                hit &= first[:, 5] == second[:, 5]
            yield rows[hit], columns[hit]

    waiting, kept = torch.arange(len(boxes), device=boxes.device), []
    while len(waiting):
        block, waiting = waiting[:BLOCK], waiting[BLOCK:]
        pairs = [torch.cat(part) for part in zip(*suppressed(block, block), strict=True)]
        kept.append(block[_greedily_kept(len(block), *pairs)])
        stays = torch.ones_like(waiting, dtype=torch.bool)
        for _, columns in suppressed(kept[-1], waiting):
            stays[columns] = False
        waiting = waiting[stays]
    return order[torch.cat(kept)] if kept else order


def close_pairs(first: Tensor, second: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices (pairs,) into two sets of boxes, in pieces: all pairs whose circumcircles meet.

    The boxes of the second set are sorted by x, so that each box of the first is compared with
    those in reach only.
    """
    reach, other_reach = (boxes[:, 2:4].norm(dim=1) / 2 for boxes in (first, second))
    order = second[:, 0].argsort()
    sorted_x = second[order, 0]
    furthest = reach + (other_reach.nan_to_num(0).amax() if len(second) else 0)
    start = torch.searchsorted(sorted_x, first[:, 0] - furthest)
    counts = torch.searchsorted(sorted_x, first[:, 0] + furthest, right=True) - start
    for rows in _rows_by_pairs(counts):
        times = counts[rows]
        begin = times.cumsum(0) - times
        rows, offset = rows.repeat_interleave(times), (start[rows] - begin).repeat_interleave(times)
        columns = order[offset + torch.arange(len(rows), device=rows.device)]
        distance = (first[rows, :2] - second[columns, :2]).square().sum(1)
        close = distance < (reach[rows] + other_reach[columns]).square()
        yield rows[close], columns[close]


def _rows_by_pairs(counts: Tensor) -> Iterator[Tensor]:
    """Consecutive rows, as many at a time as have ``PIECE`` pairs; at least one, and one piece."""
    ends = counts.cumsum(0).cpu()
    done = 0
    while True:
        limit = PIECE + (int(ends[done - 1]) if done else 0)
        stop = max(done + 1, int(torch.searchsorted(ends, limit, right=True)))
        yield torch.arange(done, min(stop, len(counts)), device=counts.device)
        done = stop
        if done >= len(counts):
            return


def _greedily_kept(number: int, better: Tensor, worse: Tensor) -> Tensor:
    """Indices that stay when each box in order removes those that it suppresses, unless removed.

    All boxes whose betters are decided are decided together, so there are as many rounds as the
    longest chain of boxes has members.

    Args:
        better, worse: (pairs,), box ``better[i]`` suppresses ``worse[i]``; pairs whose first index
            is not the smaller one do not count.
    """
    forward = better < worse
    better, worse = better[forward], worse[forward]
    removed = torch.zeros(number, dtype=torch.bool, device=better.device)
    while len(worse):
        blocked = torch.zeros_like(removed)
        blocked[worse] = True
        removed[worse[~blocked[better]]] = True
        # A removed box suppresses nothing, and needs no decision any more.
        open_pairs = ~removed[better] & ~removed[worse]
        better, worse = better[open_pairs], worse[open_pairs]
    return (~removed).nonzero().squeeze(1)


def _corners_seen_from(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """x and y (pairs, 4) of the corners of ``boxes``, with ``others`` at the origin and unturned.

    The corners go round from x to y, so that areas are positive.
    """
    centre = boxes[:, :2] - others[:, :2]
    cos, sin = others[:, 4].cos(), others[:, 4].sin()
    x = centre[:, 0] * cos + centre[:, 1] * sin
    y = centre[:, 1] * cos - centre[:, 0] * sin
    angle = boxes[:, 4] - others[:, 4]
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    along = boxes[:, 2:3] / 2 * boxes.new_tensor([-1, 1, 1, -1])
    across = boxes[:, 3:4] / 2 * boxes.new_tensor([-1, -1, 1, 1])
    return x[:, None] + along * cos - across * sin, y[:, None] + along * sin + across * cos


def _mean_of_clamped(start: Tensor, end: Tensor, limit: Tensor) -> Tensor:
    """The mean of clamp(x, -limit, limit) for x from ``start`` to ``end``."""
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    inner_low, inner_high = torch.clamp(low, -limit, limit), torch.clamp(high, -limit, limit)
    inner = (inner_high - inner_low) * (inner_high + inner_low) / 2
    above = (high - torch.maximum(low, limit)).clamp(min=0)
    below = (torch.minimum(high, -limit) - low).clamp(min=0)
    length = high - low
    return ((inner + limit * (above - below)) / length).where(length > 0, inner_low)


def _at_least_float32(boxes: Tensor) -> Tensor:
    return boxes.detach().to(torch.promote_types(boxes.dtype, torch.float32))
