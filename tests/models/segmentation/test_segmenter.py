import numpy as np
import pytest

from lesionmap.models.core.boxes import Box2D
from lesionmap.models.core.errors import ModelError
from lesionmap.models.segmentation.segmenter import BoxSegmenter


def bright_square(rows=96, columns=128):
    image = np.zeros((rows, columns), np.uint8)
    image[20:60, 40:90] = 255
    return image


def test_a_mask_is_on_the_grid_of_the_image(segmenter):
    logits = segmenter.decode(segmenter.encode(bright_square()), [Box2D(0, 38, 18, 54, 44)])
    found = logits[0] > 0
    wanted = bright_square() > 0
    assert logits.shape == (1, 96, 128)
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.95


def test_a_mask_stays_near_its_box(segmenter):
    box = Box2D(0, 40, 20, 20, 20)
    logits = segmenter.decode(segmenter.encode(bright_square()), [box])
    rows, columns = np.nonzero(logits[0] > 0)
    assert columns.max() < 40 + 20 * 1.2 + 1
    assert rows.max() < 20 + 20 * 1.2 + 1


def test_boxes_reach_the_decoder_in_network_pixels(encoder, make_decoder):
    decoder = make_decoder()
    segmenter = BoxSegmenter(encoder, decoder)
    segmenter.decode(segmenter.encode(bright_square()), [Box2D(0, 40, 20, 50, 40)])
    assert decoder.boxes[-1].tolist() == [[20, 10, 45, 30]]


def test_one_encoding_serves_many_boxes(segmenter, encoder):
    before = encoder.calls
    embedding = segmenter.encode(bright_square())
    segmenter.decode(embedding, [Box2D(0, 5, 5, 9, 9), Box2D(0, 40, 20, 9, 9)])
    segmenter.decode(embedding, [Box2D(0, 7, 7, 9, 9)])
    assert encoder.calls == before + 1


def test_no_box_gives_no_mask(segmenter):
    assert segmenter.decode(segmenter.encode(bright_square()), []).shape == (0, 96, 128)


def test_colour_is_taken_as_it_is(segmenter):
    colour = np.repeat(bright_square()[..., None], 3, axis=2)
    box = [Box2D(0, 38, 18, 54, 44)]
    grey = segmenter.decode(segmenter.encode(bright_square()), box)
    assert np.allclose(segmenter.decode(segmenter.encode(colour), box), grey)


def test_swapped_graphs_are_refused(make_encoder, make_decoder):
    with pytest.raises(ModelError, match="role is decoder"):
        BoxSegmenter(make_decoder(), make_encoder())


def test_graphs_of_different_sizes_are_refused(make_encoder, make_decoder):
    with pytest.raises(ModelError, match="different input sizes"):
        BoxSegmenter(make_encoder(), make_decoder({"lesionmap.input_size": "512"}))


@pytest.mark.parametrize("stated", [{"lesionmap.input_size": "wide"}])
def test_a_graph_that_does_not_state_its_size_is_refused(make_encoder, make_decoder, stated):
    with pytest.raises(ModelError, match="input size"):
        BoxSegmenter(make_encoder(stated), make_decoder())


def test_an_unknown_mask_selection_is_refused(make_encoder, make_decoder):
    with pytest.raises(ModelError, match="mask selection"):
        BoxSegmenter(make_encoder(), make_decoder({"lesionmap.mask_selection": "newest"}))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(make_encoder, make_decoder, number):
    with pytest.raises(ModelError, match="not finite"):
        BoxSegmenter(make_encoder(), make_decoder(fill=number))


def test_the_best_of_several_masks_is_chosen_where_the_graph_says_so(make_encoder, make_decoder):
    decoder = make_decoder({"lesionmap.mask_selection": "stable"}, masks=4)
    segmenter = BoxSegmenter(make_encoder(), decoder)
    logits = segmenter.decode(segmenter.encode(bright_square()), [Box2D(0, 38, 18, 54, 44)])
    assert (logits[0] > 0).any()


def test_logits_that_are_not_numbers_are_refused(encoder, make_decoder, monkeypatch):
    decoder = make_decoder()
    answer = decoder.run

    def spoil(feeds):
        outputs = answer(feeds)
        return {**outputs, "mask_logits": np.full_like(outputs["mask_logits"], np.nan)}

    monkeypatch.setattr(decoder, "run", spoil)
    with pytest.raises(ModelError, match="not finite"):
        BoxSegmenter(encoder, decoder)  # the first run is the warm-up
