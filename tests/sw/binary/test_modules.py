# SPDX-License-Identifier: Apache-2.0
"""Binary modules against the paper's formulas, written out element by element."""
import itertools

import numpy as np
import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.binary.modules import BinariseWeights, BinaryConv2d, BinaryLinear, Sign
from torch.nn import functional


@pytest.fixture(autouse=True)
def seeded(seed):
    """torch's numbers are the test's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def test_the_sign_and_its_straight_through_gradient():
    x = torch.tensor([-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 1.5], requires_grad=True)
    result = Sign.apply(x)
    assert result.tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    result.backward(torch.arange(1.0, 9.0))
    assert x.grad.tolist() == [0, 2, 3, 4, 5, 6, 7, 0]


def test_alpha_is_the_best_scale_of_the_signs():
    """Equation 2 of the paper: no other scale or signs are nearer to the filter."""
    filters = torch.randn(1, 5)
    best = float((filters - BinariseWeights.apply(filters)).square().sum())
    scales = np.linspace(0, 3, 301)
    for signs in itertools.product((-1.0, 1.0), repeat=5):
        for scale in scales:
            assert float((filters - scale * torch.tensor(signs)).square().sum()) >= best - 1e-6


@pytest.mark.parametrize("shape", [(3, 7), (4, 2, 3, 2)])
def test_the_gradient_of_weights_is_the_papers(shape):
    """Section 3.1: dC/dW_i = dC/dW~_i (1 / n + d sign / d W_i * alpha)."""
    weight = (torch.randn(shape) * 0.9).requires_grad_()
    arrived = torch.randn(shape)
    result = BinariseWeights.apply(weight)
    result.backward(arrived)
    assert (weight.detach().abs() > 1).any()
    for w, got, grad, out in zip(weight.detach(), weight.grad, arrived, result.detach()):
        n = w.numel()
        alpha = float(sum(abs(value) for value in w.flatten())) / n
        for one, g, a, o in zip(w.flatten(), got.flatten(), grad.flatten(), out.flatten()):
            assert float(o) == pytest.approx(alpha if one >= 0 else -alpha)
            inside = 1.0 if abs(one) <= 1 else 0.0
            assert float(g) == pytest.approx(float(a) * (1 / n + inside * alpha), rel=1e-5)


def test_gradients_reach_the_input_through_signs_and_k():
    """Of xnor, against torch's own gradients of the same with the sign replaced by its clipped
    identity where the gradient is taken."""
    layer = BinaryConv2d(2, 3, 3, padding=1, mode="xnor").double()
    x = (torch.randn(2, 2, 5, 4).double() * 0.8).requires_grad_()
    layer(x).square().sum().backward()
    got, x.grad = x.grad, None
    sign = torch.where(x >= 0, 1.0, -1.0).double()
    clipped = x.clamp(-1, 1)
    through = clipped + (sign - clipped).detach()
    weight = BinariseWeights.apply(layer.weight.detach())
    k = functional.avg_pool2d(x.abs().mean(1, keepdim=True), 3, 1, 1)
    (k * functional.conv2d(through, weight, padding=1)).square().sum().backward()
    assert torch.allclose(got, x.grad, rtol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    (3, 1, 1), ((2, 3), (2, 1), (1, 0)), (1, 2, 0), (4, 3, 3)])
def test_k_and_products_of_signs_at_every_position(kernel, stride, padding):
    layer = BinaryConv2d(3, 2, kernel, stride, padding, mode="xnor", bias=True).double()
    x = torch.randn(1, 3, 6, 5).double()
    got, k = layer(x).detach()[0], layer.scale_map(x)[0, 0]
    (kh, kw), (sh, sw), (ph, pw) = layer.kernel_size, layer.stride, layer.padding
    assert got.shape[1:] == k.shape
    weight, bias = layer.weight.detach(), layer.bias.detach()
    alpha = weight.abs().mean(dim=(1, 2, 3))
    for r, s in np.ndindex(*k.shape):
        scale, sums = 0.0, [0, 0]
        for i, j, c in np.ndindex(kh, kw, 3):
            line, column = r * sh - ph + i, s * sw - pw + j
            if 0 <= line < 6 and 0 <= column < 5:           # beside the map: nothing
                value = float(x[0, c, line, column])
                scale += abs(value) / (3 * kh * kw)
                for m in (0, 1):
                    sums[m] += (1 if value >= 0 else -1) * (
                        1 if float(weight[m, c, i, j]) >= 0 else -1)
        assert float(k[r, s]) == pytest.approx(scale)
        for m in (0, 1):
            assert float(got[m, r, s]) == pytest.approx(
                sums[m] * float(alpha[m]) * scale + float(bias[m]))


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_is_a_convolution_that_sees_everything(bias):
    for mode in ("bwn", "xnor"):
        linear = BinaryLinear(24, 5, bias=bias, mode=mode).double()
        conv = BinaryConv2d(2, 5, (3, 4), bias=bias, mode=mode).double()
        conv.load_state_dict({name: value.reshape(dict(conv.named_parameters())[name].shape)
                              for name, value in linear.state_dict().items()})
        x = torch.randn(3, 2, 3, 4).double()
        assert torch.allclose(linear(x.flatten(1)), conv(x)[:, :, 0, 0])
        assert (linear.bias is not None) == bias and f"mode={mode}" in repr(linear)


def test_bwn_is_a_convolution_with_scaled_signs():
    layer = BinaryConv2d(2, 3, 3, stride=2, padding=1, bias=True, mode="bwn")
    x = torch.randn(2, 2, 6, 7)
    weight = layer.weight.detach()
    binary = weight.abs().mean(dim=(1, 2, 3), keepdim=True) * torch.sign(weight)
    assert torch.allclose(layer(x), functional.conv2d(x, binary, layer.bias, 2, 1), atol=1e-6)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: BinaryLinear(2, 3, mode="float"), "mode must be bwn or xnor, not 'float'"),
    (lambda: BinaryConv2d(2, 3, 1, mode="BWN"), "mode must be bwn or xnor, not 'BWN'"),
    (lambda: BinaryConv2d(2, 3, 3, padding="same", mode="bwn"),
     "padding must be a number of pixels, or two, not 'same'")])
def test_what_is_no_binary_layer(make, message):
    with pytest.raises(InputError, match=message):
        make()
