# SPDX-License-Identifier: Apache-2.0
"""Train CifarNet on CIFAR-10: the float weights for its compression.

    python benchmarks/cifar.py DIR -o cifar.safetensors

DIR holds ``cifar10_train_jpeg.npz``. The last 5,000 training images are held out, and errors are
measured on them; the test set is not used. The weights are written after every epoch. The same
seed and tool versions give the same bytes.
"""
import argparse
import inspect
import sys
import time
from pathlib import Path

import numpy as np
from openeie.cli.common import one_line_errors
from openeie.cli.outputs import check_writable, write_atomically
from openeie.sw.compress.methods.one_cycle_sgd import (Cycle, FlipShift, fit_cycle, predict,
                                                       smooth_cross_entropy)
from openeie.sw.compress.methods.train import deterministic
from openeie.sw.data.cifar10 import load_cifar10
from openeie.sw.networks.cifar import CifarNet
from safetensors.torch import save as tensors_saved
from torch import nn

HELD_OUT = 5000
SCALE = 1 / 255
CYCLE = Cycle(epochs=11, rate=0.1)
AUGMENT = FlipShift(shift=2)
LOSS = smooth_cross_entropy(0.1)


def save(model: nn.Module, path: Path) -> None:
    """Write the module's parameters and statistics, in PyTorch's default memory layout."""
    write_atomically(path, tensors_saved({name: value.contiguous() for name, value
                                          in model.state_dict().items()}))


def main() -> None:
    """Train, and print the progress."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="of all random choices")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.safetensors")
    options = parser.parse_args()
    check_writable(options.out)
    images, labels = load_cifar10(options.data, "train")
    begin = time.monotonic()
    with deterministic(options.seed) as generator:
        model = CifarNet()

        def watch(epoch: int, epochs: int, loss: float) -> None:
            answers = predict(model, images[-HELD_OUT:], scale=SCALE)
            save(model, options.out)
            print(f"epoch {epoch:2} of {epochs}  loss {loss:.4f}  held-out error "
                  f"{np.mean(answers != labels[-HELD_OUT:]):.2%}  "
                  f"{time.monotonic() - begin:5.0f} s, {time.process_time():5.0f} s of processor",
                  flush=True)
        fit_cycle(model, images[:-HELD_OUT], labels[:-HELD_OUT], CYCLE, scale=SCALE,
                  generator=generator, loss=LOSS, augment=AUGMENT, watch=watch)


if __name__ == "__main__":
    with one_line_errors():
        main()
