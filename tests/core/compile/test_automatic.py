# SPDX-License-Identifier: Apache-2.0
"""What the compiler chooses: the order of the channels, and a preset's run width."""
import numpy as np
import openeie
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import PRESETS, preset
from openeie.core.compile import automatic
from openeie.core.compile.automatic import compile_for
from openeie.core.compile.compile import compile_network
from openeie.core.compile.run_width import WORTH, worthwhile
from openeie.core.defaults import AskedArray
from openeie.core.errors import CapacityError, ConfigError
from openeie.sim.fast.predict import predict
from openeie.sim.study.workload import random_workload
from support.networks import CONFIG, branched
from support.strategies import networks

def layer(shape=(4096, 256), density=0.04, **fields):
    """A network of one random layer; 256 rows of each of 16 PEs, so that its runs are long."""
    return random_workload("layer", shape, weight_density=density, act_density=0.5, seed=3,
                           **fields).network()


def roomy(**fields):
    return preset("EIE16").replace(act_depth=1024, acc_depth=1024, channel_depth=4096,
                                   entry_depth=4096, **fields)


def cycles(program):
    return sum(tile.cycles for tile in predict(program))


def test_the_run_width_is_that_of_fewest_cycles_within_one_per_cent():
    """The recurrence, asked about every width, agrees."""
    network = layer()
    program = compile_for(network, AskedArray(roomy(), free_run_width=True))
    exact = {width: cycles(compile_network(network, roomy(run_width=width)))
             for width in program.choices.run_widths}
    assert list(exact) == [4, 5, 6, 7, 8]
    chosen = program.config.run_width
    assert chosen > 4 and exact[chosen] <= min(exact.values()) / (1 - 2 * WORTH)
    assert exact[chosen - 1] > exact[chosen] * (1 + WORTH)
    assert program.config == roomy(run_width=chosen)
    assert cycles(program) == exact[chosen]


def test_what_it_saves_is_about_what_the_recurrence_saves():
    network = layer()
    program = compile_for(network, AskedArray(roomy(), free_run_width=True))
    told = program.choices.run_widths
    saved = 1 - told[program.config.run_width] / told[4]
    truth = 1 - cycles(program) / cycles(compile_network(network, roomy()))
    assert truth > 0.1 and saved == pytest.approx(truth, abs=0.02)


def test_a_wider_run_that_does_not_fit_is_not_taken():
    """Entries of 4 + 4 bits stand eight in a word, wider ones seven or fewer."""
    network = layer(density=0.3)
    words = compile_network(network, roomy()).entries.shape[1]
    tight = roomy().replace(entry_depth=words + words % 2)
    program = compile_for(network, AskedArray(tight, free_run_width=True))
    assert list(program.choices.run_widths) == [4] and program.config == tight


def test_a_huffman_coded_layer_that_does_not_fit_keeps_its_width(monkeypatch):
    """Only its codewords tell, so the compiler tries; narrower widths come next."""
    network = layer()
    tried = []
    real = automatic.compile_groups

    def refuse(network, config, **options):
        tried.append(config.run_width)
        if config.run_width > 4:
            raise CapacityError("too small")
        return real(network, config, **options)
    monkeypatch.setattr(automatic, "compile_groups", refuse)
    program = compile_for(network, AskedArray(roomy(), free_run_width=True), encoding="huffman")
    assert program.config.run_width == 4
    assert tried == [4, *sorted(set(tried) - {4}, reverse=True)] and len(tried) > 2


@pytest.mark.parametrize(("estimated", "expected"), [
    ({4: 1000}, [4]), ({4: 1000, 5: 995, 6: 991}, [4]), ({4: 1000, 5: 985, 6: 980}, [5, 4]),
    ({4: 1000, 5: 900, 6: 850, 7: 849}, [6, 5, 4]), ({4: 1000, 5: 995, 6: 850}, [6, 4])])
def test_less_than_one_per_cent_is_no_reason_for_another_array(estimated, expected):
    assert worthwhile(estimated, 4) == expected


def test_what_is_given_is_taken_as_it_is():
    network = layer()
    for config in (roomy(), AskedArray(roomy())):
        program = compile_for(network, config)
        assert program.config == roomy() and not program.choices.run_widths


def test_a_preset_by_its_name_is_free_and_by_its_value_is_not():
    network = openeie.load(openeie.shipped("lenet-300-100"))
    assert list(compile_for(network, "EIE16").choices.run_widths) == [4, 5, 6, 7, 8]
    assert not compile_for(network, preset("EIE16")).choices.run_widths
    with pytest.raises(ConfigError, match="unknown preset 'EIE17'"):
        compile_for(network, "EIE17")


def test_widths_that_no_array_has_are_left_out():
    """The longest codeword must hold a run."""
    config = roomy(max_code_length=6)
    program = compile_for(layer(), AskedArray(config, free_run_width=True))
    assert max(program.choices.run_widths) == 6


@pytest.mark.filterwarnings("ignore::openeie.NumericWarning")
@given(networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_outputs_stay_whatever_is_chosen(network, seed):
    low, high = network.input_range
    x = np.random.default_rng(seed).integers(low, high, (2, network.inputs), endpoint=True)
    config = CONFIG.replace(encodings=("csr", "codebook", "huffman"), code_width=8,
                            act_width=network.act_width)
    program = compile_for(network, AskedArray(config, free_run_width=True))
    assert program.choices.is_balanced
    plain = golden.network(network, x)[-1]
    assert np.array_equal(openeie.simulate(program, x).outputs, plain)


def test_balance_is_the_default_and_can_be_refused(rng):
    network = branched(rng)
    by_default, asked, refused = (compile_for(network, CONFIG, balance=balance)
                                  for balance in (None, True, False))
    assert by_default.choices.is_balanced and asked.choices.is_balanced
    assert np.array_equal(by_default.entries, asked.entries)
    assert not refused.choices.is_balanced and not refused.choices.unbalanced_because
    assert np.array_equal(refused.entries, compile_network(network, CONFIG).entries)
    assert not np.array_equal(refused.entries, asked.entries)


def test_a_network_that_fits_only_as_it_is_stays_as_it_is(monkeypatch, rng):
    network = branched(rng)
    real = automatic.compile_groups

    def refuse(given, config, **options):
        if given is not network:
            raise CapacityError("too small")
        return real(given, config, **options)
    monkeypatch.setattr(automatic, "compile_groups", refuse)
    program = compile_for(network, CONFIG)
    assert not program.choices.is_balanced
    assert program.choices.unbalanced_because == "the balanced network does not fit"
    with pytest.raises(CapacityError):
        compile_for(network, CONFIG, balance=True)


def test_a_network_that_fits_nowhere_is_told_as_it_is(rng):
    network = branched(rng)
    with pytest.raises(CapacityError, match="the smallest configuration that would: ") as ours:
        compile_for(network, CONFIG.replace(entry_depth=4))
    with pytest.raises(CapacityError) as plain:
        compile_network(network, CONFIG.replace(entry_depth=4))
    assert str(ours.value) == str(plain.value)


def test_presets_have_queues_of_16_but_for_the_smallest():
    depths = {name: config.queue_depth for name, config in PRESETS.items()}
    assert depths == {"TINY": 4} | dict.fromkeys(
        ("EIE16", "EIE64", "EIE256", "NET16", "NET64"), 16)
