"""Operations of a graph once more: with other operands, or as those that they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context  # there is no public way
from tensorflow.python.framework import function_def_to_graph

from trulens_core.errors import UncoveredOperationError

OWN_DERIVATIVE = "_gradient_op_type"
"""The attribute of an operation whose derivative is not that of its type."""
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def again(op: Any) -> Callable[..., list[tf.Tensor]]:
    """An operation as a function of its operands, in the graph that is being built."""
    kept: dict[str, Any] = {}

    def run(*operands: tf.Tensor) -> list[tf.Tensor]:
        graph = tf.compat.v1.get_default_graph()
        if not kept:
            held = op.node_def.attr
            if any(map(_has_functions, held.values())):
                raise UncoveredOperationError(
                    f"{op.type!r} ({op.name}) runs a graph of its own, a loop or a branch, in "
                    "which rules see nothing; write it without tf.while_loop and tf.cond, or "
                    "explain another slice of the model"
                )
            kept.update({k: a for k, a in held.items() if _means(k)})
        made = graph._create_op_internal(
            op.type,
            list(operands),
            [t.dtype for t in op.outputs],
            attrs=dict(kept),
            op_def=op.op_def,
            name="ruled",
        )
        return list(made.outputs)

    return run


def _means(attribute: str) -> bool:
    """Whether an attribute says what is computed, not where and beside what."""
    return not attribute.startswith("_") or attribute == OWN_DERIVATIVE


def _has_functions(attribute: Any) -> bool:
    return bool(attribute.func.name or len(attribute.list.func))


def has_own_derivative(op: Any) -> bool:
    """Whether someone gave an operation a derivative, as by `tf.custom_gradient`."""
    return op.type not in CALLS and OWN_DERIVATIVE in op.node_def.attr


def spelled_out(op: Any) -> list[tf.Tensor] | None:
    """What stands for an operation's results where others are made to compute them; else None."""
    function = _SPELLED.get(op.type)
    return None if function is None else function(op)


def _called(op: Any) -> list[tf.Tensor]:
    """The operations of a function's graph, and of those that it calls, in that of its call."""
    return _placed(op.get_attr("f").name, list(op.inputs))


def _placed(name: str, given: list[tf.Tensor]) -> list[tf.Tensor]:
    definition = context.get_function_def(name)
    shapes = [t.shape for t in given]
    body = function_def_to_graph.function_def_to_graph(definition, input_shapes=shapes)
    env = {t.ref(): x for t, x in zip(body.inputs, given, strict=True)}
    for op in body.get_operations():
        if op.outputs and op.outputs[0].ref() not in env:
            operands = [env[t.ref()] for t in op.inputs]
            calls = op.type in CALLS
            made = _placed(op.get_attr("f").name, operands) if calls else again(op)(*operands)
            env.update(zip((t.ref() for t in op.outputs), made, strict=True))
    return [env[t.ref()] for t in body.outputs]


def _handed_on(op: Any) -> list[tf.Tensor] | None:
    """What only hands on its operands, with their derivative: that of `tf.nn.silu` is its own."""
    known = not has_own_derivative(op) or _is_silu(list(op.inputs))
    return list(op.inputs) if known else None


def _is_silu(given: list[tf.Tensor]) -> bool:
    """Whether the first is x · sigmoid(β · x) of the others, x and β."""
    if len(given) != 3 or given[0].op.type != "Mul":
        return False
    y, x, beta = (_behind(t) for t in given)
    product, sigmoid = (_behind(t) for t in y.op.inputs)
    if product is not x or sigmoid.op.type != "Sigmoid":
        return False
    inner = _behind(sigmoid.op.inputs[0])
    return inner.op.type == "Mul" and all(
        _behind(t) is given for t, given in zip(inner.op.inputs, (beta, x), strict=True)
    )


def _behind(t: tf.Tensor) -> tf.Tensor:
    while t.op.type == "Identity":
        t = t.op.inputs[0]
    return t


def _squared_difference(op: Any) -> list[tf.Tensor]:
    """(a − b)²; of a mean that `tf.nn.moments` stops at, since its derivative adds up to 0."""
    a, b = op.inputs
    stopped = b.op.inputs[0] if b.op.type == "StopGradient" else b
    if stopped.op.type == "Mean" and _behind(stopped.op.inputs[0]) is _behind(a):
        b = stopped
    return [tf.square(a - b)]


def _sum_of_several(op: Any) -> list[tf.Tensor]:
    total = op.inputs[0]
    for x in op.inputs[1:]:
        total = total + x
    return [total]


def _channels_first(op: Any) -> list[tf.Tensor] | None:
    """A bias that is not added to the last axis, as a sum that broadcasts."""
    x, b = op.inputs
    if op.get_attr("data_format").decode().endswith("C"):
        return None
    return [x + tf.reshape(b, [-1, *[1] * (x.shape.rank - 2)])]


_SPELLED: dict[str, Callable[[Any], list[tf.Tensor] | None]] = {
    **dict.fromkeys(CALLS, _called),
    "Identity": _handed_on,
    "IdentityN": _handed_on,
    "SquaredDifference": _squared_difference,
    "AddN": _sum_of_several,
    "BiasAdd": _channels_first,
}
