# SPDX-License-Identifier: Apache-2.0
"""Saturated outputs and their errors for inputs that are larger than the calibration inputs.

Two small networks with random weights are quantised on normally distributed inputs, and run on such
inputs times a factor. Prints one JSON object a line: network, act_width, factor, the largest share
of saturated outputs of a layer, the RMS error of the outputs as a share of the largest output, and
the share of answers that differ from the float network's.
"""
import json
from collections.abc import Iterator

import numpy as np
import openeie
import torch
from openeie.core import golden
from torch import nn

CALIBRATION = 200
INPUTS = 300
SEED = 1
FACTORS = (1, 1.5, 2, 2.5, 3, 4, 6)


def networks() -> Iterator[tuple[str, nn.Module, tuple[int, ...]]]:
    """Name, module and input shape of each network."""
    torch.manual_seed(SEED)
    yield "mlp", nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(),
                               nn.Linear(50, 10)), (64,)
    yield "conv", nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Flatten(),
                                nn.Linear(32 * 36, 10)), (3, 16, 16)


def measure(name: str, module: nn.Module, shape: tuple[int, ...], act_width: int) -> None:
    """Print a row for each factor."""
    rng = np.random.default_rng(SEED)
    high = (1 << (act_width - 1)) - 1
    scale = 32 / (1 << act_width)                # the range is 16, some six times what is used

    def draw(count: int, factor: float) -> np.ndarray:
        values = rng.standard_normal((count, *shape)) * factor
        return np.rint(values / scale).clip(-high - 1, high).astype(int)

    network = openeie.quantise(module, draw(CALIBRATION, 1) * scale, act_width=act_width,
                               input_range=(-high - 1, high), input_scale=scale)
    for factor in FACTORS:
        x = draw(INPUTS, factor)
        run = golden.run(network, openeie.to_array_order(x))
        with torch.no_grad():
            wanted = module(torch.tensor(x * scale, dtype=torch.float32)).numpy()
        outputs = run.outputs * network.layers[-1].output_scale
        error = np.sqrt(np.mean((outputs - wanted) ** 2)) / np.abs(wanted).max()
        print(json.dumps({
            "network": name, "act_width": act_width, "factor": factor,
            "saturated_share": max(layer.saturated_share for layer in run.tiles),
            "rms_error": float(error),
            "other_answers": float(np.mean(outputs.argmax(1) != wanted.argmax(1)))}))


def main() -> None:
    """Print all rows."""
    for name, module, shape in networks():
        for act_width in (16, 8):
            measure(name, module, shape, act_width)


if __name__ == "__main__":
    main()
