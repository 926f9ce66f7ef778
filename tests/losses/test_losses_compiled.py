"""What torch.compile makes of a loss: arrays of the logits' size that it writes."""

import re
import shutil

import pytest
import torch
from torch._inductor.utils import run_and_get_code

from polyrepro.losses import poly_cross_entropy

ROWS, CLASSES = 64, 1000


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_only_the_gradient_has_the_size_of_the_logits():
    torch._dynamo.reset()
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(ROWS, CLASSES, generator=generator).requires_grad_()
    index = torch.randint(0, CLASSES, (ROWS,), generator=generator)

    def gradient(function):
        loss = function(logits, index, 2.0, gamma=2.0)
        return torch.autograd.grad(loss, logits)[0]

    compiled = torch.compile(poly_cross_entropy, fullgraph=True)
    found, code = run_and_get_code(gradient, compiled)
    torch.testing.assert_close(found, gradient(poly_cross_entropy))
    arrays = re.findall(rf"= empty_strided_cpu\(\({ROWS}, {CLASSES}\)", "\n".join(code))
    assert len(arrays) == 1
    with pytest.raises(RuntimeError, match="index out of bounds"):
        compiled(logits, torch.full((ROWS,), CLASSES), 2.0, gamma=2.0)
    torch._dynamo.reset()
