# SPDX-License-Identifier: Apache-2.0
"""The code of docs/pruning.md runs as it stands there, on a small network."""
import re
from collections import OrderedDict
from pathlib import Path

import torch
from openeie.sw.compress.methods.prune import kept
from openeie.sw.compress.methods.share import shared
from openeie.sw.compress.methods.train import (Schedule, cross_entropy, deterministic, error_rate,
                                               fit)
from torch import nn

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pruning.md"


def names(generator):
    """What the page takes for granted: a trained model, its training, and how it is measured."""
    centres = torch.randn(4, 20)
    labels = torch.randint(0, 4, (600,))
    images = centres[labels] + torch.randn(600, 20) * 0.3
    model = nn.Sequential(OrderedDict(ip1=nn.Linear(20, 30), relu=nn.ReLU(), ip2=nn.Linear(30, 4)))

    def train(one, epochs=1):
        fit(one, images[:400], labels[:400], Schedule(epochs=epochs, batch=50, rate=1e-2),
            generator=generator)

    def held_out_loss(one):
        with torch.no_grad():
            return float(cross_entropy(one, images[400:], labels[400:]))
    train(model, epochs=10)
    return {"model": model, "train": train, "held_out_loss": held_out_loss,
            "held_out_error": lambda one: error_rate(one, images[400:], labels[400:])}


def test_the_pages_code():
    block, = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    with deterministic(1) as generator:
        scope = names(generator)
        exec(compile(block, str(PAGE), "exec"), scope)
    assert kept(scope["model"]) == {"ip1": 48, "ip2": 19}       # 0.08 of 600, 0.16 of 120
    found, bits = scope["found"], scope["bits"]
    assert found.error <= found.budget == 0.016 and bits.error <= bits.budget == 0.017
    for name in ("ip1", "ip2"):
        codes, codebook = shared(getattr(found.model, name))
        assert len(codebook) == bits.slots[name] and (codes != 0).any()
