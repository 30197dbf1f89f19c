"""The colour of each lesion: the same in the SEG, in RTSTRUCT, and in every picture."""

_COLOURS = (
    (230, 75, 53),
    (77, 187, 213),
    (255, 196, 0),
    (0, 160, 135),
    (190, 120, 220),
    (240, 130, 180),
)


def lesion_colour(number: int) -> tuple[int, int, int]:
    """Return red, green and blue of lesion ``number``, counted from 1; colours repeat."""
    return _COLOURS[(number - 1) % len(_COLOURS)]
