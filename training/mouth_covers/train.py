"""The network and its training."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional

from pipeline.avatars.faces.covers import CONTRAST_MIN, SIDE
from training.mouth_covers.samples import Samples

EPOCHS = 12
BATCH = 128
LEARNING_RATE = 4e-3
COVERED_SHARE, FREE_SHARE = 0.4, 0.03
"""Lips of which at least, or at most, this share is covered count as covered or free. Others are not used."""
FALSE_ALARM_COST = 3.0
"""Relative to a cover that is missed."""
CERTAINTY = 0.98
"""Of the labels: a network that is never quite sure is better calibrated."""
HELD_OUT = 8
"""Every so many-th portrait is not trained with."""
OPSET, IR_VERSION = 17, 8


def network() -> nn.Sequential:
    """From [n, 1, SIDE, SIDE] to logits [n, 1]."""
    channels, strides = (1, 16, 24, 32, 32, 48), (2, 1, 2, 1, 2)
    layers: list[nn.Module] = []
    for before, after, stride in zip(channels, channels[1:], strides, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    flat = channels[-1] * (SIDE // 8) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(flat, 32), nn.ReLU(), nn.Linear(32, 1))


def normalised(parts: torch.Tensor) -> torch.Tensor:
    """As `Covers.probability` does it: [n, 1, SIDE, SIDE]."""
    mean, deviation = parts.mean((-2, -1), keepdim=True), parts.std((-2, -1), keepdim=True, correction=0)
    return (parts - mean) / (deviation + CONTRAST_MIN)


def trained(samples: Samples) -> nn.Sequential:
    """Train; print after each epoch how many of the held-out samples are misjudged. Seeded."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    labels = np.where(samples.covered >= COVERED_SHARE, 1.0, 0.0)
    used = (samples.covered >= COVERED_SHARE) | (samples.covered <= FREE_SHARE)
    held = samples.portraits % HELD_OUT == HELD_OUT - 1
    parts, wanted = _tensors(samples.parts[used & ~held], labels[used & ~held])
    tests, expected = _tensors(samples.parts[used & held], labels[used & held])
    model, steps = network(), EPOCHS * (len(parts) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps + 1)
    for epoch in range(EPOCHS):
        model.train()
        for chosen in torch.randperm(len(parts), generator=generator).split(BATCH)[: steps // EPOCHS]:
            logits = model(normalised(_augmented(parts[chosen], generator)))[:, 0]
            target = wanted[chosen]
            cost = torch.where(target > 0.5, 1.0, FALSE_ALARM_COST)
            soft = target * CERTAINTY + (1 - target) * (1 - CERTAINTY)
            loss = (functional.binary_cross_entropy_with_logits(logits, soft, reduction="none") * cost).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            sure = model(normalised(tests))[:, 0].sigmoid()
        alarms, missed = ((sure[expected == truth] > 0.5) != truth for truth in (0, 1))
        print(
            f"{epoch}: {int(alarms.sum())} of {len(alarms)} false alarms, {int(missed.sum())} of {len(missed)} missed"
        )
    return model


def _tensors(parts: NDArray[np.uint8], labels: NDArray[np.float64]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(parts).float()[:, None], torch.from_numpy(labels).float()


def _augmented(parts: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirrored, turned, scaled, narrowed and shifted a little, with grain."""
    count = len(parts)
    if torch.rand(1, generator=generator) < 0.5:
        parts = parts.flip(-1)
    turn, scale = torch.randn(count, generator=generator) * 0.08, 1 + torch.randn(count, generator=generator) * 0.07
    shift = torch.randn(count, 2, generator=generator) * 0.05
    narrow = 1 + torch.randn(count, generator=generator) * 0.1
    across, down = scale * turn.cos(), scale * turn.sin()
    first = torch.stack([across * narrow, -down, shift[:, 0]], 1)
    places = torch.stack([first, torch.stack([down * narrow, across, shift[:, 1]], 1)], 1)
    grid = functional.affine_grid(places, list(parts.shape), align_corners=False)
    parts = functional.grid_sample(parts, grid, padding_mode="border", align_corners=False)
    grain = torch.rand(count, 1, 1, 1, generator=generator) * 4
    return parts + torch.randn(parts.shape, generator=generator) * grain


def export(model: nn.Sequential) -> bytes:
    """The network as ONNX, with the batch normalisation folded into the convolutions."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    name = "mouth"
    layers = list(model)
    for number, layer in enumerate(layers):
        made, inputs = f"layer{number}", [name, f"weight{number}", f"bias{number}"]
        if isinstance(layer, nn.Conv2d):
            following = layers[number + 1]
            assert isinstance(following, nn.BatchNorm2d)
            folded = nn.utils.fuse_conv_bn_eval(layer, following)
            weights += _weights(folded, inputs)
            nodes.append(helper.make_node("Conv", inputs, [made], pads=[1] * 4, strides=list(layer.stride)))
        elif isinstance(layer, nn.Linear):
            weights += _weights(layer, inputs)
            nodes.append(helper.make_node("Gemm", inputs, [made], transB=1))
        elif isinstance(layer, nn.ReLU | nn.Flatten):
            nodes.append(helper.make_node("Relu" if isinstance(layer, nn.ReLU) else "Flatten", [name], [made]))
        else:
            continue
        name = made
    ends = (
        helper.make_tensor_value_info("mouth", onnx.TensorProto.FLOAT, [1, 1, SIDE, SIDE]),
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1]),
    )
    graph = helper.make_graph(nodes, "covers", [ends[0]], [ends[1]], weights)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(whole)
    return bytes(whole.SerializeToString())


def _weights(layer: nn.Conv2d | nn.Linear, inputs: list[str]) -> list[onnx.TensorProto]:
    assert layer.bias is not None
    values = zip((layer.weight, layer.bias), inputs[1:], strict=True)
    return [numpy_helper.from_array(value.detach().numpy(), name) for value, name in values]
