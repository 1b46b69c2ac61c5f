"""Rows per pass: chosen by the library, halved when memory runs out; and the progress bar."""

import numpy as np
import pytest

from trulens_core import IntegratedGradients, QoI, get_model_wrapper
from trulens_core.testing import relative_error, small_model


class Memory(QoI):
    """A quantity that runs out of memory above some number of rows."""

    def __init__(self, most, error=MemoryError):
        self.most, self.error, self.seen = most, error, []

    def __call__(self, y):
        self.seen.append(y.shape[0])
        if y.shape[0] > self.most:
            raise self.error
        return y[:, 0]


def attributions(qoi, n=6, **options):
    model, _ = small_model()
    x = np.random.default_rng(0).standard_normal((n, 5))
    return IntegratedGradients(model, resolution=7, qoi=qoi, **options).attributions(x)


@pytest.mark.parametrize("most", [1, 2, 5, 11, 1000])
def test_auto_halves_the_rows_until_they_fit(most):
    qoi = Memory(most)
    found = attributions(qoi, rebatch_size="auto")
    np.testing.assert_allclose(found, attributions(Memory(10**9)), rtol=1e-12)
    kept = [n for n in qoi.seen if n <= most]
    assert sum(kept) >= 42
    assert len(qoi.seen) < 200


def test_without_auto_the_error_is_the_callers():
    for size in (None, 100):
        with pytest.raises(MemoryError):
            attributions(Memory(5), rebatch_size=size)
    with pytest.raises(MemoryError):
        attributions(Memory(0), rebatch_size="auto")
    with pytest.raises(ZeroDivisionError):
        attributions(Memory(5, ZeroDivisionError), rebatch_size="auto")


def test_memory_does_not_grow_with_the_points():
    """By default as many rows as fit a bound, all records of a caller among them."""
    qoi = Memory(10**9)
    model, x = small_model()
    method = IntegratedGradients(model, resolution=3000, qoi=qoi)
    method.attributions(x)  # looks closer at the first blocks
    qoi.seen.clear()
    method.attributions(x)
    assert max(qoi.seen) <= 256
    assert sum(qoi.seen) == 6000
    wide = Memory(10**9)
    attributions(wide, n=700)
    assert set(wide.seen) == {700}


def test_a_progress_bar(capsys):
    pytest.importorskip("tqdm")
    model, x = small_model()
    expected = IntegratedGradients(model, resolution=8).attributions(x)
    found = IntegratedGradients(model, resolution=8, rebatch_size=4, progress=True).attributions(x)
    assert relative_error(found, expected) <= 1e-10
    assert "2.0 of 2 records [00:00, 00:00 left]" in capsys.readouterr().err
    IntegratedGradients(model, resolution=8).attributions(x)
    assert capsys.readouterr().err == ""


def test_a_wrapper_serves_several_methods():
    model, x = small_model()
    wrapper = get_model_wrapper(model)
    one, other = (IntegratedGradients(wrapper, resolution=n) for n in (3, 4))
    first = one.attributions(x)
    other.attributions(x)
    assert (one.attributions(x) == first).all()
