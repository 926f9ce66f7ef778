"""Mask R-CNN and RetinaNet with ResNet-50 and FPN on COCO, as MMDetection ships them.

Paper: Table 1, COCO, Mask R-CNN: box AR 47.2 with cross-entropy, 49.7 with Poly-1, mask AR 42.3 and
44.4 (verified), e1 = -1 (secondary). An appendix tests RetinaNet; its numbers are unknown to us.
Upstream's recipe: 1024 pixels, batch 64, learning rate 0.08, 22,500 steps; focal gamma 1.5.
Ours: MMDetection's 1x schedule (12 epochs, times 0.1 after 8 and 11, 500 steps of warm-up, images
of 1333 x 800, momentum 0.9, weight decay 1e-4; focal gamma 2, alpha 0.25), as many passes over the
images as upstream. 2,500 training images are held out for validation; `val2017` is the test split.
Learning rate by the linear rule, 0.02 (RetinaNet 0.01) per 16 images, and batch 16.
The backbone starts from torchvision's ImageNet weights (`torchvision://resnet50`), which torch
downloads into its cache; on machines without a network put the file there beforehand.
Expected: box AP 38.2, mask AP 34.7 (Mask R-CNN) and box AP 36.5 (RetinaNet) with the stock losses:
MMDetection's own model zoo, without images held out.

Short: 6 epochs (times 0.1 after 4 and 5) of images of 853 x 512 pixels: half of the images, 0.41 of
the pixels, so about a fifth of the work. The rest stays, for these reasons. The initial weights are
those of a classifier, so most of the accuracy is learnt in the first epochs, and a loss in the box
head acts from the first step. 512 pixels keep the anchors, of 32 pixels and more, where they are:
smaller objects are lost, all losses alike, so AR and AP are below those of the paper's scale, and
only differences can be compared. Batch and learning rate are those of the 1x schedule, and with
them the noise of a step.
Expected: unknown; not measured by this project.
"""

from polyrepro.recipes.detection import DetectionRecipe

MASK_RCNN_COCO = DetectionRecipe(
    name="mask_rcnn_coco",
    dataset="coco",
    model="Mask R-CNN R50-FPN",
    detector="mask_rcnn",
    config="mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    epochs=12,
    batch_size=16,
    learning_rate=0.02,
)

RETINANET_COCO = DetectionRecipe(
    name="retinanet_coco",
    dataset="coco",
    model="RetinaNet R50-FPN",
    detector="retinanet",
    config="mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    epochs=12,
    batch_size=16,
    learning_rate=0.01,
)


def _short(recipe: DetectionRecipe) -> DetectionRecipe:
    changes = {"epochs": 6, "milestones": (4, 5), "scale": (853, 512)}
    return recipe.model_copy(update={"name": f"{recipe.name}_short", **changes})


DETECTORS_COCO_SHORT = (_short(MASK_RCNN_COCO), _short(RETINANET_COCO))
"""Half the epochs, images of 0.64 times the size."""
