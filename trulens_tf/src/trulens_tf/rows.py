"""Lengths of axes, which are not known while a step is traced, compared when it runs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from trulens_core.errors import CutError, QoiError
from trulens_core.quantities.reading import check_index

_QUANTITY, _VALUE = "trulens: a quantity", "trulens: the value at "
_FOUND = re.compile(r"(trulens: .*?)\\?'?\] \[.*?= \] \[(\d+)\] \[y .*?= \] \[(\d+)\]", re.DOTALL)

_OUTSIDE = re.compile(r"trulens: an index of a (\w+)\W+?(-?\d+)\W+(\d+)\]")


def checked(x: tf.Tensor, like: tf.Tensor, cut: object) -> tf.Tensor:
    """`x`, which fails when it is computed with other rows than `like`."""
    message = _QUANTITY if cut is None else f"{_VALUE}{cut}"
    same = tf.debugging.assert_equal(tf.shape(x)[0], tf.shape(like)[0], message=message)
    if same is None:  # eager: it has been compared
        return x
    with tf.control_dependencies([same]):
        return tf.identity(x)


def within(index: tf.Tensor, n: tf.Tensor, what: str) -> tf.Tensor:
    """Indices, negative ones from the end; they fail where they are outside of 0 to n - 1."""
    outside = (index < -n) | (index >= n)
    first = tf.boolean_mask(tf.reshape(index, [-1]), tf.reshape(outside, [-1]))[:1]
    message = f"trulens: an index of a {what}"
    none = tf.debugging.Assert(~tf.reduce_any(outside), [message, first, n])
    with tf.control_dependencies([none]):
        return tf.where(index < 0, index + n, index)


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Such a failure as an error of the library."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        outside = _OUTSIDE.search(str(error))
        if outside is not None:
            what, index, n = outside.groups()
            check_index(int(index), int(n), what)
        match = _FOUND.search(str(error))
        if match is None:
            raise
        what, found, expected = match.groups()
        if what == _QUANTITY:
            raise QoiError(
                f"a quantity returned a tensor of shape ({found},), expected (rows,) = "
                f"({expected},); return one number per row of y"
            ) from error
        value = what.removeprefix("trulens: ").replace("\\", "")  # of its quotes
        raise CutError(
            f"{value} has {found} rows, but the inputs have {expected}; "
            "name the axis of the records with Cut(..., batch_axis=), or say which arguments have "
            "a row per record with batched="
        ) from error
