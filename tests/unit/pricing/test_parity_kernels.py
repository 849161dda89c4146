"""The kernels of put-call parity give what their plain Python does."""

from __future__ import annotations

import numpy as np
import pytest

from workstation.pricing import parity_kernels


def quotes(seed: int) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    strikes = np.arange(70.0, 131.0, 2.5)
    call = np.maximum(0.99 * (101.0 - strikes), 0.0) + 2.0
    put = call - 0.99 * (101.0 - strikes)
    half = draw.uniform(0.02, 0.3, (2, strikes.size))
    noise = draw.normal(0.0, 0.02, (2, strikes.size))
    sides = [
        call + noise[0] - half[0],
        call + noise[0] + half[0],
        put + noise[1] - half[1],
        put + noise[1] + half[1],
    ]
    sides[0][draw.random(strikes.size) < 0.1] = np.nan
    sides[1][3] += 9.0
    return [strikes, *sides]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("near_only", [True, False])
def test_liquid_strikes_and_the_line_through_them(seed, near_only):
    given = quotes(seed)
    liquid = parity_kernels.liquid(*given, near_only)
    for ours, plain in zip(liquid, parity_kernels.liquid.py_func(*given, near_only), strict=True):
        assert np.array_equal(ours, plain)
    assert parity_kernels.line(*liquid) == pytest.approx(parity_kernels.line.py_func(*liquid), rel=1e-12)
    level = parity_kernels.level(*liquid, 0.99)
    assert level == pytest.approx(parity_kernels.level.py_func(*liquid, 0.99), rel=1e-12, nan_ok=True)


def test_no_line_is_made_of_too_few_strikes():
    strike, gap, width = (column[:3] for column in parity_kernels.liquid(*quotes(1), False))
    assert np.isnan(parity_kernels.first_slope(strike, gap))
    assert np.isnan(parity_kernels.line(strike, gap, width)[3])
