"""The studies as declared: consistent names, sane grids, claims that refer to something."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from polyrepro import studies
from polyrepro.analysis.contrasts import contrasts_at
from polyrepro.analysis.published import published_numbers, published_statements
from polyrepro.recipes import RECIPES
from polyrepro.studies import SCALES, STUDIES
from polyrepro.studies.claim import Claim, Contrast
from polyrepro.studies.consistency import StudyError, check_studies
from polyrepro.studies.study import Study
from polyrepro.variants import REFERENCE, Variant, cross_entropy, poly_loss

ALL = list(STUDIES.values())


def claim_about(published, variant=REFERENCE):
    contrast = Contrast(weights={variant: 1}, metric="top1")
    return Claim(name="c", statement="", quantity="", published=published, contrasts=(contrast,))


def test_every_file_of_studies_is_documented_and_registered():
    registered = set()
    for path in Path(studies.__file__).parent.glob("*.py"):
        if path.stem in ("__init__", "claim", "consistency", "study"):
            continue
        module = importlib.import_module(f"polyrepro.studies.{path.stem}")
        for heading in ("Paper:", "Command:", "Expected:", "Cost:"):
            assert heading in module.__doc__
        registered |= {s.name for s in getattr(module, "STUDIES", ()) or (module.STUDY,)}
    assert registered == set(STUDIES)


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_study_runs_at_a_known_scale(study):
    assert study.recipes and set(study.restricted) <= set(study.recipes)
    assert set(study.recipes) <= set(SCALES)
    assert set(study.recipes.values()) <= set(RECIPES)


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_claims_refer_to_variants_selections_and_publications(study):
    known = {v.name for v in study.variants} | {f"@{s.name}" for s in study.selections}
    statements = published_statements()
    for claim in study.claims:
        assert claim.published is None or claim.published in statements.index
        for contrast in claim.contrasts:
            assert set(contrast.weights) <= known


def test_a_name_always_means_the_same_loss():
    meaning = {}
    for study in ALL:
        for variant in study.variants:
            assert meaning.setdefault(variant.name, variant) == variant


def test_names_of_selections_and_claims_are_unique():
    selections = {}
    for study in ALL:
        for selection in study.selections:
            assert selections.setdefault(selection.name, selection) == selection
    claims = [claim.name for study in ALL for claim in study.claims]
    assert len(claims) == len(set(claims))


def test_grid_without_reference_is_refused():
    with pytest.raises(ValueError, match="the grid must contain cross_entropy"):
        Study(name="x", title="", question="", variants=(), recipes={})


def test_grid_with_a_repeated_variant_is_refused():
    twice = (cross_entropy(), cross_entropy())
    with pytest.raises(ValueError, match="variant names repeat"):
        Study(name="x", title="", question="", variants=twice, recipes={})


def test_truncation_and_sweep_span_what_the_paper_asks():
    for scale, most in (("embedded", 100), ("paper", 600)):
        variants = STUDIES["truncation"].variants_at(scale)
        terms = [v.loss.terms for v in variants if v.loss.terms]
        assert terms == sorted(terms) and terms[0] <= 10 and terms[-1] >= most
    epsilons = [v.loss.epsilon[0] for v in STUDIES["epsilon_sweep"].variants if v.loss.epsilon]
    assert min(epsilons) == -1 and max(epsilons) == 6
    assert all(s.reference in [v.name for v in s.variants] for s in ALL)


def test_published_gains_are_differences_of_published_numbers():
    numbers, statements = published_numbers(), published_statements()
    verified = statements[statements["gain"].notna()]
    assert not verified.empty
    for _, row in verified.iterrows():
        gain = numbers.loc[row["improved"], "value"] - numbers.loc[row["baseline"], "value"]
        assert row["gain"] == pytest.approx(gain)


def test_at_every_scale_each_selection_has_candidates_and_each_claim_its_variants():
    for study in ALL:
        for scale in study.recipes:
            names = {v.name for v in study.variants_at(scale)}
            assert study.reference in names
            for claim in study.claims:
                contrasts = contrasts_at(study, claim, scale)
                assert contrasts
                for contrast in contrasts:
                    assert {w for w in contrast.weights if not w.startswith("@")} <= names
                    for selection in (s for s in study.selections if s.name in contrast.selections):
                        assert names & set(selection.candidates)


def test_a_restriction_to_unknown_variants_is_refused():
    with pytest.raises(ValueError, match="the variants at scale paper must be of its grid"):
        Study(
            name="x",
            title="",
            question="",
            variants=(cross_entropy(),),
            recipes={},
            restricted={"paper": (REFERENCE, "poly1_e+9")},
        )


@pytest.mark.parametrize("kind", ["equivalence", "at_most"])
def test_a_claim_that_needs_a_margin_cannot_be_stated_without_one(kind):
    words = f"the {kind} contrast of box_ap between a, b needs a margin, stated before the runs"
    with pytest.raises(ValueError, match=words):
        Contrast(weights={"a": 1, "b": -1}, metric="box_ap", kind=kind)


def test_a_margin_within_which_nothing_can_lie_is_refused():
    with pytest.raises(ValueError, match="a margin of 0, within which nothing can be shown"):
        Contrast(weights={"a": 1, "b": -1}, metric="top1", kind="equivalence", margin=0.0)


@pytest.mark.parametrize("kind", ["equivalence", "at_most"])
def test_a_sign_where_it_says_nothing_is_refused(kind):
    """Nobody should believe that "at most" with a sign is "at least"."""
    with pytest.raises(ValueError, match=f"the {kind} contrast of top1 between a, b has a sign"):
        Contrast(weights={"a": 1, "b": -1}, metric="top1", kind=kind, margin=0.3, sign=-1)


def test_a_claim_without_contrasts_is_refused_by_name():
    with pytest.raises(ValueError, match="claim c has no contrasts, so no run could decide it"):
        Claim(name="c", statement="", quantity="", contrasts=())


def test_only_equivalences_step_down():
    contrast = Contrast(weights={"a": 1, "b": -1}, metric="top1")
    with pytest.raises(ValueError, match="claim c: step_down needs equivalence contrasts"):
        Claim(name="c", statement="", quantity="", contrasts=(contrast,), step_down=True)


def test_average_precision_stands_beside_recall_in_the_claims_about_detectors():
    for study in (STUDIES["mask_rcnn_epsilon"], STUDIES["retinanet_epsilon"]):
        metrics = {contrast.metric for claim in study.claims for contrast in claim.contrasts}
        assert {"box_ar100", "box_ap"} <= metrics


def test_planning_needs_neither_torch_nor_timm():
    code = (
        "import sys; import polyrepro.plan, polyrepro.cli, polyrepro.figures; "
        "sys.exit(bool({'torch', 'timm', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_detection_is_compared_with_the_loss_that_the_detector_has():
    assert STUDIES["mask_rcnn_epsilon"].reference == REFERENCE
    retinanet = STUDIES["retinanet_epsilon"]
    assert {v.loss.gamma for v in retinanet.variants} == {2.0}
    assert retinanet.reference == "focal_g2" and retinanet.metric == "box_ar100"
    for study in (STUDIES["mask_rcnn_epsilon"], retinanet):
        epsilons = {v.loss.epsilon for v in study.variants}
        assert epsilons == {(), (-1.0,), (-0.5,), (1.0,), (2.0,)}
        assert study.seeds_at("embedded", 5) == 3 and study.seeds_at("paper", 5) == 5
        assert study.seeds_at("embedded", 2) == 2


def test_boxes_in_point_clouds_are_compared_with_the_focal_loss():
    study = STUDIES["pointpillars_epsilon"]
    assert {v.loss.epsilon for v in study.variants} == {(), (-1.0,), (-0.4,), (1.0,)}
    assert {v.loss.gamma for v in study.variants} == {2.0}
    assert study.reference == "focal_g2"
    assert study.seeds_at("embedded", 5) == 3
    metrics = {contrast.metric for claim in study.claims for contrast in claim.contrasts}
    assert {"vehicle_ap_l1", "pedestrian_ap_l1", "mean_pt_foreground"} == metrics


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": {"embedded": "kanij"}}, "unknown recipe 'kanij'; did you mean 'kanji'"),
        ({"recipes": {"embeded": "kanji"}}, "unknown scale 'embeded'; did you mean 'embedded'"),
        ({"claims": (claim_about("many_terms_neded"),)}, "did you mean 'many_terms_needed'"),
        ({"variants": (Variant(name=REFERENCE, loss=poly_loss(terms=3)),)}, "another training"),
    ],
)
def test_what_does_not_fit_is_an_error_when_the_studies_are_imported(changes, message):
    study = {"name": "x", "title": "", "question": "", "recipes": {}}
    study |= {"variants": (cross_entropy(),)}
    with pytest.raises(StudyError, match=message):
        check_studies([STUDIES["truncation"], Study(**study | changes)], SCALES)


def test_a_claim_about_an_unknown_selection_is_refused():
    with pytest.raises(ValueError, match="no variants or selections of study x: @best"):
        Study(
            name="x",
            title="",
            question="",
            variants=(cross_entropy(),),
            recipes={},
            claims=(claim_about(None, "@best"),),
        )
