"""A series of one's own in MMDetection: losses, the record of P_t, and what is refused."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from loss_cases import CLASSES, build
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from small_detectors import mask_rcnn, retinanet

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.heads import classification_losses
from polyrepro.detection.replacement import kind_of, poly_loss_for
from polyrepro.detection.target_probability_meter import TargetProbabilityMeter
from polyrepro.losses import Series, series_binary_cross_entropy, series_cross_entropy
from polyrepro.losses.target_probability_sums import summarised


@dataclass(frozen=True)
class ScaledAndShifted(Series):
    """The example of docs/losses/adding_a_series.md."""

    scale: float = 1.0
    shift: float = 0.0

    def base(self, nll):
        return self.scale * nll

    def polynomial(self, q):
        return self.shift * q**2


SERIES = ScaledAndShifted(0.5, 2.0)
CONFIGURATION = {"type": "ScaledAndShifted", "scale": 0.5, "shift": 2.0}


@pytest.fixture(autouse=True)
def registered():
    MODELS.register_module(name="ScaledAndShifted", module=ScaledAndShifted, force=True)
    yield
    MODELS.module_dict.pop("ScaledAndShifted")


@pytest.mark.parametrize("series", [SERIES, CONFIGURATION], ids=["object", "configuration"])
def test_softmax_sigmoid_and_focal_losses(logits, labels, series):
    label = labels.clamp(max=CLASSES - 1)
    softmax = build("PolyCrossEntropyLoss", series=series)
    torch.testing.assert_close(
        softmax(logits, label), series_cross_entropy(logits, label, SERIES), rtol=1e-6, atol=0
    )
    one_hot = torch.nn.functional.one_hot(label, CLASSES)
    for name, alpha in (("PolyCrossEntropyLoss", None), ("PolyFocalLoss", 0.25)):
        sigmoid = build(name, use_sigmoid=True, series=series)
        expected = series_binary_cross_entropy(logits, one_hot, SERIES, alpha=alpha)
        torch.testing.assert_close(sigmoid(logits, label), expected, rtol=1e-6, atol=0)


def test_the_leading_term_s_share_is_recorded(logits, labels):
    label = labels.clamp(max=CLASSES - 1)
    meter = TargetProbabilityMeter(
        kind_of(build("PolyCrossEntropyLoss", series=CONFIGURATION), "loss_cls"), bins=4
    )
    meter.update(logits, label)
    background = label == CLASSES - 1
    log_pt = -torch.nn.functional.cross_entropy(logits.double(), label, reduction="none")
    pt = log_pt.exp()
    # The squared term has no part in the coefficient of 1 - P_t.
    share = 0.5 * pt / (0.5 + 4 * pt * (1 - pt))
    values = summarised(meter.state(), bins=4)["foreground"]
    assert values["leading_share"] == pytest.approx(share[~background].mean().item(), rel=1e-5)


@pytest.mark.parametrize("series", [SERIES, CONFIGURATION], ids=["object", "configuration"])
def test_the_hook_puts_a_series_into_any_head(series):
    """What the loss weighs and counts stays the head's; only the function of P_t is another."""
    messages = []
    for config, kept in (
        (mask_rcnn(), {"loss_weight": 0.7, "use_sigmoid": False}),
        (retinanet(), {"alpha": 0.3, "use_sigmoid": True}),
        (retinanet({"type": "PolyFocalLoss", "series": SERIES, "alpha": 0.4}), {"alpha": 0.4}),
    ):
        model = MODELS.build(Config({"model": config}).model)
        runner = SimpleNamespace(model=model, logger=SimpleNamespace(info=messages.append))
        HOOKS.build({"type": "PolyLossHook", "series": series}).before_run(runner)
        loss = classification_losses(model)[0].loss
        assert loss.series == SERIES
        assert {name: getattr(loss, name) for name in kept} == kept
    assert "CrossEntropyLoss is now PolyCrossEntropyLoss(softmax, ScaledAndShifted" in messages[0]


def test_what_does_not_go_together_is_refused():
    for given in (-1.0, (-1.0,)):
        with pytest.raises(ValueError, match=r"series=ScaledAndShifted.* leave out epsilon="):
            HOOKS.build({"type": "PolyLossHook", "series": CONFIGURATION, "epsilon": given})
    with pytest.raises(TypeError, match=r"series must be .*got str"):
        HOOKS.build({"type": "PolyLossHook", "series": "ScaledAndShifted"})
    for numbers in ({"epsilon": 1.0}, {"terms": 3}):
        with pytest.raises(ValueError, match=r"series=ScaledAndShifted.* leave out epsilon="):
            build("PolyCrossEntropyLoss", series=CONFIGURATION, **numbers)
    with pytest.raises(TypeError, match=r"series must be .*got str"):
        build("PolyFocalLoss", series="ScaledAndShifted")
    with pytest.raises(DetectionError, match=r"loss_cls computes ScaledAndShifted.*no epsilon"):
        poly_loss_for(build("PolyCrossEntropyLoss", series=CONFIGURATION), "loss_cls", -1.0)
