# SPDX-License-Identifier: Apache-2.0
"""CifarNet from nothing to an artefact, on a few pictures made here."""
import cifar_files
import numpy as np
import torch
from openeie.core import artefact, golden
from openeie.sw.compress.cycle import Cycle, fit_cycle, predict
from openeie.sw.compress.fold import fold_batch_norms
from openeie.sw.compress.order import order_units
from openeie.sw.compress.prune import kept, prune
from openeie.sw.compress.share import share
from openeie.sw.compress.train import cross_entropy, deterministic
from openeie.sw.importers.torch_module import load_module
from openeie.sw.networks.cifar import CifarNet
from openeie.sw.quantise_graph import quantise_graph
from openeie.sw.graph_module import with_weights

SCALE = 1 / 255


def test_the_shapes_that_are_documented():
    model = CifarNet().eval()
    assert round(sum(one.numel() for one in model.parameters()), -3) == 541_000
    x, sizes = torch.zeros(1, 3, 32, 32), []
    for name, part in model.named_children():
        x = part(x)
        if name.startswith(("relu", "pool")):
            sizes.append((x.shape[1], x.shape[2]))
    assert sizes == [(32, 16), (64, 16), (64, 8), (128, 8), (128, 8), (128, 4), (256, 4), (256, 1)]
    assert x.shape == (1, 10)


def test_from_nothing_to_an_artefact():
    pictures, labels = cifar_files.coloured(120)
    with deterministic(0) as generator:
        model = CifarNet()
        fit_cycle(model, pictures, labels, Cycle(epochs=5, batch=12, rate=0.02), scale=SCALE,
                  generator=generator, loss=cross_entropy)
        fold_batch_norms(model)
        float_answers = predict(model, pictures, scale=SCALE)
        assert np.mean(float_answers == labels) > 0.5       # colours: half of it is enough here
        prune(model, dict.fromkeys(kept(model), 0.5))
        order_units(model)
        share(model, slots=32)
        answers = predict(model, pictures, scale=SCALE)
    floats = pictures.astype(np.float32) * np.float32(SCALE)
    network = quantise_graph(with_weights(load_module(model, floats[:1]), model), floats,
                             input_range=(0, 255), input_scale=SCALE, acc_width=32,
                             encoding="huffman")
    data = artefact.dumps(network)
    loaded = artefact.loads(data)
    x = pictures[:20].transpose(0, 2, 3, 1).reshape(20, -1).astype(np.int64)
    outputs = golden.network(loaded, x)[-1]
    assert np.array_equal(outputs, golden.network(network, x)[-1])
    assert np.mean(outputs.argmax(1) == answers[:20]) >= 0.9
    assert len(data) < 4 * 541_000 / 6
