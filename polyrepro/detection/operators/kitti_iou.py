"""KITTI's overlap of rotated boxes, in the place of MMDetection3D's module ``rotate_iou``.

That one is written for numba's CUDA, needs a GPU, and has reported wrong values on some.
"""

import numpy as np
import torch

from polyrepro.detection.operators.rotated_boxes import (
    close_pairs,
    intersection_areas,
    paired_overlaps,
)


def rotate_iou_gpu_eval(
    boxes: np.ndarray, query_boxes: np.ndarray, criterion: int = -1, device_id: int = 0
) -> np.ndarray:
    """Overlaps (n, k), float32; computed on the CPU in float64.

    Args:
        boxes, query_boxes: (n, 5) and (k, 5) in the plane of the camera, where the angle turns the
            other way.
        criterion: -1 for IoU; 0 or 1 for the shared area by that of the query box or of the box;
            anything else for the shared area itself.
        device_id: without effect.
    """
    turn = np.array([1.0, 1, 1, 1, -1])
    first, second = (torch.from_numpy(np.float64(part) * turn) for part in (boxes, query_boxes))
    result = first.new_zeros(len(first), len(second))
    for rows, columns in close_pairs(first, second):
        box, query = first[rows], second[columns]
        if criterion == -1:
            result[rows, columns] = paired_overlaps(box, query)
        elif criterion == 0:
            result[rows, columns] = paired_overlaps(query, box, "iof")
        elif criterion == 1:
            result[rows, columns] = paired_overlaps(box, query, "iof")
        else:
            result[rows, columns] = intersection_areas(box, query)
    return result.numpy().astype(np.float32)
