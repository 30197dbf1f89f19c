import numpy as np

from lesionmap.models.segmentation.selection import MaskSelection, select_masks


def masks(*levels):
    return np.stack([np.full((4, 4), level, np.float32) for level in levels])[None]


IOU = np.array([[0.9, 0.2, 0.8, 0.5]], np.float32)


def test_first_takes_the_single_mask():
    chosen = select_masks(masks(1, 2, 3, 4), IOU, MaskSelection.FIRST)
    assert (chosen == 1).all()


def test_a_stable_single_mask_is_kept():
    assert (select_masks(masks(1, 2, 3, 4), IOU, MaskSelection.STABLE) == 1).all()


def test_an_unstable_single_mask_gives_way_to_the_best_of_the_others():
    assert (select_masks(masks(0, 2, 3, 4), IOU, MaskSelection.STABLE) == 3).all()


def test_an_empty_single_mask_is_stable():
    assert (select_masks(masks(-9, 2, 3, 4), IOU, MaskSelection.STABLE) == -9).all()


def test_boxes_are_decided_one_by_one():
    both = np.concatenate([masks(1, 2, 3, 4), masks(0, 2, 3, 4)])
    chosen = select_masks(both, np.repeat(IOU, 2, 0), MaskSelection.STABLE)
    assert chosen[:, 0, 0].tolist() == [1, 3]
