"""What modules hold, and what calling them may change."""

from __future__ import annotations

import itertools
import operator
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from trulens_core.errors import TrulensWarning
from trulens_torch.contents import Attributes, Contents, holds_tensors, is_plain, may_be_kept, same
from trulens_torch.survey import EVERY_MODULES, Held, Survey, registries
from trulens_torch.undo import Undo
from trulens_torch.values import SMALL, Copied, Values, Watched, is_tiny

_ABSENT = object()


def one_of_each_type(model: nn.Module) -> Iterator[torch.Tensor]:
    """The first parameter of each floating type; buffers where no parameter is floating.

    Looked through anew at every call, since `model.half()` changes parameters where they are. By
    hand, as in `Survey.of`, but in the order of `model.parameters()`: the first tells the device.
    """
    found: set[torch.dtype] = set()
    for kind in ("_parameters", "_buffers"):
        for t in _in_order(model, kind):
            if t is not None and t.dtype not in found and _is_type(t):
                found.add(t.dtype)
                yield t
        if found:
            return
    yield from _elsewhere(model)


def first_floating(survey: Survey) -> torch.Tensor | None:
    """The first of `one_of_each_type`, if it is a parameter, of a survey that holds."""
    for p in _parameters(survey):  # `model.half()` changes them where they are
        if _is_type(p):
            return p
    return None


def only_type(survey: Survey) -> torch.Tensor | None:
    """What `one_of_each_type` gives, where all parameters of a survey that holds are of one type.

    None where they are not, or where the first has no values.
    """
    parameters = _parameters(survey)
    one = len(set(map(_DTYPE, parameters))) == 1
    return parameters[0] if one and _is_type(parameters[0]) else None


_DTYPE = operator.attrgetter("dtype")


def _parameters(survey: Survey) -> list[torch.Tensor]:
    """The parameters, parents' first."""
    found: list[torch.Tensor] | None = survey.kept.get("in order")
    if found is None:
        held = _in_order(survey.modules[0], "_parameters")
        found = survey.kept["in order"] = [p for p in held if p is not None]
    return found


def _elsewhere(model: nn.Module) -> Iterator[torch.Tensor]:
    """What tells the type of a model that holds no values itself, if anything does.

    Weights that are offloaded are of their type, and whoever loads them moves the inputs to them;
    those of a frozen ScriptModule are in its program.
    """
    meta = {p.dtype for p in model.parameters() if p.is_floating_point()}
    yield from (torch.empty(0, dtype=dtype) for dtype in meta)
    for module in model.modules() if not meta else ():
        constant = _first_constant(module) if isinstance(module, torch.jit.ScriptModule) else None
        if constant is not None:
            yield constant
            return


def _first_constant(module: torch.jit.ScriptModule) -> torch.Tensor | None:
    """The first floating tensor in the program of a frozen module, whose weights are in there."""
    graph: Any = module.graph
    for node in graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            value: torch.Tensor = node.t("value")
            if value.is_floating_point() and value.ndim:
                return value
    return None


def _is_type(t: torch.Tensor) -> bool:
    """Whether a tensor tells a floating type; what is on the meta device tells no device."""
    return t.is_floating_point() and not t.is_meta


def _in_order(model: nn.Module, kind: str) -> Iterator[torch.Tensor | None]:
    """What a model's modules hold, parents first."""
    seen: set[nn.Module] = set()
    left: list[nn.Module | None] = [model]
    while left:
        module = left.pop()
        if module is None or module in seen:
            continue
        seen.add(module)
        if isinstance(module, torch.jit.ScriptModule):
            yield from module.parameters() if kind == "_parameters" else module.buffers()
            continue
        held = module.__dict__
        if held[kind]:
            yield from held[kind].values()
        if held["_modules"]:
            left += reversed(held["_modules"].values())


