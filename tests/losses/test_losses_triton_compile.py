"""The kernels compile for a GPU: types and syntax are checked here without one."""

import pytest

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from polyrepro.losses import triton_binary, triton_cross_entropy  # noqa: E402

HOPPER = GPUTarget("cuda", 90, 32)
ROW = dict.fromkeys(["nll_out", "q_out", "top_out", "log_sum_out", "q", "top", "log_sum"], "*fp32")
SIZES = {"classes": "i32", "stride": "i32", "size": "i32", "terms": "i32"}
NUMBERS = {"gamma": "fp32", "positive": "fp32", "negative": "fp32"}


def _compile(kernel, types, constants):
    types = {**ROW, **SIZES, **NUMBERS, "index": "*i64", "by_nll": "*fp32", **types}
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    values = {(names.index(name),): value for name, value in constants.items()}
    return triton.compile(ASTSource(kernel, signature, values), target=HOPPER).asm["ptx"]


@pytest.mark.parametrize("dtype", ["*fp32", "*bf16", "*fp16"])
def test_softmax_kernels(dtype):
    arrays = dict.fromkeys(["logits", "own_logit", "by_logits"], dtype)
    for kernel in (triton_cross_entropy._forward_kernel, triton_cross_entropy._backward_kernel):
        assert ".target sm_90" in _compile(kernel, arrays, {"block": 8192})


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
        "logits": dtype, "by_logits": dtype, "target": labels, "out": "*fp32", "by_loss": "*fp32",
        "epsilon": ("fp32",) * max(count, 1),
    }  # fmt: skip
    constants = {
        "count": count, "truncated": truncated, "focal": focal, "summed": summed, "block": 1024,
    }  # fmt: skip
    for kernel in (triton_binary._forward_kernel, triton_binary._backward_kernel):
        assert ".target sm_90" in _compile(kernel, arrays, constants)
