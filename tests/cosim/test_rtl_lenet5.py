# SPDX-License-Identifier: Apache-2.0
"""All of LeNet-5: ten images in the gateware, and on MNIST's 10,000 the error rate it states."""
import numpy as np
import openeie
import pytest
from openeie.core.array.config import OPERATIONS, ArrayConfig
from openeie.core.compile.compile import compile_network
from openeie.sim.engines import simulate
from openeie.sim.fast import fast
from openeie.sim.rtl import rtl
from openeie.sw.data.mnist import demo_images, load_mnist
from support.shared_data import MNIST, needs_mnist

pytestmark = pytest.mark.slow

#: Just large enough. The first map has one channel, so that each pixel takes a row of all PEs.
ARRAY = ArrayConfig(pes=16, encodings=("huffman",), operations=OPERATIONS, acc_width=32,
                    entry_depth=256, pointer_depth=4096, act_depth=1024, acc_depth=32,
                    channel_depth=64, max_layers=8, max_code_length=8)
RTL_IMAGES = 10


@needs_mnist
@pytest.mark.timeout(2400)         # 10,000 images
def test_lenet5_misreads_what_it_says():
    network = openeie.load(openeie.shipped("lenet-5"))
    x, labels = load_mnist(MNIST, "test")
    every = fast.run(compile_network(network, ARRAY), x, jobs=2)
    error = np.mean(every.outputs.argmax(axis=1) != labels)
    made = network.provenance
    print(f"error {error:.2%} on {len(x):,} images, float network {made['float_error']:.2%}; "
          f"{every.cycles.mean():,.1f} cycles an image")
    assert error == made["integer_error"]


def test_lenet5_whole_is_equal_on_rtl_and_fast():
    program = compile_network(openeie.load(openeie.shipped("lenet-5")), ARRAY)
    x, labels = (array[:500] for array in demo_images())
    every = fast.run(program, x)
    assert np.mean(every.outputs.argmax(axis=1) != labels) <= 0.02
    truth = rtl.run(program, x[:RTL_IMAGES])
    few = fast.run(program, x[:RTL_IMAGES])
    compared = truth.compare(few)
    assert compared == RTL_IMAGES * sum(plan.outputs + 1 + ARRAY.pes * 8
                                        for plan in program.tiles)
    assert np.array_equal(few.outputs, every.outputs[:RTL_IMAGES])
    assert few.compare(simulate(program, x[:RTL_IMAGES], "golden")) \
        == RTL_IMAGES * sum(plan.outputs + 1 for plan in program.tiles)