def keep(survey: Survey, force_eval: bool, undo: Undo, *, quiet: bool = False) -> None:
    """What the model holds will be what it is now.

    A forward pass may write it: running statistics, the state of a recurrent layer, a cache, a
    weight that is computed from others or renormalised. Put back are

    - parameters, buffers and modules that were added, removed or replaced by others;
    - the values of buffers, but for integers of a MiB and more (masks, packed weights), and for
      those of torch's own layers, which write them in training mode only;
    - the values of parameters smaller than a MiB that a module not torch's own holds by itself,
      and of the weights of embeddings with `max_norm=`;
    - attributes that hold tensors or came to, with what is in plain containers there. Where a
      module's tensors were changed, its numbers are put back with them: a cache has a length.

    Attributes that are numbers alone, such as a count of calls, are the model's own business, and
    so is what forward changes inside objects of other classes. A write to any other parameter or
    buffer is warned of by name; there, one by way of `.data` goes unseen.

    Args:
        survey: of a model.
        force_eval: whether its modules will be called in evaluation mode.
        undo: puts back.
        quiet: whether nothing is said of writes, since that is done around this.
    """
    values = Values()
    contents = Contents(values)
    if not quiet:
        undo.note(_warn_of_written, values, survey.modules[0])
    undo.note(_put_back, survey, contents, values.changed)
    if len(survey.held) < len(survey.modules):
        undo.note(_put_back_scripted, [x for x in survey.buffers if _is_scripted(x[0])])
    undo.note(values.put_back)
    steps = survey.kept.get(("steps", force_eval))
    if steps is None:
        steps = survey.kept["steps", force_eval] = _steps(survey, force_eval)
    for step, what, owner in steps:
        step(values, contents)(what, owner)
    inference = survey.kept.get("inference")
    if inference is None:
        found = [(m, n, b) for m, n, b in survey.buffers if b.is_inference()]
        inference = survey.kept["inference"] = found
    for module, name, buffer in inference:  # autograd refuses to save it
        setattr(module, name, buffer.clone())


_Step = tuple[Callable[[Values, Contents], Callable[[Any, int], object]], Any, int]
"""A method of one of them, and what to call it with: tensors or an attribute, and their owner."""


def _steps(survey: Survey, force_eval: bool) -> list[_Step]:
    """How what modules hold is kept. The first that is said of a tensor holds."""
    steps: list[_Step] = []
    for held in survey.held:
        steps += _of_own(held)
    for module, _, buffer in survey.buffers:
        steps.append(_of_buffer(module, buffer, force_eval))
    steps.append((_watch, survey.parameters, 0))
    found: list[_Step] = []
    taken: set[int] = set()
    for kind, run in itertools.groupby(steps, _together):
        found += _in_one_go(kind, [*run], taken)
    return found


def _together(step: _Step) -> str:
    """Equal for steps that, one after another, are taken in one go."""
    kind, what, _ = step
    if kind in (_watch, _keep):
        return "watched" if kind is _watch else "kept"
    return "copied" if kind in (_copy, _copy_small) and all(map(is_tiny, what)) else ""


def _in_one_go(kind: str, run: list[_Step], taken: set[int]) -> list[_Step]:
    """Steps that `_together` tells equal, as few as can be, but for tensors that are `taken`."""
    if not kind:
        return run
    if kind == "kept":
        return [(_keep_all, Attributes([(value, owner) for _, value, owner in run]), 0)]
    first: dict[int, tuple[torch.Tensor, int]] = {}
    for _, what, owner in run:
        for t in what:
            if id(t) not in taken:
                first.setdefault(id(t), (t, owner))
    if kind == "watched":
        return [(_watch_all, Watched([t for t, _ in first.values()]), 0)]
    taken.update(first)
    alike: dict[Any, list[tuple[torch.Tensor, int]]] = {}
    for t, owner in first.values():
        alike.setdefault((t.dtype, t.device), []).append((t, owner))
    return [(_copy_all, Copied(*zip(*group, strict=True)), 0) for group in alike.values()]


def _watch(values: Values, _: Contents) -> Callable[[Any, int], object]:
    return values.watch


def _watch_all(values: Values, _: Contents) -> Callable[[Any, int], object]:
    return values.watch_all


def _copy_all(values: Values, _: Contents) -> Callable[[Any, int], object]:
    return values.copy_all


def _copy(values: Values, _: Contents) -> Callable[[Any, int], object]:
    return values.copy


def _copy_small(values: Values, _: Contents) -> Callable[[Any, int], object]:
    return values.copy_small


def _keep_all(_: Values, contents: Contents) -> Callable[[Any, int], object]:
    return contents.keep_all


def _keep(_: Values, contents: Contents) -> Callable[[Any, int], object]:
    return contents.keep


def _of_own(held: Held) -> Iterator[_Step]:
    """Keep the parameters that a module may write, and what its attributes hold."""
    module, attributes = held.module, held.attributes
    owner = id(attributes)
    if held.parameters:
        own = [p for p in held.parameters.values() if p is not None]
        if attributes.get("max_norm") and isinstance(module, nn.Embedding | nn.EmbeddingBag):
            yield _copy, own, owner
        elif not _is_torchs(module):
            yield _copy_small, own, owner
    for name in attributes.keys() - EVERY_MODULES:
        if may_be_kept(attributes[name]):
            yield _keep, attributes[name], owner


