import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tests run side by side, and results of convolutions may depend on the number of threads."""
    torch.set_num_threads(1)
