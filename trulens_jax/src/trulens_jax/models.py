"""JAX models seen through their cuts."""

from __future__ import annotations

import contextlib
import copy
import threading
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Self

import jax
import numpy as np

from trulens_core.backends import Tap
from trulens_core.cache import StepCache
from trulens_core.errors import TrulensWarning
from trulens_core.inputs import ModelInputs
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.passes.names import place_of, unknown_layer
from trulens_core.rules import Applied
from trulens_core.slices import INPUT, OUTPUT, Cut, InputCut
from trulens_jax import _compat
from trulens_jax.adapters import adapter_for
from trulens_jax.adapters.base import Adapter
from trulens_jax.adapters.reweighted import Reweighted
from trulens_jax.backend import BACKEND
from trulens_jax.layers import listed
from trulens_jax.programs import Program, signature
from trulens_jax.weights import is_array

_KEPT_PROGRAMS = 32


class JaxModelWrapper(ModelWrapper):
    """A JAX model.

    Args:
        model: the user's model.
        adapter: what makes a function of it.
        logit_layer: the layer that `LogitCut` means.
        batched: by argument name, whether its tensors have a row per record.
    """

    backend = BACKEND

    def __init__(
        self,
        model: Any,
        adapter: Adapter,
        *,
        logit_layer: Any = None,
        batched: Mapping[str | int, bool | int] | None = None,
    ) -> None:
        super().__init__(model, logit_layer=logit_layer, batched=batched)
        self._adapter = adapter
        self.parameters = adapter.parameters
        self._programs = StepCache(_KEPT_PROGRAMS)
        self._now = _Now()
        self._last: Program | None = None
        self._warned_of_float64 = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": None}  # programs, like steps, belong to one process

    @property
    def _owner(self) -> str:
        return self._adapter.owner

    def update(self, weights: Any) -> None:
        """Explain with other weights of the same structure from now on; nothing is recompiled.

        Args:
            weights: what was given as `params=`; for Equinox another module. NNX modules are read
                at every call and need no update.
        """
        self._adapter.update(weights)

    def with_params(self, params: Any) -> Self:
        """The same model with other weights of the same structure, which may be traced by JAX.

        So a loss that holds attributions is a function of the weights:

            jax.grad(lambda p: loss(method_of(wrapper.with_params(p)).attributions(
                x, differentiable=True)))(params)

        Args:
            params: as for `update`.

        Returns:
            Another wrapper; this one stays as it is, and nothing is compiled twice.
        """
        new = copy.copy(self)
        new._adapter, new._now = copy.copy(self._adapter), _Now()
        new._adapter.update(params)
        return new

    def keeping_graph(self) -> Self:
        new = copy.copy(self)
        new._now, new.keeps_graph = _Now(), True
        return new

    # -- weights -----------------------------------------------------------------------------

    def state(self) -> Any:
        return self._adapter.state() if self._now.state is None else self._now.state

    @contextlib.contextmanager
    def opened(self, inputs: ModelInputs, at: Cut) -> Iterator[None]:
        del inputs, at
        state = self._adapter.state()  # once per group of records
        if not self.keeps_graph:
            traced = _compat.being_traced()
            _refuse_tracers(jax.tree.leaves(state), "the model's weights are", traced)
        with self.using(state):
            yield

    @contextlib.contextmanager
    def using(self, state: Any) -> Iterator[None]:
        now = self._now
        before = now.state, now.revision
        now.state, now.revision = state, None
        try:
            yield
        finally:
            now.state, now.revision = before

    def revision(self) -> Hashable:
        """The structure of the weights: what is traced, and a target's shape, depend on it."""
        if self._now.state is None:
            return _structure(self.state())
        if self._now.revision is None:
            self._now.revision = _structure(self._now.state)
        return self._now.revision

    def like(self) -> Any:
        return next(self.floating_weights(), None)

    def floating_weights(self) -> Iterator[Any]:
        found = set()
        for x in self._adapter.leaves():
            if hasattr(x, "dtype") and x.dtype not in found and BACKEND.is_floating(x):
                found.add(x.dtype)
                yield x

    def weights(self) -> Mapping[str, Any]:
        arrays = (x for x in self._adapter.leaves() if is_array(x))
        # keys of random numbers have a type of their own, and no numbers
        return {str(i): x for i, x in enumerate(arrays) if isinstance(x.dtype, np.dtype)}

    def with_weights(self, changed: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        held = self.weights()
        pairs = [(held[n], BACKEND.from_numpy(a, like=held[n])) for n, a in changed.items()]
        adapter = Reweighted(self._adapter, pairs)
        options = {"logit_layer": self.logit_layer, "batched": self.batched}
        return type(self)(self.model, adapter, **options)

    def channel_axis(self, cut: Cut) -> int | None:
        del cut
        return self._adapter.channel_axis

    def adopt(self, value: Any, declared: Any = None) -> Any:
        if not self.keeps_graph:
            _refuse_tracers([value], "is")
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            self._warn_of_float64()
        return super().adopt(value, declared)

    def _warn_of_float64(self) -> None:
        if self._warned_of_float64 or jax.dtypes.canonicalize_dtype(np.float64) == np.float64:
            return
        self._warned_of_float64 = True
        warnings.warn(
            "the inputs are float64, but JAX computes in 32 bits unless jax_enable_x64 is on: "
            "they are explained in float32",
            TrulensWarning,
            stacklevel=2,
        )

    # -- evaluation --------------------------------------------------------------------------

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Any]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[Any]]:
        state = self.state()
        program = self._program(state, inputs)
        with self._now.at(program):
            p = Pass(self, replace=replace, tap=tap, want=want)
        return p.leave(program.run(state, p.enter(inputs), p))

    def ruled(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Any]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        rules: Applied,
    ) -> list[list[Any]]:
        state = self.state()
        program = self._program(state, inputs)
        with self._now.at(program):
            p = Pass(self, replace=replace, tap=tap, want=want)
        entered, parameters = p.enter(inputs), self.parameters
        at = [i for c in tap if isinstance(c, InputCut) for i in inputs.at(c, BACKEND, parameters)]
        return p.leave(program.ruled(state, entered, p, at, rules))

    def _program(self, state: Any, inputs: ModelInputs) -> Program:
        def build() -> Program:
            own = self._adapter.own_caches
            with _compat.own_jit_caches() if own else contextlib.nullcontext():
                return Program(self._adapter.apply, state, inputs)

        program: Program = self._programs.get(signature(state, inputs), build)
        self._last = program
        return program

    def clear_cache(self) -> None:
        super().clear_cache()
        self._programs.clear()

    # -- layers ------------------------------------------------------------------------------

    def layers(self, *args: Any, **kwargs: Any) -> Sequence[Layer]:
        """The layers by name, with shapes and calls as the model was traced last.

        Functions, Linen and Haiku tell their layers only when traced: give inputs, or explain
        something first.
        """
        program = self._last
        if args or kwargs:
            inputs = self.prepared(ModelInputs(args, kwargs))[0]
            program = self._program(self.state(), inputs)
        return listed(self._adapter.layers() or {}, program.found if program else None)

    def place(self, cut: Cut) -> Place:
        if cut.name in (INPUT, OUTPUT):
            return cut.name, cut.anchor
        program, known = self._now.program, self._adapter.layers()
        if program is None and known is None:
            return cut.name, cut.anchor  # found out when the model is traced
        names = [x.name for x in listed(known or {}, program.found if program else None)]
        name: Any = self._adapter.aliases().get(cut.name, cut.name)
        if isinstance(name, str) and name not in names:
            error = unknown_layer(name, names, self._owner)
            raise type(error)(f"{error}{self._adapter.advice}")
        found: Place = place_of(Cut(name, cut.anchor), names, self._owner)
        return found

    def logit_cut(self) -> Cut:
        found_when_traced = self._adapter.layers() is None
        return Cut(self.logit_layer or "logits") if found_when_traced else super().logit_cut()


