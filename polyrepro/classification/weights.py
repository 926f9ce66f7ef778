"""Weights of a network as files: what a finished run leaves, and what a fine-tuning starts from."""

import hashlib
import pickle
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from polyrepro.errors import PolyreproError
from polyrepro.files import write_atomically
from polyrepro.runs import InitialWeights


class WeightsError(PolyreproError):
    """Weights that are missing, changed, refused, or of another network."""


def write_weights(path: Path, model: nn.Module) -> str:
    """Write the state of a network as safetensors; returns the file's sha256."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    data = safetensors.torch.save(state)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def load_initial_weights(model: nn.Module, weights: InitialWeights) -> None:
    """Give a network the weights of a file, all but its classifier, which stays as it is.

    Args:
        model: a network of timm, whose `get_classifier` names the part that stays.
        weights: a safetensors file, or a state dict saved with `torch.save` (as such, or under the
            key `state_dict`); code in it is refused.

    Raises:
        WeightsError: if the file cannot be read, its checksum differs, or it does not fit.
    """
    state = _read(Path(weights.path), weights.sha256)
    kept = model.get_classifier()
    classifier = next(name for name, module in model.named_modules() if module is kept)
    state = {k: v for k, v in state.items() if not k.startswith(f"{classifier}.")}
    own = {k: v for k, v in model.state_dict().items() if not k.startswith(f"{classifier}.")}
    problems = [f"{name} is missing" for name in own if name not in state]
    problems += [f"{name} is unknown" for name in state if name not in own]
    problems += [
        f"{name} has shape {tuple(state[name].shape)} instead of {tuple(value.shape)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (
            f"; and {n} more" if (n := len(problems) - 5) > 0 else ""
        )
        raise WeightsError(
            f"the weights {weights.path} are not of this network ({type(model).__name__}): {shown}"
        )
    model.load_state_dict(state, strict=False)


def _read(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror}") from None
    if found != sha256:
        raise WeightsError(
            f"the weights {path} are not the requested ones: sha256 is {found}, expected "
            f"{sha256}; correct the path or the checksum"
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"the weights {path} are refused: neither safetensors nor a plain state dict, which "
            f"torch.load(weights_only=True) reads without running code ({reason})"
        ) from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"the weights {path} hold no state dict: names with tensors")
    return state
