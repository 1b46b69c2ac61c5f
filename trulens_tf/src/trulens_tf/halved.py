"""Where in a graph numbers of half precision lie between a quantity and what it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_OWN = "_gradient_op_type"
"""The attribute of operations that a function of their own gives the gradient of."""


def between(q: tf.Tensor, leaves: Sequence[tf.Tensor]) -> tf.Tensor | None:
    """A tensor of float16 between, ends included; None where there is none.

    None, too, where a gradient of the model's own (`tf.custom_gradient`), or a rule of the backward
    pass, need not be linear in the cotangent, so that no factor could be taken away again. What is
    inside of functions that a graph calls goes unseen.
    """
    found: tf.Tensor | None = None
    seen: set[Any] = set()
    ends = {z.op for z in leaves}
    left = [q.op]
    while left:
        op = left.pop()
        if op in seen:
            continue
        seen.add(op)
        found = next((t for t in op.outputs if t.dtype == tf.float16), found)
        if op in ends:
            continue
        if _OWN in op.node_def.attr:
            return None
        left += [t.op for t in op.inputs]
    return found
