"""`Backend.through` where no framework is: its default, and its errors in words."""

import inspect
import re

import numpy as np
import pytest

from trulens_core import Backend
from trulens_core.backends import checked_cotangent
from trulens_core.testing.reference import BACKEND, Tensor
from trulens_core.testing.reference.tensors import leaf


class OfThen(type(BACKEND)):
    name = "of-then"
    through = Backend.through


def test_backends_without_it_run_and_say_so():
    assert not inspect.isabstract(OfThen)
    with pytest.raises(NotImplementedError, match=r"'of-then' does not serve `through`"):
        OfThen().through(Tensor(np.ones(2)), lambda g: g)


def test_a_pull_of_another_shape():
    def pulled(function):
        def run(tap):
            (x,) = tap([Tensor(np.ones((2, 3)))])
            return [BACKEND.xp.sum(BACKEND.through(x, function), axis=1)]

        return BACKEND.differentiate(run).gradients[0][0].data

    np.testing.assert_array_equal(pulled(lambda g: 2.0 * g), np.full((2, 3), 2.0))
    for function, shape in ((lambda g: g[0], "(3,)"), (lambda g: g[:1], "(1, 3)")):
        message = f"`pull` gave a tensor of shape {shape}, expected (2, 3)"
        with pytest.raises(ValueError, match=re.escape(message)):
            pulled(function)
    with pytest.raises(TypeError, match="`pull` gave a ndarray, expected a tensor"):
        pulled(lambda g: g.data)


def test_lengths_that_are_open_fit():
    class Open(Tensor):
        shape = (None, 3)

    x, g = Tensor(np.ones((2, 3))), Open(np.ones((2, 3)))
    assert checked_cotangent(BACKEND, x, g) is x
    assert checked_cotangent(BACKEND, g, x) is g
    with pytest.raises(ValueError, match=re.escape("expected (None, 3)")):
        checked_cotangent(BACKEND, Tensor(np.ones((2, 4))), g)


def test_nothing_is_called_where_nothing_is_differentiated():
    x = Tensor(np.ones(2))
    assert BACKEND.through(x, None).sources == ()
    assert BACKEND.through(leaf(x), None).sources != ()
    assert BACKEND.through(x, None, leaf(x)).sources == ()
