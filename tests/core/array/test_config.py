# SPDX-License-Identifier: Apache-2.0
"""ArrayConfig: every refusal says the field, the rule and the value."""
import pytest
from openeie.core.array.config import PRESETS, ArrayConfig, preset
from openeie.core.entries.huffman import MAX_LENGTH
from openeie.core.errors import ConfigError


@pytest.mark.parametrize(("fields", "error", "message"), [
    ({"pes": 0}, ConfigError, "pes must be in 1 .. 1024, not 0"),
    ({"pes": 2.0}, TypeError, "pes must be an integer, not 2.0"),
    ({"pes": True}, TypeError, "pes must be an integer, not True"),
    ({"queue_depth": 257}, ConfigError, "queue_depth must be in 1 .. 256, not 257"),
    ({"act_width": 12}, ConfigError, "act_width must be 8 or 16, not 12"),
    ({"word_width": 128}, ConfigError, "word_width must be 16, 32 or 64, not 128"),
    ({"entry_depth": 5}, ConfigError, "entry_depth must be even (two banks), not 5"),
    ({"pointer_depth": 7}, ConfigError, "pointer_depth must be even (two banks), not 7"),
    ({"acc_width": 31}, ConfigError,
     "acc_width must be at least act_width + weight_width = 32, not 31"),
    ({"max_code_length": 3}, ConfigError,
     "max_code_length must be at least 4, the wider of code and run, so that every symbol gets "
     "a codeword, not 3"),
    ({"max_code_length": MAX_LENGTH + 1}, ConfigError,
     "max_code_length must be in 1 .. 15, not 16"),
    ({"encodings": ["csr"]}, TypeError, "encodings must be a tuple of names, not ['csr']"),
    ({"encodings": ()}, ConfigError,
     "encodings must be one or more of csr, codebook, huffman, each once, not ()"),
    ({"encodings": ("csr", "zip")}, ConfigError,
     "encodings must be one or more of csr, codebook, huffman, each once, not ('csr', 'zip')"),
])
def test_refusals(fields, error, message):
    with pytest.raises(error) as caught:
        ArrayConfig(**fields)
    assert str(caught.value) == message


def test_unknown_names():
    with pytest.raises(ConfigError, match="EIE64 or EIE16 or EIE256. the presets are TINY, EIE16"):
        preset("EIE9")
    with pytest.raises(ConfigError, match="key 'pe'; did you mean pes. the keys are acc_ban"):
        ArrayConfig.from_dict({"pe": 4})


@pytest.mark.parametrize("name", PRESETS)
def test_dictionaries_and_digests(name):
    config = preset(name)
    assert ArrayConfig.from_dict(config.to_dict()) == config
    assert ArrayConfig.from_dict(config.to_dict()).digest == config.digest
    assert config.replace(queue_depth=3).digest != config.digest


def test_derived_widths():
    config = ArrayConfig(pes=64, entry_depth=16384, pointer_depth=32768)
    assert config.entry_widths == {"csr": 20, "codebook": 8}
    assert (config.slots("csr"), config.slots("codebook")) == (3, 8)
    # One past the last word is an address, too; the paper's 16 bits would reach 8192 words.
    assert config.pointer_width == 15 + 6
    assert (config.pe_width, config.column_address_width, config.max_run) == (6, 15, 15)
