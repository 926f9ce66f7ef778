"""All recipes by name, and the ones that another recipe starts from. Needs neither torch nor timm.

Recipes of detectors are here too, because importing `polyrepro.detection` needs MMDetection.
"""

from typing import Annotated

from pydantic import Field

from polyrepro.recipes.base import Frozen, Recipe
from polyrepro.recipes.classification import ClassificationRecipe
from polyrepro.recipes.detection import DetectionRecipe
from polyrepro.recipes.detection3d import Detection3DRecipe
from polyrepro.recipes.detectors_coco import (
    DETECTORS_COCO_SHORT,
    MASK_RCNN_COCO,
    RETINANET_COCO,
)
from polyrepro.recipes.efficientnetv2_finetune_imagenet1k import EFFICIENTNETV2_FINETUNE
from polyrepro.recipes.efficientnetv2_imagenet21k import EFFICIENTNETV2_IMAGENET21K
from polyrepro.recipes.fashion_mnist import (
    FASHION_MNIST,
    FASHION_MNIST_LONG_TAIL,
    FASHION_MNIST_SHIRT,
)
from polyrepro.recipes.images32 import IMAGES32_RECIPES
from polyrepro.recipes.kanji import KANJI_RECIPES
from polyrepro.recipes.light_detectors import LIGHT_DETECTORS
from polyrepro.recipes.light_pointpillars import POINTPILLARS_LIDAR_SCENES
from polyrepro.recipes.pointpillars_kitti import POINTPILLARS_KITTI
from polyrepro.recipes.pointpillars_waymo import POINTPILLARS_WAYMO
from polyrepro.recipes.range_images import RANGE_UNET_LIDAR_SCENES
from polyrepro.recipes.resnet50_imagenet1k import RESNET50_IMAGENET1K
from polyrepro.recipes.resnet50_short import RESNET50_SHORT_RECIPES
from polyrepro.recipes.segmentation import SegmentationRecipe

__all__ = [
    "RECIPES",
    "AnyRecipe",
    "ClassificationRecipe",
    "Detection3DRecipe",
    "DetectionRecipe",
    "Frozen",
    "Recipe",
    "SegmentationRecipe",
]

AnyRecipe = Annotated[
    ClassificationRecipe | DetectionRecipe | Detection3DRecipe | SegmentationRecipe,
    Field(discriminator="kind"),
]
"""The union of all kinds of recipes, told apart by their `kind`."""

RECIPES: dict[str, AnyRecipe] = {
    recipe.name: recipe
    for recipe in (
        FASHION_MNIST,
        FASHION_MNIST_LONG_TAIL,
        FASHION_MNIST_SHIRT,
        *KANJI_RECIPES,
        *IMAGES32_RECIPES,
        *RESNET50_SHORT_RECIPES,
        RESNET50_IMAGENET1K,
        *EFFICIENTNETV2_IMAGENET21K,
        *EFFICIENTNETV2_FINETUNE,
        *LIGHT_DETECTORS,
        *DETECTORS_COCO_SHORT,
        MASK_RCNN_COCO,
        RETINANET_COCO,
        POINTPILLARS_LIDAR_SCENES,
        POINTPILLARS_WAYMO,
        POINTPILLARS_KITTI,
        RANGE_UNET_LIDAR_SCENES,
    )
}
