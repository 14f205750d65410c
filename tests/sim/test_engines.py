# SPDX-License-Identifier: Apache-2.0
"""All engines behind one door."""
import openeie
import pytest
from openeie.sw.data.mnist import demo_images


@pytest.mark.parametrize("engine", ["golden", "fast"])
def test_a_batch_of_no_inputs_has_no_outputs(engine):
    x = demo_images()[0][:0]
    run = openeie.simulate(openeie.shipped("lenet-300-100"), x, config="EIE16", engine=engine)
    assert run.outputs.shape == (0, 10)
    assert [layer.saturated_share for layer in run.layers] == [0, 0, 0]
