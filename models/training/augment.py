"""Random changes of a fitted image, with boxes that stay tight.

A lesion travels as the corner points of its outline's convex hull. An affine map of
the hull gives the exact box afterwards, which the corners of a box would not.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.training.datasets.sample import Sample

Hull = Float32[np.ndarray, "points 2"]

# A lesion with less than this part of its box left in the image is not taught.
KEPT_PART = 0.4
SMALLEST_SIDE_PX = 3.0

# Skin is on top in ultrasound, and heads lie on their back: these are only mirrored.
HAVE_A_TOP = frozenset({"brain", "breast"})


@dataclass(frozen=True, eq=False)
class Fitted:
    """A sample in network pixels: a square 8-bit image and a hull for each lesion."""

    source: str
    image: UInt8[np.ndarray, "size size *colour"]
    extent: tuple[int, int]
    hulls: tuple[Hull, ...]


def fit_sample(sample: Sample, size: int) -> Fitted:
    """Fit a sample into the network's square, exactly as run time does."""
    rows, columns = sample.image.shape[:2]
    box = Letterbox(rows, columns, size)
    outlines = [_mask_hull(mask) for mask in sample.masks] or [_ellipse(b) for b in sample.boxes]
    hulls = tuple(box.to_network(np.tile(hull, 2))[:, :2] for hull in outlines)
    return Fitted(sample.source, box.fit_uint8(sample.image), box.fitted, hulls)


def hull_boxes(hulls: tuple[Hull, ...]) -> Float32[np.ndarray, "n 4"]:
    """Return the tight x0, y0, x1, y1 box of every hull."""
    corners = [np.concatenate([hull.min(axis=0), hull.max(axis=0)]) for hull in hulls]
    return np.array(corners, np.float32).reshape(-1, 4)


def augment(
    fitted: Fitted, rng: np.random.Generator, *, strength: float = 1.0
) -> tuple[UInt8[np.ndarray, "size size *colour"], Float32[np.ndarray, "n 4"]]:
    """Return a randomly moved and toned copy of an image, and its boxes.

    Args:
        fitted: the image.
        rng: source of chance.
        strength: scales turn, zoom, aspect, shift and tone; flips stay.
    """
    size = fitted.image.shape[0]
    matrix = _random_affine(fitted, rng, strength)
    image = cv2.warpAffine(fitted.image, _to_centres(matrix), (size, size), flags=cv2.INTER_LINEAR)
    hulls = tuple(hull @ matrix[:, :2].T + matrix[:, 2] for hull in fitted.hulls)
    boxes = crop_boxes(hull_boxes(hulls), (0.0, 0.0, float(size), float(size)))
    return _tone(image, rng, strength), boxes


def crop_boxes(
    boxes: Float32[np.ndarray, "n 4"], frame: tuple[float, float, float, float]
) -> Float32[np.ndarray, "m 4"]:
    """Cut boxes at a frame and drop those of which too little is left."""
    if not len(boxes):
        return boxes
    low, high = np.array(frame[:2] * 2, np.float32), np.array(frame[2:] * 2, np.float32)
    cut = np.clip(boxes, low, high)
    sides = cut[:, 2:] - cut[:, :2]
    part = np.prod(sides, axis=1) / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept: Float32[np.ndarray, "m 4"] = cut[(part >= KEPT_PART) & (sides.min(1) >= SMALLEST_SIDE_PX)]
    return kept


def mix_halves(
    first: tuple[UInt8[np.ndarray, "s s *c"], Float32[np.ndarray, "n 4"]],
    second: tuple[UInt8[np.ndarray, "s s *c"], Float32[np.ndarray, "m 4"]],
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "s s *c"], Float32[np.ndarray, "k 4"]]:
    """Join one side of an image with the other side of a second one."""
    size = first[0].shape[0]
    cut = int(size * rng.uniform(0.35, 0.65))
    image = first[0].copy()
    edge = float(size)
    if rng.random() < 0.5:
        image[:, cut:] = second[0][:, cut:]
        frames = (0.0, 0.0, float(cut), edge), (float(cut), 0.0, edge, edge)
    else:
        image[cut:] = second[0][cut:]
        frames = (0.0, 0.0, edge, float(cut)), (0.0, float(cut), edge, edge)
    kept = [crop_boxes(part[1], frame) for part, frame in zip((first, second), frames, strict=True)]
    return image, np.concatenate(kept)


def _random_affine(
    fitted: Fitted, rng: np.random.Generator, strength: float
) -> Float32[np.ndarray, "2 3"]:
    """Draw flips, turn, scale, aspect and shift about the middle of the image."""
    rows, columns = fitted.extent
    zoom = np.exp(strength * rng.uniform(-0.35, 0.30))
    aspect = np.exp(strength * rng.uniform(-0.15, 0.15))
    angle = np.deg2rad(strength * rng.uniform(-12, 12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([zoom * aspect, zoom / aspect])
    linear = linear @ np.diag([rng.choice([-1, 1]), 1])
    if fitted.source not in HAVE_A_TOP:
        linear = linear @ np.diag([1, rng.choice([-1, 1])])
        if rng.random() < 0.5:
            linear = linear[:, ::-1]
    middle = np.array([columns, rows]) / 2
    shift = strength * rng.uniform(-0.12, 0.12, 2) * fitted.image.shape[0]
    offset = middle + shift - linear @ middle
    return np.column_stack([linear, offset]).astype(np.float32)


def _to_centres(edges: Float32[np.ndarray, "2 3"]) -> Float32[np.ndarray, "2 3"]:
    """Turn a map of pixel edges into one of pixel centres, which OpenCV counts in."""
    linear, offset = edges[:, :2], edges[:, 2]
    return np.column_stack([linear, offset + linear @ [0.5, 0.5] - 0.5]).astype(np.float32)


def _tone(
    image: UInt8[np.ndarray, "s s *c"], rng: np.random.Generator, strength: float
) -> UInt8[np.ndarray, "s s *c"]:
    """Change gamma, gain, colour balance, sharpness and noise."""
    gamma = np.exp(strength * rng.uniform(-0.4, 0.4))
    gain = 1 + strength * rng.uniform(-0.2, 0.2)
    curve = 255 * gain * np.linspace(0, 1, 256) ** gamma
    if image.ndim == 3:
        curves = curve[:, None] * (1 + strength * rng.uniform(-0.15, 0.15, 3))
        image = cv2.LUT(image, np.clip(curves, 0, 255).astype(np.uint8)[:, None, :])
    else:
        image = np.clip(curve, 0, 255).astype(np.uint8)[image]
    if rng.random() < 0.2 * strength:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.3 * strength:
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(1, 8)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def _mask_hull(mask: np.ndarray) -> Hull:
    """Return the convex hull of a mask's pixel corners as x, y in pixel edges."""
    y, x = np.nonzero(mask)
    corners = [np.column_stack([x + dx, y + dy]) for dx in (0, 1) for dy in (0, 1)]
    return cv2.convexHull(np.concatenate(corners).astype(np.float32))[:, 0]


def _ellipse(box: Float32[np.ndarray, " 4"]) -> Hull:
    """Return the outline of the ellipse inscribed in a box, for lesions without mask."""
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    outline: Hull = ((box[:2] + box[2:]) / 2 + circle * (box[2:] - box[:2]) / 2).astype(np.float32)
    return outline
