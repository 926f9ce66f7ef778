"""The share of the leading term of every loss that a study trains: the tables refuse nonsense."""

import pytest
import torch

from polyrepro.losses import leading_term
from polyrepro.studies import STUDIES

LOG_PT = torch.cat([torch.linspace(-12, -1e-3, 300), -torch.logspace(-3, -12, 40), torch.zeros(1)])
LOSSES = {str(v.loss): v for study in STUDIES.values() for v in study.variants}.values()


@pytest.mark.filterwarnings("ignore")  # some coefficients are below -1/j, on purpose
def test_every_share_is_finite_and_in_the_paper_s_family_it_is_one():
    for variant in LOSSES:
        shares = leading_term(variant.loss.build(), LOG_PT).share
        assert shares.isfinite().all(), variant.name
        if variant.loss.is_poly:
            assert shares.min() >= -1e-9 and shares.max() <= 1 + 1e-6, variant.name