def _of_buffer(module: nn.Module, buffer: torch.Tensor, force_eval: bool) -> _Step:
    owner = id(vars(module))
    if _is_torchs(module) and (force_eval or not module.training):
        return _watch, [buffer], owner
    if buffer.is_floating_point() or buffer.is_complex() or buffer.ndim < 2:
        return _copy, [buffer], owner
    return _copy_small, [buffer], owner


def _is_scripted(module: nn.Module) -> bool:
    return isinstance(module, torch.jit.ScriptModule)


def _is_torchs(module: nn.Module) -> bool:
    """Whether it is one of torch's own layers."""
    return type(module).__module__.startswith("torch.nn.modules.")


def _put_back(survey: Survey, contents: Contents, changed: set[int]) -> None:
    if survey.holds():
        contents.put_back()
        return
    modules = survey.held
    _shard_again(survey)
    for held in modules:
        p, b, m, unsaved = registries(held.before)
        if not (
            unsaved == held.unsaved
            and (not (p or held.parameters) or same(p, held.parameters) or _switched(held))
            and (not (b or held.buffers) or same(b, held.buffers))
            and (not (m or held.modules) or same(m, held.modules))
        ):
            changed.add(id(held.attributes))
            _put_back_registered(held)
    contents.put_back()
    for _, attributes, before, *_ in modules:
        if not same(attributes, before):
            _put_back_attributes(attributes, before, changed)


def _shard_again(survey: Survey) -> None:
    """Have the weights that a forward pass gathered, and no backward pass let go, be shards again.

    That is for those to do who gathered them (FSDP2), as they keep count of it.
    """
    if any(_switched(held) for held in survey.held):
        for module in survey.modules:
            if hasattr(type(module), "unshard") and hasattr(type(module), "reshard"):
                module.reshard()  # type: ignore[operator]  # a method of FSDPModule


def _switched(held: Held) -> bool:
    """Whether a module's weights were shards and are whole, or the other way round."""
    now = registries(held.before)[0]
    return any(_is_shard(now.get(n)) != _is_shard(w) for n, w in held.parameters.items())


def _is_shard(weight: Any) -> bool:
    return hasattr(weight, "full_tensor")


def _put_back_registered(held: Held) -> None:
    then = held.parameters, held.buffers, held.modules, held.unsaved
    for registry, before in zip(registries(held.before), then, strict=True):
        registry.clear()
        registry.update(before)


def _put_back_scripted(held: list[tuple[nn.Module, str, torch.Tensor]]) -> None:
    for module, name, tensor in held:
        if getattr(module, name, None) is not tensor:
            setattr(module, name, tensor)


def _put_back_attributes(now: dict[str, Any], before: dict[str, Any], changed: set[int]) -> None:
    pairs = {n: (now.get(n, _ABSENT), before.get(n, _ABSENT)) for n in {**before, **now}}
    pairs = {n: (value, old) for n, (value, old) in pairs.items() if value is not old}
    if any(holds_tensors(x) for pair in pairs.values() for x in pair):
        changed.add(id(now))
    for name, pair in pairs.items():
        together = id(now) in changed and all(x is _ABSENT or is_plain(x) for x in pair)
        if not (together or name == "training" or any(map(holds_tensors, pair))):
            continue
        if pair[1] is _ABSENT:
            del now[name]
        else:
            now[name] = pair[1]


def _warn_of_written(values: Values, model: nn.Module) -> None:
    """Say what forward wrote to that is not put back."""
    written = values.written()
    if not written:
        return
    named = [*model.named_parameters(), *model.named_buffers()]
    names = [next((repr(n) for n, held in named if held is t), "an attribute") for t in written]
    warnings.warn(
        f"the forward pass of {type(model).__name__} wrote to {', '.join(names)} in place, and "
        f"what it wrote stays: tensors of {SMALL} bytes and more, and those of torch's own "
        "layers, are not copied for every call. Explain copy.deepcopy(model), or let forward "
        "write in training mode only (if self.training)",
        TrulensWarning,
        stacklevel=_outside(),
    )


def _outside() -> int:
    """The stacklevel, for the caller, of the first frame that is not the library's."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("trulens"):
        frame, level = frame.f_back, level + 1
    return level
