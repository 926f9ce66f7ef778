"""Objects that a pipeline of MMDetection3D pastes into a frame, drawn anew for each frame.

MMDetection3D's own sampler goes through its objects in an order that it keeps from frame to frame,
in each worker its own, so that no training could be resumed to the same numbers; and it reads a
pickle.
"""

import json
from pathlib import Path

import numpy as np
from mmdet3d.datasets.transforms.dbsampler import DataBaseSampler
from mmdet3d.registry import TRANSFORMS

from polyrepro.detection.detection_errors import DetectionError


class RandomSamples(DataBaseSampler):
    """In the place of ``DataBaseSampler`` in a configuration, with the same arguments.

    Args:
        info_path: what :func:`polyrepro.data.lidar.object_samples.write_samples` has written.
        data_root: folder of the files that it names.

    Raises:
        DetectionError: if it lacks a class of the configuration.
    """

    def __init__(
        self,
        info_path: str,
        data_root: str,
        rate: float,
        prepare: dict,
        sample_groups: dict,
        classes: list[str],
        points_loader: dict,
        backend_args: dict | None = None,
    ) -> None:
        # The base's constructor reads a pickle; its methods need what is set here.
        self.data_root, self.rate = data_root, rate
        self.cat2label = {name: number for number, name in enumerate(classes)}
        self.points_loader = TRANSFORMS.build(points_loader)
        found = json.loads(Path(info_path).read_bytes())
        if missing := [name for name in sample_groups if name not in found]:
            raise DetectionError(
                f"{info_path} has no objects of {', '.join(missing)}, which the configuration "
                f"pastes; it has {', '.join(found)}"
            )
        for entries in found.values():
            for entry in entries:
                entry["box3d_lidar"] = np.array(entry["box3d_lidar"], np.float32)
        for name, value in prepare.items():
            found = getattr(self, name)(found, value)
        self.sample_classes = list(sample_groups)
        self.sample_max_nums = list(sample_groups.values())
        self.sampler_dict = {name: _Drawn(entries) for name, entries in found.items()}

    def sample_class_v2(self, name: str, num: int, gt_bboxes: np.ndarray) -> list[dict]:
        """Objects of a class that meet neither those of the frame nor each other."""
        if not self.sampler_dict[name].entries:
            return []
        return super().sample_class_v2(name, num, gt_bboxes)


class _Drawn:
    """Draws from objects without repetition, with numpy's generator, which is seeded per frame."""

    def __init__(self, entries: list[dict]) -> None:
        self.entries = entries

    def sample(self, count: int) -> list[dict]:
        chosen = np.random.permutation(len(self.entries))[:count]
        return [self.entries[number] for number in chosen]


TRANSFORMS.register_module(module=RandomSamples)
