import extinction
import numpy as np
import pytest
import torch

from sntorch.physics.extinction import fitzpatrick99

WAVE = np.geomspace(1000, 33000, 1000)


@pytest.mark.parametrize("rv", [2.0, 2.61, 3.1, 4.2, 6.0])
def test_extinction_package(rv):
    found = fitzpatrick99(torch.from_numpy(WAVE), rv).numpy()
    np.testing.assert_allclose(found, extinction.fitzpatrick99(WAVE, 1.0, rv), rtol=1e-6)


def test_a_tensor_of_rv_is_a_loop_over_it():
    rv = torch.linspace(1.5, 6, 7, dtype=torch.float64)
    wave = torch.from_numpy(WAVE)
    shared = fitzpatrick99(wave, rv)
    own = fitzpatrick99(wave.expand(7, -1), rv)
    assert shared.shape == own.shape == (7, 1000)
    for i, value in enumerate(rv.tolist()):
        one = fitzpatrick99(wave, value)
        torch.testing.assert_close(shared[i], one, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(own[i], one, rtol=1e-12, atol=1e-14)


def test_differentiable_in_rv_and_wavelength():
    rv = torch.tensor([1.8, 3.1], dtype=torch.float64, requires_grad=True)
    wave = torch.tensor([1500.0, 2650.0, 5500.0, 9000.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(fitzpatrick99, (wave, rv))


def test_single_precision_and_use_after_inference_mode():
    with torch.inference_mode():
        fitzpatrick99(torch.tensor([5000.0]), 3.1)
    rv = torch.tensor(3.1, requires_grad=True)
    law = fitzpatrick99(torch.tensor([5000.0]), rv)
    law.sum().backward()
    assert law.dtype == torch.float32
    assert rv.grad is not None
    np.testing.assert_allclose(
        law.detach(), extinction.fitzpatrick99(np.array([5000.0]), 1.0, 3.1), rtol=1e-5
    )
