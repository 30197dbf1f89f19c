"""Follow one object a clip from frame to frame through SAM2's memory, in torch.

The trainer and the exporter share these steps. What a tracked frame starts from is, beside
the memory, the mask of the frame before it: a prior, like the ellipse on the frame with the box.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn
from torch.nn import functional

from lesionmap.models.segmentation.networks.graphs import DecoderGraph, EncoderGraph
from lesionmap.models.segmentation.networks.prior import LIMIT
from lesionmap.models.segmentation.networks.shape import NetworkShape

CARRY = 0.5
"""Weight of the earlier frame's logits, so that a border can move away from them."""


@dataclass(frozen=True)
class Tracked:
    """What one frame gives: mask logits at stride 4, predicted IoU, object score logits."""

    logits: Float[Tensor, "b 1 h h"]
    iou: Float[Tensor, "b 1"]
    score: Float[Tensor, "b 1"]


class Tracker(nn.Module):
    """A network unrolled over the frames of clips: a box on the first, memory on the others."""

    def __init__(self, network: SAM2Base, shape: NetworkShape) -> None:
        super().__init__()
        self.network = network
        self.encoder = EncoderGraph(network)
        self.decoder = DecoderGraph(network, shape)

    def forward(
        self, frames: Float[Tensor, "b t 3 s s"], boxes: Float[Tensor, "b 4"]
    ) -> list[Tracked]:
        """Return the object on every frame; the encoder gets no gradient."""
        count, length = frames.shape[:2]
        with torch.no_grad():
            maps = [m.unflatten(0, (count, length)) for m in self.encoder(frames.flatten(0, 1))]
        bank: dict[str, dict[int, Any]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
        found: list[Tracked] = []
        for index in range(length):
            embedding, *fine = (m[:, index] for m in maps)
            if index == 0:
                tracked, pointer = self._prompted(embedding, fine, boxes)
            else:
                source = self._recall(embedding, bank, index, length)
                tracked, pointer = self._carried(source, fine, found[-1])
            kind = "cond_frame_outputs" if index == 0 else "non_cond_frame_outputs"
            bank[kind][index] = self._remember(embedding, tracked, pointer, prompted=index == 0)
            found.append(tracked)
        return found

    def _prompted(
        self, embedding: Tensor, fine: list[Tensor], boxes: Tensor
    ) -> tuple[Tracked, Tensor]:
        prior = self.decoder._prior(boxes)
        points = boxes.reshape(-1, 2, 2), self.decoder.labels.expand(len(boxes), -1)
        source = embedding + self.network.no_mem_embed.reshape(1, -1, 1, 1)
        return self._decode(source, fine, points, prior)

    def _carried(
        self, source: Tensor, fine: list[Tensor], before: Tracked
    ) -> tuple[Tracked, Tensor]:
        prior = CARRY * before.logits.detach().clamp(-LIMIT, LIMIT)
        none = torch.zeros(len(prior), 1, 2), -torch.ones(len(prior), 1)
        return self._decode(source, fine, none, prior)

    def _decode(
        self,
        source: Tensor,
        fine: list[Tensor],
        points: tuple[Tensor, Tensor],
        prior: Tensor | None,
    ) -> tuple[Tracked, Tensor]:
        network, decoder = self.network, self.network.sam_mask_decoder
        sparse, dense = network.sam_prompt_encoder(points=points, boxes=None, masks=prior)
        tokens, pixels = self.decoder._attend(source + dense, sparse)
        logits = self.decoder._masks(tokens[:, 2:], self.decoder._upscale(pixels, *fine))
        logits = logits if prior is None else logits + prior
        iou = decoder.iou_prediction_head(tokens[:, 1])[:, :1]
        score = decoder.pred_obj_score_head(tokens[:, 0])
        there = (score > 0).float()
        pointer = there * network.obj_ptr_proj(tokens[:, 2]) + (1 - there) * network.no_obj_ptr
        return Tracked(logits, iou, score), pointer

    def _recall(self, embedding: Tensor, bank: dict[str, Any], index: int, length: int) -> Tensor:
        return self.network._prepare_memory_conditioned_features(
            frame_idx=index,
            is_init_cond_frame=False,
            current_vision_feats=[_flat(embedding)],
            current_vision_pos_embeds=[_flat(self._positions(embedding))],
            feat_sizes=[tuple(embedding.shape[-2:])],
            output_dict=bank,
            num_frames=length,
        )

    def _remember(
        self, embedding: Tensor, tracked: Tracked, pointer: Tensor, *, prompted: bool
    ) -> dict[str, Any]:
        side = self.network.image_size
        fine = functional.interpolate(tracked.logits, size=(side, side), mode="bilinear")
        features, positions = self.network._encode_new_memory(
            [_flat(embedding)],
            [tuple(embedding.shape[-2:])],
            fine,
            tracked.score,
            is_mask_from_pts=prompted,
        )
        return {
            "maskmem_features": features,
            "maskmem_pos_enc": positions,
            "obj_ptr": pointer,
        }

    def _positions(self, embedding: Tensor) -> Tensor:
        return self.network.image_encoder.neck.position_encoding(embedding).to(embedding.dtype)


def _flat(feature: Float[Tensor, "b c e e"]) -> Float[Tensor, "p b c"]:
    return feature.flatten(2).permute(2, 0, 1)
