"""The kernels compile for a GPU: types and syntax are checked here without one."""

import re

import pytest

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from polyrepro.losses import (  # noqa: E402
    triton_binary,
    triton_cross_entropy,
    triton_math,
    triton_soft_labels,
)

HOPPER = GPUTarget("cuda", 90, 32)
ROWS = dict.fromkeys(
    ["totals", "losses", "statistics", "mass", "class_weight", "out", "by_loss"], "*fp32"
)
SIZES = dict.fromkeys(["rows", "classes", "by_loss_stride", "ignore_index", "size", "terms"], "i32")
NUMBERS = dict.fromkeys(["gamma", "smoothing", "share", "positive", "negative"], "fp32")
WIDTHS = {"*fp32": 4, "*bf16": 8, "*fp16": 8}


def _compile(kernel, types, constants):
    types = {**ROWS, **SIZES, **NUMBERS, "target": "*i64", **types}
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    values = {(names.index(name),): value for name, value in constants.items()}
    # As torch allocates: every array begins at a multiple of 16 bytes.
    aligned = {
        (position,): [["tt.divisibility", 16]]
        for position, name in enumerate(names)
        if signature[name][0] == "*"
    }
    options = {"num_warps": 8, **triton_math.LAUNCH}
    source = ASTSource(kernel, signature, values, aligned)
    return triton.compile(source, target=HOPPER, options=options).asm["ptx"]


def _row_constants(dtype, even, weighted):
    constants = {"width": WIDTHS[dtype], "even": even, "block": 4096, "weighted": weighted}
    return constants if weighted else {**constants, "class_weight": None}


def _assert_wide(forward, backward):
    """Rows are read, and written, 16 bytes at a time."""
    assert ".target sm_90" in forward
    assert re.search(r"ld\.global\S*\.v4\.b32", forward)
    assert re.search(r"ld\.global\S*\.v4\.b32", backward)
    assert re.search(r"st\.global\S*\.v4\.b32", backward)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("dtype", WIDTHS)
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
def test_softmax_kernels(weighted, smoothed, evaluated, count, truncated, focal, dtype, even):
    types = {"logits": dtype, "by_logits": dtype, "epsilon": ("fp32",) * max(count, 1)}
    common = {"smoothed": smoothed, **_row_constants(dtype, even, weighted)}
    series = {"evaluated": evaluated, "count": count, "truncated": truncated, "focal": focal}
    forward = _compile(triton_cross_entropy._forward_kernel, types, {**common, **series})
    assert "__assertfail" in forward
    for averaged in (False, True):
        constants = {**common, "averaged": averaged}
        backward = _compile(triton_cross_entropy._backward_kernel, types, constants)
        _assert_wide(forward, backward)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("dtype", ["*fp32", "*bf16"])
@pytest.mark.parametrize(
    ("weighted", "evaluated", "count", "focal"),
    [(False, True, 1, False), (True, True, 3, True), (True, False, 0, False)],
)
def test_softmax_kernels_for_probabilities(weighted, evaluated, count, focal, dtype, even):
    types = {"logits": dtype, "by_logits": dtype, "target": "*fp32"}
    types["epsilon"] = ("fp32",) * max(count, 1)
    common = _row_constants(dtype, even, weighted)
    series = {"evaluated": evaluated, "count": count, "focal": focal}
    _assert_wide(
        _compile(triton_soft_labels._forward_kernel, types, {**common, **series}),
        _compile(triton_soft_labels._backward_kernel, types, common),
    )


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
