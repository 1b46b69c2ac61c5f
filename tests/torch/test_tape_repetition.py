"""How a tensor repeats is found from values, and where these do not tell, it is not guessed."""

import pytest
import torch

from trulens_torch.repetition import SHARED, UNCLEAR, UNLIKE, Probe, identical, order_of, repeated

K = 3


def rows(*shape, dtype=torch.float64):
    random = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=random, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("b", [1, 2])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_copies_along_any_axis(b, axis):
    one = rows(b, 4, 5).movedim(0, axis)
    many = torch.cat([one] * K, axis)
    assert order_of(one, many, K, b) == axis
    assert torch.equal(repeated(one, K, axis), many)
    assert identical(one, many, K, axis)


def test_one_row_is_not_copied():
    one = rows(1, 4)
    assert repeated(one, K, 0).untyped_storage().data_ptr() == one.untyped_storage().data_ptr()


def test_the_same_for_all_rows():
    one = rows(7, 2)
    assert order_of(one, one.clone(), K, 1) == SHARED
    assert repeated(one, K, SHARED) is one
    assert order_of(one, one + 1.0, K, 1) == UNLIKE


@pytest.mark.parametrize("b", [1, 2])
def test_time_before_records_flattened(b):
    """The shapes are those of copies, the rows stand in another order."""
    steps = rows(4, b, 5)
    many = torch.cat([steps] * K, 1).reshape(-1, 5)
    assert order_of(steps.reshape(-1, 5), many, K, b) == UNLIKE


def test_records_together():
    """As after sorting: all copies of one record before the next."""
    one = rows(2, 5)
    assert order_of(one, one.repeat_interleave(K, 0), K, 2) == UNLIKE


@pytest.mark.parametrize(
    "steps", [torch.ones(4, 2, 5), torch.ones(4, 1, 1) * torch.arange(2.0)[:, None]]
)
def test_rows_alike_prove_nothing(steps):
    """Constant in time: flattened, copies of it look right whatever their order."""
    steps = steps.expand(4, 2, 5)
    many = torch.cat([steps] * K, 1).reshape(-1, 5)
    assert order_of(steps.reshape(-1, 5), many, K, 2) == UNCLEAR


def test_other_shapes_types_and_values():
    one, many = rows(2, 4), rows(2, 4).repeat(K, 1)
    for other in (many[:-1], many.float(), many[:, :2], many[None], many + 1e-6, many.T):
        assert order_of(one, other, K, 2) == UNLIKE
    assert order_of(one, rows(2, 4).repeat(K, K), K, 2) == UNLIKE


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_up_to_rounding(dtype):
    one = rows(2, 4, dtype=dtype)
    many = one.repeat(K, 1)
    many[0] *= 1 + 2 * torch.finfo(dtype).eps
    assert order_of(one, many, K, 2) == 0
    assert not identical(one, many, K, 0)
    many[0] *= 1 + 100 * torch.finfo(dtype).eps ** (2 / 3)
    assert order_of(one, many, K, 2) == UNLIKE


def test_infinite_and_missing_values_are_values():
    one = torch.tensor([[1.0, -torch.inf, torch.nan], [2.0, -torch.inf, 0.0]])
    many = one.repeat(K, 1)
    assert order_of(one, many, K, 2) == 0
    assert identical(one, many, K, 0)
    assert order_of(one, torch.nan_to_num(many), K, 2) == UNLIKE


def test_integers_booleans_and_nothing():
    for one in (torch.tensor([[1, 2], [3, 4]]), torch.tensor([[True], [False]])):
        assert order_of(one, one.repeat(K, 1), K, 2) == 0
        assert order_of(one, one.flip(0).repeat(K, 1), K, 2) == UNLIKE
    assert order_of(torch.zeros(2, 0), torch.zeros(2 * K, 0), K, 2) == UNCLEAR
    assert order_of(torch.tensor(1.0), torch.tensor(1.0), K, 1) == SHARED


def test_probes_know_tensors_again():
    for one in (rows(2, 300), rows(2, 3, 4), rows(5), torch.tensor(2.0), torch.arange(6)):
        probe = Probe.of(one)
        assert probe.fits(one, K)
        assert not probe.fits(one + 1, K)
        assert not probe.fits(one[None], K)
        assert not probe.fits(one.to(torch.complex64), K)
        if one.ndim:
            assert probe.fits(torch.cat([one] * K), K)
            assert probe.fits(torch.cat([one] * K, -1), K)
            assert not probe.fits(torch.cat([one] * (K + 1)), K)
            assert not probe.fits(torch.cat([one, one, one.flip(0)]), K)
