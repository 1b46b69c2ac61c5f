"""Arguments that no tree takes apart: caches, counters, sets, contexts of the caller's.

A model may change them: a cache grows, a counter counts. So every pass gets a copy, by
`copy.deepcopy`, and the caller's object never changes. What a copy could not stand for is no such
argument and passes as it is: functions and methods, classes, modules, and what the framework says
(`Backend.passes_whole`: networks, devices, random generators), inside of such objects, too. An
object that cannot be deep-copied is an error: passed as it is, it might carry one pass into the
next. Its class can say by `__deepcopy__` what its copy is; itself, where nothing changes it.

Where points are stacked, or the records come in groups, its rows are chosen by a method of its
own, `reorder_cache(index)` or `batch_select_indices(index)`, as Hugging Face's caches have them:
row i of the result is row index[i]. Without such a method an object that holds a tensor with a
row per record is an error there.
"""

from __future__ import annotations

import copy
import functools
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend
from trulens_core.inputs.structure import STATIC, Leaf

_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...), np.generic, np.dtype)
_WHOLE = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    functools.partial,
)
_CONTAINERS = (list, tuple, set, frozenset, deque)
_CHOOSERS = ("reorder_cache", "batch_select_indices")


def copied(leaves: Sequence[Leaf], backend: Backend) -> list[Any]:
    """The values of leaves as one pass gets them; tensors are left to it."""
    memo: dict[int, Any] = {}
    return [
        _copied(x, backend, memo) if x.role == STATIC and _is_opaque(x.value, backend) else x.value
        for x in leaves
    ]


def chosen(
    leaf: Leaf, index: Sequence[int], records: int, told: bool | None, backend: Backend
) -> Leaf:
    """A leaf whose opaque value has the rows at `index` of those of all records.

    Args:
        leaf: any leaf; others come back as they are.
        index: the rows, each as often as it is wanted.
        records: how many rows there are.
        told: whether its tensors have a row per record, where the caller said so.
        backend: of the model.

    Raises:
        TypeError: for an object with a row per record that does not say how rows are chosen.
    """
    if leaf.role != STATIC or told is False or not _is_opaque(leaf.value, backend):
        return leaf
    held = [x for x in _contents(leaf.value, backend) if _is_array(x, backend)]
    with_rows = [x for x in held if len(x.shape) and x.shape[0] == records]
    if not (with_rows or told):
        return leaf
    choose = next((n for n in _CHOOSERS if callable(getattr(leaf.value, n, None))), None)
    if choose is None:
        raise TypeError(_no_rows(leaf, with_rows or held, records))
    new = _copied(leaf, backend, {})
    like = next((x for x in held if backend.is_tensor(x)), None)
    getattr(new, choose)(backend.from_numpy(np.asarray(index, "int64"), like=like))
    now = [x.shape[0] for x in _contents(new, backend) if _is_array(x, backend) and len(x.shape)]
    if len(index) not in now:
        raise TypeError(
            f"{_named(leaf)} has {records} rows, of which {choose}() was asked for {len(index)}; "
            f"its tensors have {sorted(set(now))} afterwards"
        )
    return leaf._replace(value=new)


def _no_rows(leaf: Leaf, held: Sequence[Any], records: int) -> str:
    shape = tuple(held[0].shape) if held else ()
    return (
        f"{_named(leaf)} holds a tensor of shape {shape}, with a row per record, and does not say "
        "how its rows are repeated for points or chosen for some of the records. Give the tensors "
        "as arguments of their own, or the class a method batch_select_indices(index), after "
        f"which row i is the old row index[i]; or use rebatch_size={records}, all records and one "
        f"point a pass. If they are no rows of records, say batched={{{leaf.name!r}: False}}"
    )


def _named(leaf: Leaf) -> str:
    return f"the argument {leaf.name!r}, a {type(leaf.value).__qualname__},"


def _copied(leaf: Leaf, backend: Backend, memo: dict[int, Any]) -> Any:
    for x in _contents(leaf.value, backend):
        if not backend.is_tensor(x):
            memo.setdefault(id(x), x)
        elif id(x) not in memo:  # what leads back to a graph of the caller's has no deep copy
            memo[id(x)] = copy.deepcopy(backend.stop_gradient(x), memo)
    try:
        return copy.deepcopy(leaf.value, memo)
    except Exception as error:
        raise TypeError(
            f"{_named(leaf)} cannot be copied ({error}), and every pass gets a copy, so that a "
            "model that changes it does not change yours. Give its class a __deepcopy__; one that "
            "returns self says that nothing changes it"
        ) from error


def _is_opaque(value: Any, backend: Backend) -> bool:
    return not (isinstance(value, _PLAIN) or _is_whole(value, backend))


def _is_whole(value: Any, backend: Backend) -> bool:
    return isinstance(value, _WHOLE) or backend.passes_whole(value)


def _is_array(value: Any, backend: Backend) -> bool:
    return isinstance(value, np.ndarray) or backend.is_tensor(value)


def _contents(value: Any, backend: Backend) -> Iterator[Any]:
    """The arrays, tensors and things that pass whole inside an object, each once."""
    seen: set[int] = set()
    left = [value]
    while left:
        x = left.pop()
        if isinstance(x, _PLAIN) or id(x) in seen:
            continue
        seen.add(id(x))
        if _is_array(x, backend) or _is_whole(x, backend):
            yield x
        else:
            left.extend(_parts(x))


def _parts(x: Any) -> Iterable[Any]:
    """What an object holds directly: members of containers and attributes."""
    if isinstance(x, Mapping):
        yield from x.values()
    elif isinstance(x, _CONTAINERS):
        yield from x
    yield from getattr(x, "__dict__", {}).values()
    for kind in type(x).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield getattr(x, name, None)
