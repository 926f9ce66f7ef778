"""The kernels compile for a GPU: types and syntax are checked here without one."""

import pytest

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from polyrepro.losses import triton_binary, triton_cross_entropy, triton_soft_labels  # noqa: E402

HOPPER = GPUTarget("cuda", 90, 32)
ROWS = dict.fromkeys(
    ["totals", "losses", "statistics", "mass", "class_weight", "out", "by_loss"], "*fp32"
)
SIZES = dict.fromkeys(
    [
        "rows",
        "classes",
        "stride",
        "target_stride",
        "by_loss_stride",
        "ignore_index",
        "size",
        "terms",
    ],
    "i32",
)
NUMBERS = dict.fromkeys(["gamma", "smoothing", "share", "positive", "negative"], "fp32")


def _compile(kernel, types, constants):
    types = {**ROWS, **SIZES, **NUMBERS, "target": "*i64", **types}
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    values = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, signature, values)
    options = triton_cross_entropy.CHECKED
    return triton.compile(source, target=HOPPER, options=options).asm["ptx"]


@pytest.mark.parametrize("dtype", ["*fp32", "*bf16", "*fp16"])
@pytest.mark.parametrize(
    ("weighted", "smoothed", "evaluated", "count", "truncated", "focal"),
    [
        (False, False, True, 0, True, False),
        (True, False, True, 1, False, False),
        (True, True, True, 3, False, True),
        (False, True, True, 1, False, True),
        (True, True, False, 0, False, False),
    ],
)
def test_softmax_kernels(weighted, smoothed, evaluated, count, truncated, focal, dtype):
    types = {"logits": dtype, "by_logits": dtype, "epsilon": ("fp32",) * max(count, 1)}
    common = {"weighted": weighted, "smoothed": smoothed, "block": 8192}
    if not weighted:
        common["class_weight"] = None
    series = {"evaluated": evaluated, "count": count, "truncated": truncated, "focal": focal}
    forward = _compile(triton_cross_entropy._forward_kernel, types, {**common, **series})
    assert ".target sm_90" in forward
    assert "__assertfail" in forward
    for averaged in (False, True):
        constants = {**common, "averaged": averaged}
        backward = _compile(triton_cross_entropy._backward_kernel, types, constants)
        assert ".target sm_90" in backward


@pytest.mark.parametrize("dtype", ["*fp32", "*bf16"])
@pytest.mark.parametrize(
    ("weighted", "evaluated", "count", "focal"),
    [(False, True, 1, False), (True, True, 3, True), (True, False, 0, False)],
)
def test_softmax_kernels_for_probabilities(weighted, evaluated, count, focal, dtype):
    types = {"logits": dtype, "by_logits": dtype, "target": "*fp32"}
    types["epsilon"] = ("fp32",) * max(count, 1)
    common = {"weighted": weighted, "block": 8192}
    if not weighted:
        common["class_weight"] = None
    series = {"evaluated": evaluated, "count": count, "focal": focal}
    for kernel, constants in (
        (triton_soft_labels._forward_kernel, {**common, **series}),
        (triton_soft_labels._backward_kernel, common),
    ):
        assert ".target sm_90" in _compile(kernel, types, constants)


@pytest.mark.parametrize("dtype", ["*fp32", "*bf16"])
@pytest.mark.parametrize(
    ("count", "truncated", "focal", "summed", "labels"),
    [
        (0, False, False, True, "*fp32"),
        (1, False, True, True, "*u8"),
        (3, True, True, False, "*i64"),
    ],
)
def test_sigmoid_kernels(count, truncated, focal, summed, labels, dtype):
    arrays = {
        "logits": dtype, "by_logits": dtype, "target": labels,
        "epsilon": ("fp32",) * max(count, 1),
    }  # fmt: skip
    constants = {
        "count": count, "truncated": truncated, "focal": focal, "summed": summed, "block": 1024,
    }  # fmt: skip
    for kernel in (triton_binary._forward_kernel, triton_binary._backward_kernel):
        assert ".target sm_90" in _compile(kernel, arrays, constants)
