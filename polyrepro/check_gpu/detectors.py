"""A few steps of Mask R-CNN as the scales with COCO train it, with a Poly loss put in by the hook.

On random images and from random weights: neither COCO nor torchvision's weights need be there.
"""

import statistics
from types import SimpleNamespace

import torch
from torch import nn

from polyrepro.check_gpu.outcome import CheckFailedError, require_detection
from polyrepro.check_gpu.speed import keep_speed
from polyrepro.classification.synthetic import now
from polyrepro.recipes import RECIPES
from polyrepro.recipes.detection import DetectionRecipe
from polyrepro.running.determinism import determinism
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes

RECIPE, CLASSES = "mask_rcnn_coco_short", 80
TRIAL_SIZE = (96, 64)
"""Of images on a CPU, in the place of the recipe's."""


def check_mask_rcnn(device: torch.device) -> str:
    """Train for some steps, and keep the speed for `polyrepro estimate`."""
    require_detection()
    recipe, steps, trial = RECIPES[RECIPE], 6, device.type == "cpu"
    if trial:
        recipe, steps = recipe.model_copy(update={"scale": TRIAL_SIZE, "batch_size": 1}), 2
    model, loss = _with_poly_loss(recipe, trial)
    with determinism(Execution(Processes(device), deterministic=False), recipe.precision):
        seconds = _train(model.to(device), recipe, device, steps)
    # The first step allocates memory and chooses algorithms.
    speed = recipe.batch_size / statistics.median(seconds[1:])
    size = "{} x {}".format(*recipe.scale)
    text = f"{loss} in the box head; {speed:.3g} images of {size} px per second"
    return keep_speed(text, recipe, device, speed)


def _with_poly_loss(recipe: DetectionRecipe, trial: bool) -> tuple[nn.Module, str]:
    """The detector of the recipe, and the name of the loss in its box head."""
    # These import MMDetection, which not everybody has.
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.hub import get_config

    from polyrepro.detection import PolyLossHook

    register_all_modules()
    config = get_config(recipe.config).model
    # Random weights need normalisation by the batch, or what they compute would be too large.
    config.backbone.update(init_cfg=None, norm_eval=False)
    if trial:
        config.train_cfg.rpn_proposal.update(nms_pre=100, max_per_img=20)
        config.train_cfg.rcnn.sampler.num = 16
    torch.manual_seed(0)
    model = MODELS.build(config)
    quiet = SimpleNamespace(info=lambda message: None)
    PolyLossHook(epsilon=-1.0).before_run(SimpleNamespace(model=model, logger=quiet))
    return model.train(), type(model.roi_head.bbox_head.loss_cls).__name__


def _train(
    model: nn.Module, recipe: DetectionRecipe, device: torch.device, steps: int
) -> list[float]:
    """The seconds of each step, on the same images again and again."""
    from mmdet.testing import demo_mm_inputs
    from mmengine.optim import OptimWrapper

    width, height = recipe.scale
    images = demo_mm_inputs(
        recipe.batch_size,
        (3, height, width),
        num_items=[7] * recipe.batch_size,  # as many objects as an image of COCO has
        num_classes=CLASSES,
        with_mask=True,
        use_box_type=True,
    )
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = OptimWrapper(torch.optim.SGD(weights, lr=1e-4, momentum=0.9))
    seconds = []
    for step in range(1, steps + 1):
        started = now(device)
        try:
            losses = model.train_step(images, optimizer)
        except torch.OutOfMemoryError as error:
            raise CheckFailedError(
                f"a step of {recipe.batch_size} images of Mask R-CNN does not fit into the memory "
                "of this GPU; train it with a larger processes_per_run"
            ) from error
        for name, loss in losses.items():
            if not loss.isfinite():
                raise CheckFailedError(f"Mask R-CNN: {name} is {loss.item()} at step {step}")
        seconds.append(now(device) - started)
    return seconds
