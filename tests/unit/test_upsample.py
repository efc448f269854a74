"""Deconvolution as section 3.3 explains it: a convolution reversed, and, with the right kernel, interpolation."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.models.geometry import convolution_size, deconvolution_size
from repro.models.upsample import Upsample, bilinear_kernel

SHAPES = [(k, s, p) for k, s, p in product(range(1, 6), range(1, 5), range(5)) if p < k]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("k", range(1, 8))
def test_sizes_are_torchs(k):
    for s, p, units in product(range(1, 6), range(5), range(1, 12)):
        image = torch.empty(1, 1, units, 1, device="meta")
        kernel = torch.empty(1, 1, k, 1, device="meta")
        if (bigger := deconvolution_size(units, k, s, p)) > 0:
            assert functional.conv_transpose2d(image, kernel, stride=s, padding=(p, 0)).shape[2] == bigger
        if units + 2 * p >= k:
            assert functional.conv2d(image, kernel, stride=s, padding=(p, 0)).shape[2] == convolution_size(
                units, k, s, p
            )


def test_a_deconvolution_has_the_smallest_size_that_its_convolution_maps_back():
    for k, s, p, n in product(range(1, 10), range(1, 10), range(6), range(1, 20)):
        m = deconvolution_size(n, k, s, p)
        assert [convolution_size(m + rest, k, s, p) for rest in range(s)] == [n] * s
        assert convolution_size(m - 1, k, s, p) == n - 1
        assert convolution_size(m + s, k, s, p) == n + 1


@pytest.mark.parametrize("rest", [0, 1])
def test_it_is_the_adjoint_of_the_convolution_with_its_weights(rest):
    for seed, (k, s, p) in enumerate(SHAPES):
        n = 4
        m = deconvolution_size(n, k, s, p) + min(rest, s - 1)
        if m < 1:
            continue
        weights = normal(5, 3, k, k, seed=seed)  # the convolution takes 3 channels to 5
        x, y = normal(2, 3, m, m, seed=seed + 1000), normal(2, 5, n, n, seed=seed + 2000)
        there = (functional.conv2d(x, weights, stride=s, padding=p) * y).sum()
        back = functional.conv_transpose2d(y, weights, stride=s, padding=p, output_padding=min(rest, s - 1))
        assert back.shape == x.shape
        torch.testing.assert_close((x * back).sum(), there, rtol=1e-10, atol=1e-10)


def test_it_is_zero_insertion_and_convolution_with_the_flipped_kernel():
    for seed, (k, s, p) in enumerate(SHAPES):
        x, weights = normal(2, 3, 4, 5, seed=seed), normal(3, 2, k, k, seed=seed + 1000)
        if min(deconvolution_size(n, k, s, p) for n in (4, 5)) < 1:
            continue
        apart = x.new_zeros(2, 3, s * 3 + 1, s * 4 + 1)
        apart[..., ::s, ::s] = x
        expected = functional.conv2d(functional.pad(apart, [k - 1 - p] * 4), weights.flip(2, 3).transpose(0, 1))
        torch.testing.assert_close(
            functional.conv_transpose2d(x, weights, stride=s, padding=p), expected, rtol=0, atol=1e-12
        )


def upsampled(x: Tensor, kernel: int, factor: int) -> Tensor:
    layer = Upsample(x.shape[1], kernel, factor).double()
    with torch.no_grad():
        layer.weight.copy_(bilinear_kernel(kernel).expand_as(layer.weight))  # past the rounding to single precision
    return layer(x)


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
def test_even_kernels_interpolate_between_pixel_centres(factor):
    x = normal(2, 3, 5, 4)
    found = upsampled(x, 2 * factor, factor)
    margin = factor // 2  # where interpolation has only one neighbour and repeats it, deconvolution fades out
    found = found[..., margin : margin + 5 * factor, margin : margin + 4 * factor]
    expected = functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-12)
    assert not torch.allclose(found, expected)


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 16, 32])
def test_odd_kernels_interpolate_between_the_units(factor):
    x = normal(2, 3, 5, 4)
    height, width = 4 * factor + 1, 3 * factor + 1
    found = upsampled(x, 2 * factor - 1, factor)[..., factor - 1 : factor - 1 + height, factor - 1 : factor - 1 + width]
    expected = functional.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [3, 4, 7, 15, 16, 31, 32, 63, 64])
def test_kernels_are_the_released_nets(size):
    """The formula of their `surgery.py`, entry by entry."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 == 1 else factor - 0.5
    for y, x in product(range(size), repeat=2):
        expected = (1 - abs(y - centre) / factor) * (1 - abs(x - centre) / factor)
        assert float(bilinear_kernel(size)[y, x]) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("kernel", "factor"), [(3, 2), (4, 2), (64, 32), (63, 32)])
def test_learned_begins_equal_to_fixed(kernel, factor):
    x = normal(2, 4, 3, 5).float()
    fixed, learned = (Upsample(4, kernel, factor, learned)(x) for learned in (False, True))
    torch.testing.assert_close(fixed, learned, rtol=0, atol=1e-6)


def test_fixed_is_frozen_and_treats_every_channel_alone():
    layer = Upsample(4, 4, 2)
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    assert layer.bias is None and sum(parameter.numel() for parameter in layer.parameters()) == 4 * 4 * 4
    x = torch.zeros(1, 4, 3, 3)
    x[:, 2] = 1
    assert layer(x).amax(dim=(0, 2, 3)).tolist() == [0, 0, 1, 0]


def test_learned_is_dense_and_trains():
    layer = Upsample(4, 4, 2, learned=True)
    assert layer.bias is None and sum(parameter.numel() for parameter in layer.parameters()) == 4 * 4 * 4 * 4
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(normal(1, 4, 3, 3).float()).square().sum().backward()
    optimizer.step()
    assert (layer.weight != before).all()  # every channel of the input reaches every channel of the output


def test_the_gradient_passes_through_a_fixed_one():
    x = normal(1, 2, 3, 3).float().requires_grad_()
    Upsample(2, 4, 2)(x).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.full_like(x, 4.0))  # a bilinear kernel sums to factor²


def test_it_is_a_deconvolution_layer():
    assert isinstance(Upsample(1, 4, 2), nn.ConvTranspose2d)
