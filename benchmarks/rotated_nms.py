"""Time of non-maximum suppression of rotated boxes, beside the loop that defines it.

    .venv/bin/python benchmarks/rotated_nms.py [--boxes 4096] [--rounds 5] [--device cpu]

The loop takes the best box that is left and removes what overlaps it too much, all of those at
once; so it computes as few overlaps as any, but in as many steps as boxes stay. Boxes are those of
a detector on a field of 150 m: many on each of few objects, or spread as before training. Both are
timed in turn, and the ratio of medians is given: above 1, ours is faster.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from polyrepro.detection.operators.rotated_boxes import nms_rotated, paired_overlaps

FIELD = 150.0
SIZE = torch.tensor([4.7, 2.1])
THRESHOLD = 0.25


def scene(boxes: int, objects: int) -> tuple[Tensor, Tensor]:
    """Boxes (n, 5) scattered by half a metre around objects, and their scores."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.rand(objects, 2, generator=generator) * FIELD
    angles = torch.rand(objects, 1, generator=generator) * 6.3
    owner = torch.randint(0, objects, (boxes,), generator=generator)
    noise = torch.randn(boxes, 3, generator=generator) * torch.tensor([0.5, 0.5, 0.2])
    place = torch.cat([centres, angles], 1)[owner] + noise
    numbers = torch.cat([place[:, :2], SIZE.expand(boxes, 2), place[:, 2:]], 1)
    return numbers, torch.rand(boxes, generator=generator)


def ours(boxes: Tensor, scores: Tensor) -> Tensor:
    order = scores.argsort(descending=True)
    return nms_rotated(boxes, scores, order, boxes[order], scores, THRESHOLD, False)


def loop(boxes: Tensor, scores: Tensor) -> Tensor:
    waiting, kept = scores.argsort(descending=True), []
    while len(waiting):
        best, waiting = waiting[:1], waiting[1:]
        kept.append(best)
        pairs = boxes[best].expand(len(waiting), 5), boxes[waiting]
        waiting = waiting[paired_overlaps(*pairs) <= THRESHOLD]
    return torch.cat(kept)


def seconds(function, *arguments: Tensor) -> float:
    if arguments[0].is_cuda:
        torch.cuda.synchronize()
    begin = time.perf_counter()
    function(*arguments)
    if arguments[0].is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    for objects in (30, options.boxes):
        data = [part.to(options.device) for part in scene(options.boxes, objects)]
        if not torch.equal(ours(*data), loop(*data)):
            raise SystemExit(f"{objects} objects: not the boxes of the loop")
        times = [(seconds(ours, *data), seconds(loop, *data)) for _ in range(options.rounds)]
        mine, theirs = (statistics.median(part) for part in zip(*times, strict=True))
        print(
            f"{options.boxes} boxes on {objects} objects, {len(ours(*data))} stay: "
            f"{1000 * mine:.0f} ms, loop {1000 * theirs:.0f} ms, ratio {theirs / mine:.1f}"
        )


if __name__ == "__main__":
    main()
