from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import IdentityError
from lesionmap.operators.dicom.codes import LEFT, LESION, RIGHT, Code
from lesionmap.operators.dicom.selection import Finding, Rule, TagTest, select_rule


def header():
    dataset = Dataset()
    dataset.Modality = "MR"
    dataset.SeriesDescription = "Ax T1 post contrast"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.Rows = 256
    dataset.PixelSpacing = [0.9, 1.1]
    return dataset


@pytest.mark.parametrize(
    ("test", "passes"),
    [
        (TagTest("Modality", values=("CT", "MR")), True),
        (TagTest("Modality", values=("CT",)), False),
        (TagTest("ImageType", values=("PRIMARY",)), True),
        (TagTest("SeriesDescription", pattern="t1.*(post|\\+c)"), True),
        (TagTest("SeriesDescription", pattern="flair"), False),
        (TagTest("BodyPartExamined", pattern="brain"), False),
        (TagTest("Rows", minimum=64, maximum=512), True),
        (TagTest("Rows", minimum=300), False),
        (TagTest("PixelSpacing", maximum=1.0), False),
        (TagTest("Modality", minimum=1), False),
        (TagTest("SliceThickness", minimum=1), False),
    ],
)
def test_values_patterns_and_ranges(test, passes):
    assert (test.failure(header()) is None) == passes


def rule(name, *tests):
    return Rule(name, tests, "Lesion", LESION)


def test_the_first_rule_that_matches_wins():
    rules = [rule("a", TagTest("Modality", ("CT",))), rule("b"), rule("c")]
    assert select_rule(rules, header())[0].name == "b"


def test_the_reason_names_elements_and_never_their_values():
    rules = [
        rule("a", TagTest("SeriesDescription", pattern="flair")),
        rule("b", TagTest("Rows", minimum=999)),
    ]
    chosen, why = select_rule(rules, header())
    assert chosen is None
    assert why == "a: SeriesDescription does not match /flair/; b: Rows is not in 999 to None"


def sided(**stated):
    dataset = header()
    for keyword, value in stated.items():
        setattr(dataset, keyword, value)
    return dataset


SITED = replace(rule("a"), site=Code("76752008", "SCT", "Breast"))


@pytest.mark.parametrize(
    ("stated", "side"),
    [
        ([{"Laterality": "L"}], LEFT),
        ([{"ImageLaterality": "R"}, {"Laterality": "R"}], RIGHT),
        ([{"ImageLaterality": "R", "Laterality": "L"}], RIGHT),
        ([{"Laterality": "L"}, {"Laterality": "R"}], None),
        ([{"Laterality": "L"}, {}], None),
        ([{"Laterality": "B"}], None),
        ([{}], None),
    ],
)
def test_the_side_is_that_of_all_headers_or_none(stated, side):
    asks = replace(SITED, side_from_header=True)
    assert asks.for_series([sided(**item) for item in stated]).laterality == side


def test_a_rule_never_contradicts_the_header():
    left = replace(SITED, laterality=LEFT)
    assert left.for_series([sided(), sided(Laterality="L")]).laterality == LEFT
    with pytest.raises(IdentityError, match="other side"):
        left.for_series([sided(), sided(Laterality="R")])


def test_the_side_of_a_rule_stays_with_its_site():
    """A liver is not "Liver, Left" where the rule's breast is the left one."""
    breast, liver = Code("76752008", "SCT", "Breast"), Code("10200004", "SCT", "Liver")
    findings = tuple(
        Finding(label, label, LESION, LESION, site)
        for label, site in (("here", breast), ("elsewhere", liver))
    )
    sided_rule = replace(rule("a"), site=breast, laterality=LEFT, findings=findings)
    assert sided_rule.for_label("here").laterality == LEFT
    assert sided_rule.for_label("elsewhere").laterality is None