class _Now(threading.local):
    """What a thread evaluates now: with which weights, and which program."""

    state: Any = None
    revision: Hashable = None  # of that state
    program: Program | None = None

    def __reduce__(self) -> tuple[type[_Now], tuple[()]]:
        return _Now, ()

    @contextlib.contextmanager
    def at(self, program: Program) -> Iterator[None]:
        before, self.program = self.program, program
        try:
            yield
        finally:
            self.program = before


def _structure(state: Any) -> Hashable:
    leaves, structure = jax.tree.flatten(state)
    return structure, tuple([getattr(x, "shape", None) for x in leaves])


def _refuse_tracers(values: Sequence[Any], what: str, traced: bool = False) -> None:
    if traced or any(issubclass(kind, _compat.Tracer) for kind in set(map(type, values))):
        raise TypeError(
            f"{what} being traced by JAX, and explanations are not traceable, as they look at "
            "numbers: inside of jax.jit, jax.grad and jax.vmap call attributions(..., "
            "differentiable=True), which is a function of weights and inputs alone"
        )


def wrap(
    model: Any,
    *,
    logit_layer: Any = None,
    params: Any = None,
    state: Any = None,
    method: Any = None,
    batched: Mapping[str | int, bool | int] | bool | None = None,
) -> JaxModelWrapper:
    """The wrapper of a function, a Flax or Equinox module, or a Haiku function.

    Args:
        model: the model.
        logit_layer: the layer that `LogitCut` means.
        params: the weights of functions, of Linen modules (all variables) and of Haiku.
        state: of Haiku's and Equinox's stateful models.
        method: what of a module is called instead of `__call__`, a name or a function; a module's
            bound method as the model says the same.
        batched: by argument name, whether its tensors have a row per record; True for an Equinox
            module that takes all records at once.
    """
    if isinstance(batched, bool):
        whole, batched = batched, None
    else:
        whole = False
    adapter = adapter_for(model, params, state, method, whole)
    return JaxModelWrapper(model, adapter, logit_layer=logit_layer, batched=batched)
