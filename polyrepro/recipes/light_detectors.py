"""Light Mask R-CNN and RetinaNet for the CPU: composites, or a folder in COCO's format.

Paper: Mask R-CNN and RetinaNet on COCO. These are the same detectors in small: a timm backbone,
two pyramid levels, light heads, 128-pixel composites of Fashion-MNIST garments. They start from
weights trained on the training garments (scripts/make_embedded_detector_weights.py). On composites,
whose garments those are, backbone and pyramid stay as they are, as the first layers of
MMDetection's ResNets do; on other data they are trained, too.
Ours: AdamW and a cosine instead of stochastic gradient descent and steps; few, short epochs. The
values were chosen for cross-entropy and the focal loss, on composites drawn from other seeds.
"""

from polyrepro.recipes.detection import DetectionRecipe

MASK_RCNN_COMPOSITES = DetectionRecipe(
    name="mask_rcnn_composites",
    dataset="composites",
    model="light Mask R-CNN",
    detector="mask_rcnn",
    epochs=3,
    batch_size=4,
    learning_rate=2e-3,
    image_size=128,
    frozen=True,
    warmup=0.05,
    weight_decay=0.05,
)

RETINANET_COMPOSITES = MASK_RCNN_COMPOSITES.model_copy(
    update={
        "name": "retinanet_composites",
        "model": "light RetinaNet",
        "detector": "retinanet",
        "epochs": 4,
        "learning_rate": 4e-3,
    }
)
"""Cheaper per image and slower to learn: more epochs in the same time."""

MASK_RCNN_COCO_FOLDER = MASK_RCNN_COMPOSITES.model_copy(
    update={
        "name": "mask_rcnn_coco_folder",
        "dataset": "coco_folder",
        "epochs": 12,
        "image_size": 320,
        "frozen": False,
    }
)
"""Any folder in COCO's format; without masks in the data it is a Faster R-CNN."""

RETINANET_COCO_FOLDER = RETINANET_COMPOSITES.model_copy(
    update={
        "name": "retinanet_coco_folder",
        "dataset": "coco_folder",
        "epochs": 12,
        "learning_rate": 2e-3,
        "image_size": 320,
        "frozen": False,
    }
)

LIGHT_DETECTORS = (
    MASK_RCNN_COMPOSITES,
    RETINANET_COMPOSITES,
    MASK_RCNN_COCO_FOLDER,
    RETINANET_COCO_FOLDER,
)
