import pytest

from lesionmap.operators.dicom import codes
from lesionmap.operators.dicom.code_check import code_fault, has_check_digit
from lesionmap.operators.dicom.codes import Code


def test_all_codes_of_ours_are_in_the_dictionaries():
    ours = [item for item in vars(codes).values() if isinstance(item, Code)]
    assert ours
    assert [code_fault(item) for item in ours] == [None] * len(ours)


@pytest.mark.parametrize("value", ["39607008", "7771000", "108369006"])
def test_a_wrong_or_exchanged_digit_is_seen(value):
    assert has_check_digit(value)
    for place in range(len(value)):
        for digit in "0123456789":
            other = value[:place] + digit + value[place + 1 :]
            assert has_check_digit(other) == (other == value)
    for place in range(len(value) - 1):
        other = value[:place] + value[place + 1] + value[place] + value[place + 2 :]
        assert has_check_digit(other) == (other == value)


@pytest.mark.parametrize("value", ["", "1", "3960 7008", "T-28000", "٣٩٦٠٧٠٠٨", "1" * 19])
def test_what_is_no_number_of_snomed_is_none(value):
    assert not has_check_digit(value)
    assert code_fault(Code(value, "SCT", "Lung"), trusted=True)


def test_each_fault_says_what_to_do():
    assert code_fault(Code("39607008", "SCT", " lung ")) is None
    assert "means Lung or" in code_fault(Code("39607008", "SCT", "Liver"))
    assert "trusted" in code_fault(Code("39607008", "XYZ", "Lung"))
    assert code_fault(Code("T-28000", "SRT", "Lung"), trusted=True) is None
