"""A registry of MMDetection's transforms with the package's one way to read an image.

mmengine finds it under the scope `polyrepro.detection`, so that MMDetection's own
`LoadImageFromFile` stays what it is for everybody else.
"""

from pathlib import Path

import mmcv
import mmcv.transforms
import numpy as np
from mmengine.registry import TRANSFORMS, Registry

from polyrepro.data.decoding import decode_rgb, open_image
from polyrepro.data.in_memory.image_arrays import DataError

SCOPE = "polyrepro.detection"
OUR_TRANSFORMS = Registry("polyrepro_transform", parent=TRANSFORMS, scope=SCOPE)


@OUR_TRANSFORMS.register_module()
class LoadImageFromFile(mmcv.transforms.LoadImageFromFile):
    """Reads an image as the verification of its data did: turned, of 8 bits, blue first.

    Raises:
        DataError: naming the file, if it cannot be decoded or has changed its size since.
    """

    def transform(self, results: dict) -> dict:
        """Add `img`, uint8 of shape (height, width, 3), and its sizes."""
        where = results["img_path"]
        image = decode_rgb(open_image(Path(where), where), where)
        stated = (results.get("width", image.width), results.get("height", image.height))
        if image.size != stated:
            raise DataError(
                f"the image {where} has {image.width} x {image.height} pixels instead of "
                f"{stated[0]} x {stated[1]}: it has changed since the data were verified; restore "
                "it, or verify the data again with `polyrepro data verify`"
            )
        pixels = mmcv.rgb2bgr(np.asarray(image))
        results["img"] = pixels.astype(np.float32) if self.to_float32 else pixels
        results["img_shape"] = results["ori_shape"] = pixels.shape[:2]
        return results


def with_one_reader(pipeline: list[dict]) -> list[dict]:
    """A pipeline of MMDetection that reads its images with the transform above."""
    return [
        {**step, "_scope_": SCOPE} if step["type"] == LoadImageFromFile.__name__ else step
        for step in pipeline
    ]
