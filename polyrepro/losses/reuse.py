"""Where a backward pass writes its gradient: over an array that it is the last one to read."""

import torch
from torch import Tensor

# Not public, so it may go; torch.compile's own "donated buffers" rest on it.
_graph_is_kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)
_is_batched = getattr(torch._C._functorch, "is_legacy_batchedtensor", lambda _: False)


def is_last_derivative(*gradients: Tensor | None) -> bool:
    """Whether a backward pass that was given these may write in place.

    Not where it is to be differentiated itself, nor where ``is_grads_batched=True`` runs it for
    several gradients at once.
    """
    batched = any(gradient is not None and _is_batched(gradient) for gradient in gradients)
    return not torch.is_grad_enabled() and not batched


def gradient_array(saved: Tensor) -> Tensor:
    """An array like ``saved``, for the gradient: that array itself if nobody will read it again.

    Fetching fresh memory costs more than the arithmetic on large arrays. Within ``backward()`` an
    array that the forward pass made and saved is free once its gradient is computed, unless the
    graph is kept (``retain_graph=True``); then the array is a new one. Should it be read
    nevertheless, autograd raises, because the array's version has changed.
    """
    return torch.empty_like(saved) if _graph_is_kept() else saved.detach()
