"""The device's peaks: a large matrix product and a large copy. Every other row of a run is a share of them."""

import pytest

from repro.timing.work import copy, matrix_products

SIDE = {"cpu": 2048, "cuda": 8192}
BYTES = {"cpu": 2**29, "cuda": 2**31}  # beyond what any cache holds
ENOUGH = 20  # trials, of which the fastest counts


def test_matrix_product(timing, precision, device, measuring):
    side = SIDE[device] if measuring else 64
    with timing("matrix_product", precision=precision, height=side, width=side) as case:
        runs, case.work["flop"] = matrix_products(device, precision, side)
        case.measure(runs, [None], rounds=max(ENOUGH, case.rounds))


@pytest.mark.parametrize("precision", ["fp32"], indirect=True)
def test_copy(timing, precision, device, measuring):
    with timing("copy", precision=precision) as case:
        run, case.work["bytes"] = copy(device, BYTES[device] if measuring else 2**12)
        case.measure({"copy": run}, [None], rounds=max(ENOUGH, case.rounds))
