"""The networks that make pictures larger, built for the weights that are there: ESRGAN, Real-ESRGAN and compact ones.

Written from the papers and the published files' tensors rather than taken from a library of all such networks: that
one needs torchvision, which comes for one very version of torch, and nodes take whatever their range allows
(docs/engine.md). Wang et al., "ESRGAN" (2018) and "Real-ESRGAN" (2021); compact is the latter's SRVGGNetCompact.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle, pixel_unshuffle

from garret.service_runtime.upscaler_file import COMPACT, Network

SLOPE = 0.2
SHARE = 0.2
"""What a dense block and a group of three add of what they found."""
_DENSE = 5


def build(network: Network, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a file with its weights in place; `weights` have the file's own names.

    A picture [1, 3, height, width] from 0 to 1 becomes one `network.scale` times as large.
    """
    with torch.device("meta"):
        module = Compact(network) if network.family == COMPACT else Rrdb(network)
    state = {ours: weights[theirs] for ours, theirs in network.names.items()}
    module.load_state_dict(state, strict=True, assign=True)
    return module.requires_grad_(False).eval()


class Compact(nn.Module):
    """Plain convolutions at the small size; the last one's channels become the pixels between."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._scale = network.scale
        width, layers = network.width, []
        for before in (3, *(width for _ in range(network.depth))):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * network.scale**2, 3, padding=1))

    def forward(self, picture: Tensor) -> Tensor:
        """Return the larger picture: what is found is added to the picture's own pixels, each taken several times."""
        larger = interpolate(picture, scale_factor=self._scale, mode="nearest")
        return pixel_shuffle(self.body(picture), self._scale) + larger


class Rrdb(nn.Module):
    """Residual groups of dense blocks at the small size, then doublings by pixels and a convolution each.

    Where a network doubles more than the picture is to grow, as Real-ESRGAN's for 2x, it takes the picture folded.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        width = network.width
        self._folds = network.folds
        self.first = _conv(3 * network.folds**2, width)
        self.body = nn.Sequential(*(Group(width, network.growth) for _ in range(network.depth)))
        self.after = _conv(width, width)
        self.ups = nn.ModuleList(_conv(width, width) for _ in range(network.doublings))
        self.late = _conv(width, width)
        self.last = _conv(width, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """Return the larger picture; sides must be multiples of how often the picture is folded."""
        features = self.first(pixel_unshuffle(picture, self._folds) if self._folds > 1 else picture)
        features = features + self.after(self.body(features))
        for up in self.ups:
            features = leaky_relu(up(interpolate(features, scale_factor=2, mode="nearest")), SLOPE)
        larger: Tensor = self.last(leaky_relu(self.late(features), SLOPE))
        return larger


class Group(nn.Module):
    """Three dense blocks, and the way around them."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Dense(width, growth) for _ in range(3))

    def forward(self, features: Tensor) -> Tensor:
        """Return features with what the blocks found."""
        found = features
        for block in self.blocks:
            found = block(found)
        return features + found * SHARE


class Dense(nn.Module):
    """Five convolutions, each of which sees what all before it found."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        sizes = [(width + at * growth, growth) for at in range(_DENSE - 1)]
        self.convs = nn.ModuleList(_conv(*size) for size in (*sizes, (width + (_DENSE - 1) * growth, width)))

    def forward(self, features: Tensor) -> Tensor:
        """Return features with what was found."""
        seen = features
        for conv in self.convs[:-1]:
            seen = torch.cat((seen, leaky_relu(conv(seen), SLOPE)), 1)
        found: Tensor = self.convs[-1](seen)
        return features + found * SHARE


def _conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)
