"""The two graphs of a box segmenter; the trainer and the exporter share them."""

import torch
from jaxtyping import Float
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn
from torch.nn import functional

from lesionmap.models.segmentation.networks.prior import ellipse_logits
from lesionmap.models.segmentation.networks.shape import NetworkShape

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LOGIT_STRIDE = 4
BOX_CORNER_LABELS = (2.0, 3.0)
"""How SAM2 marks the top-left and the bottom-right corner of a box prompt."""


class EncoderGraph(nn.Module):
    """Image in 0..1 to the embedding and the two high-resolution maps.

    The embedding is raw: it can feed the decoder graph as well as SAM2's memory
    attention and memory encoder.
    """

    def __init__(self, network: SAM2Base) -> None:
        super().__init__()
        self.network = network
        self.register_buffer(
            "mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False
        )

    def forward(
        self, image: Float[Tensor, "n 3 s s"]
    ) -> tuple[Float[Tensor, "n 256 e e"], Float[Tensor, "n 32 h h"], Float[Tensor, "n 64 m m"]]:
        """Return embedding (stride 16), high_res_0 (stride 4), high_res_1 (stride 8)."""
        maps = self._neck(self.network.image_encoder.trunk((image - self.mean) / self.std))
        decoder = self.network.sam_mask_decoder
        return maps[2], decoder.conv_s0(maps[0]), decoder.conv_s1(maps[1])

    def _neck(self, features: list[Tensor]) -> list[Tensor]:
        """Run SAM2's feature pyramid without the positional encodings it also makes."""
        neck = self.network.image_encoder.neck
        maps: list[Tensor] = []
        for level in range(len(neck.convs) - 1, -1, -1):
            lateral = neck.convs[len(neck.convs) - 1 - level](features[level])
            if level in neck.fpn_top_down_levels and maps:
                lateral = lateral + functional.interpolate(maps[0], scale_factor=2.0)
            maps.insert(0, lateral)
        return maps


class DecoderGraph(nn.Module):
    """Embedding and boxes to mask logits, predicted IoU and object score.

    The maps have a batch of one (all boxes on one image) or of n (one a box).
    """

    def __init__(self, network: SAM2Base, shape: NetworkShape) -> None:
        super().__init__()
        self.network = network
        self.shape = shape
        self.register_buffer("labels", torch.tensor([BOX_CORNER_LABELS]), persistent=False)

    def forward(
        self,
        embedding: Float[Tensor, "b 256 e e"],
        high_res_0: Float[Tensor, "b 32 h h"],
        high_res_1: Float[Tensor, "b 64 m m"],
        boxes: Float[Tensor, "n 4"],
    ) -> tuple[Float[Tensor, "n k h h"], Float[Tensor, "n k"], Float[Tensor, "n 1"]]:
        """Return mask logits at stride 4, predicted IoU, and object score logits."""
        prior = self._prior(boxes)
        points = boxes.reshape(-1, 2, 2), self.labels.expand(boxes.shape[0], -1)
        sparse, dense = self.network.sam_prompt_encoder(points=points, boxes=None, masks=prior)
        source = embedding + self.network.no_mem_embed.reshape(1, -1, 1, 1) + dense
        tokens, pixels = self._attend(source, sparse)
        logits = self._masks(tokens[:, 2:], self._upscale(pixels, high_res_0, high_res_1))
        if prior is not None:
            logits = logits + prior
        decoder = self.network.sam_mask_decoder
        iou = decoder.iou_prediction_head(tokens[:, 1])[:, : self.shape.mask_count]
        return logits, iou, decoder.pred_obj_score_head(tokens[:, 0])

    def _prior(self, boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 1 h h"] | None:
        if not self.shape.ellipse_prior:
            return None
        return ellipse_logits(boxes, self.shape.input_size // LOGIT_STRIDE, LOGIT_STRIDE)

    def _attend(self, source: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """Run the two-way transformer; returns output tokens and the pixel map.

        Source: Kirillov et al. 2023 (Segment Anything), appendix A; sam2 mask decoder.
        """
        decoder = self.network.sam_mask_decoder
        parts = [decoder.obj_score_token, decoder.iou_token, decoder.mask_tokens]
        learnt = torch.cat([part.weight for part in parts])
        tokens = torch.cat([learnt.expand(sparse.shape[0], -1, -1), sparse], 1)
        positions = self.network.sam_prompt_encoder.get_dense_pe()
        attended, pixels = decoder.transformer(
            source, positions.expand(sparse.shape[0], -1, -1, -1), tokens
        )
        return attended, pixels.transpose(1, 2).reshape(source.shape)

    def _upscale(self, pixels: Tensor, high_res_0: Tensor, high_res_1: Tensor) -> Tensor:
        first, norm, activate, second, activate_last = (
            self.network.sam_mask_decoder.output_upscaling
        )
        middle = activate(norm(first(pixels) + high_res_1))
        fine: Tensor = activate_last(second(middle) + high_res_0)
        return fine

    def _masks(self, mask_tokens: Tensor, pixels: Tensor) -> Tensor:
        weigh = self.network.sam_mask_decoder.output_hypernetworks_mlps
        rows = [weigh[k](mask_tokens[:, k]) for k in range(self.shape.mask_count)]
        masks = torch.stack(rows, 1) @ pixels.flatten(2)
        return masks.reshape(-1, self.shape.mask_count, *pixels.shape[2:])
