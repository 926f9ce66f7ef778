"""The kernels compile for a GPU: types and syntax are checked here without one."""

import pytest

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from polyrepro.losses import softmax_rows_triton  # noqa: E402

HOPPER = GPUTarget("cuda", 90, 32)
ROWS = dict.fromkeys(["statistics", "class_weight", "by_row", "by_expected"], "*fp32")
SIZES = dict.fromkeys(["rows", "classes"], "i32")


def _compile(kernel, types, constants):
    types = {**ROWS, **SIZES, **types}
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    values = {(names.index(name),): value for name, value in constants.items()}
    # As torch allocates: every array begins at a multiple of 16 bytes.
    aligned = {
        (position,): [["tt.divisibility", 16]]
        for position, name in enumerate(names)
        if signature[name][0] == "*"
    }
    options = {"num_warps": 8, **softmax_rows_triton.LAUNCH}
    source = ASTSource(kernel, signature, values, aligned)
    return triton.compile(source, target=HOPPER, options=options).asm["ptx"]


def _row_constants(weighted):
    constants = {"block": 4096, "weighted": weighted}
    return constants if weighted else {**constants, "class_weight": None}


@pytest.mark.parametrize("dtype", ["*fp32", "*bf16", "*fp16"])
@pytest.mark.parametrize("expected", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_kernels_for_indices(weighted, expected, dtype):
    types = {"logits": dtype, "by_logits": dtype, "target": "*i64"}
    constants = {"soft": False, "expected": expected, **_row_constants(weighted)}
    forward = _compile(softmax_rows_triton.row_forward, types, constants)
    assert "__assertfail" in forward
    absent = {} if expected else {"by_expected": None}
    backward = _compile(softmax_rows_triton.row_backward, types, {**constants, **absent})
    assert ".target sm_90" in backward


@pytest.mark.parametrize("dtype", ["*fp32", "*bf16"])
@pytest.mark.parametrize("weighted", [False, True])
def test_kernels_for_probabilities(weighted, dtype):
    types = {"logits": dtype, "by_logits": dtype, "target": "*fp32"}
    constants = {"soft": True, "expected": True, **_row_constants(weighted)}
    for kernel in (softmax_rows_triton.row_forward, softmax_rows_triton.row_backward):
        assert ".target sm_90" in _compile(kernel, types, constants)
