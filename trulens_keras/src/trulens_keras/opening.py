"""What is put right around all evaluations of a record group, and put back after them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from trulens_core.inputs import ModelInputs
from trulens_keras.flavours import Flavour, states, unwritten


@contextlib.contextmanager
def opened(model: Any, flavour: Flavour, inputs: ModelInputs) -> Iterator[None]:
    """A model that can be evaluated and is afterwards what it was.

    PyTorch: parameters frozen and switches set as for any PyTorch model. tf_keras: variables that
    a call in training mode updates, or a recurrent state, put back; Keras 3 needs no such thing.
    """
    _check_ranks(model, inputs)
    with contextlib.ExitStack() as undo:
        if flavour.framework == "torch":
            from trulens_torch.session import session

            undo.enter_context(session(model, force_eval=False))
        if flavour.name == "tf_keras":
            held = flavour.holding(model.non_trainable_variables)
            undo.enter_context(unwritten([*held, *states(model)]))
        yield


def _check_ranks(model: Any, inputs: ModelInputs) -> None:
    """Raise for records without the axis of the records, which Keras reports at length."""
    declared = getattr(model, "inputs", None)
    given = [leaf for leaf in inputs.leaves if isinstance(leaf.name, int)]
    if not isinstance(declared, list | tuple) or len(declared) != len(given):
        return
    for leaf, tensor in zip(given, declared, strict=True):
        found, expected = getattr(leaf.value, "shape", None), tuple(tensor.shape)
        if found is not None and len(found) + 1 == len(expected) and expected[-1] != 1:
            raise ValueError(
                f"the input has shape {tuple(found)}, but the model takes {expected}: add the axis "
                "of the records, x[None]"
            )
