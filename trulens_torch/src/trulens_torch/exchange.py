"""What takes the place of a layer's tensors, and that the model sees what becomes of it.

A layer may change in place what it is given: a tensor, or a list that it appends to. The model's
own variables must see such a change when something else has taken their place, with its derivative.
"""

from __future__ import annotations

from typing import Any

import torch

from trulens_core.errors import CutError
from trulens_torch.backend import BACKEND, gradients_enabled

_CHANGEABLE = (list, dict)


class Given:
    """The tensors that a layer is called with, and whether it changes them in place."""

    def __init__(self, arguments: Any) -> None:
        self._seen = [(t, t._version) for t in _tensors(arguments) if not t.is_inference()]

    @property
    def wrote(self) -> bool:
        """Whether the layer changed any of them."""
        return any([t._version != before for t, before in self._seen])

    def changed(self, t: torch.Tensor) -> bool:
        """Whether the layer changed the memory of `t`, which it returned."""
        return any(given._version != before and _share(given, t) for given, before in self._seen)


class Exchange:
    """Arguments that took the place of a layer's own, during one call of it."""

    def __init__(self, old: Any, new: Any, layer: str) -> None:
        self._given = _tensors(old)
        self._layer = layer
        self._tensors: list[tuple[torch.Tensor, torch.Tensor, int]] = []
        self._containers: list[tuple[Any, Any]] = []
        self._walk(old, new)

    def _walk(self, old: Any, new: Any) -> None:
        if old is new:
            return
        if isinstance(old, torch.Tensor):
            self._tensors.append((old, new, new._version))
        elif type(old) in _CHANGEABLE:
            self._containers.append((old, new))
            names = old if isinstance(old, dict) else range(len(old))
            for name in names:
                self._walk(old[name], new[name])
        elif isinstance(old, tuple):
            for a, b in zip(old, new, strict=True):
                self._walk(a, b)
        else:  # one that a tree opens, such as a dataclass
            pairs = zip(BACKEND.flatten(old).leaves, BACKEND.flatten(new).leaves, strict=True)
            for a, b in pairs:
                self._walk(a, b)

    def returned(self, output: Any) -> Any:
        """The layer's output, after what it changed has been changed in the model's own, too.

        A change of more rows than the model's variable has, as in a narrow pass, cannot be: the
        proof of that pass tells whether anyone misses it.
        """
        changed = [
            (old, new)
            for old, new, before in self._tensors
            if new._version != before and old.shape == new.shape
        ]
        if changed:
            self._check_alone([old for old, _ in changed])
            with gradients_enabled():
                for old, new in changed:
                    old.copy_(new)
        own = {id(new): old for old, new in changed}
        back = {id(new): old for old, new, _ in self._tensors} | own
        for mine, given in reversed(self._containers):
            back[id(given)] = mine
            _refill(mine, given, back)
        return put_in(output, own) if own else output

    def _check_alone(self, changed: list[torch.Tensor]) -> None:
        """Raise where the layer would have seen its own change under another name."""
        for t in changed:
            if sum(_share(t, given) for given in self._given) > 1:
                raise CutError(
                    f"the layer {self._layer!r} changes in place a tensor that shares memory with "
                    "another one that it is given, so that neither can be looked at by itself; cut "
                    "at another layer, or at what this one gives"
                )


def _tensors(arguments: Any) -> list[torch.Tensor]:
    """The tensors in a layer's arguments, a pair of positional ones and those by name."""
    args, kwargs = arguments
    if not kwargs and all([type(t) is torch.Tensor for t in args]):  # as most layers are called
        return list(args)
    return [t for t in BACKEND.flatten(arguments).leaves if isinstance(t, torch.Tensor)]


def put_in(value: Any, instead: dict[int, torch.Tensor]) -> Any:
    """`value` with other tensors for some of its own, by identity."""
    tree = BACKEND.flatten(value)
    return tree.unflatten([instead.get(id(x), x) for x in tree.leaves])


def written_back(given: Given, old: Any, new: Any) -> Any:
    """A layer's output `new` in place of `old`: the model's own tensors, where it made them so.

    What a layer changes in place and returns is a variable that the model goes on using by its
    other name, as after `relu_(h)`.
    """
    if not given.wrote:
        return new
    pairs = zip(BACKEND.flatten(old).leaves, BACKEND.flatten(new).leaves, strict=True)
    own: dict[int, torch.Tensor] = {}
    for a, b in pairs:
        tensors = isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
        # what has a graph, as in a cut of several layers, must not be changed under it
        free = tensors and not a.requires_grad
        if free and a is not b and a.shape == b.shape and given.changed(a):
            with gradients_enabled():
                own[id(b)] = a.copy_(b)
    return put_in(new, own) if own else new


def _refill(mine: Any, given: Any, back: dict[int, Any]) -> None:
    """What a layer made of a list or dict, in the one that the model holds."""
    if isinstance(mine, dict):
        held = {name: back.get(id(x), x) for name, x in given.items()}
        mine.clear()
        mine.update(held)
    else:
        mine[:] = [back.get(id(x), x) for x in given]


def _share(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a is b:
        return True
    strided = a.layout == b.layout == torch.strided
    return strided and a.untyped_storage()._cdata == b.untyped_storage()._cdata
