"""CUDA graphs: what a block of points runs on a GPU, recorded once and repeated.

Where kernels are short, a GPU waits for Python. A graph is launched in one go, without it. It runs
the same kernels on the same memory, so that it stands for the model only while all of this holds:

- the shapes, types and devices of what goes in are those that it was recorded with;
- every parameter and buffer lies where it lay: what is written there is followed, what is replaced
  or moved is recorded anew;
- the model is in evaluation mode, as it was, and without hooks of the caller's;
- nothing reads a value on the way (`.item()`), which a recording refuses;
- the switches that choose kernels (autocast, TF32, deterministic) are as they were.

A recording is compared with the eager pass before it is used. What cannot be recorded is evaluated
eagerly, which is said once. Python of the model's own is not run again: a graph repeats what the
recorded call did, as whoever asks for one knows.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from trulens_core.cache import StepCache
from trulens_core.errors import TrulensWarning
from trulens_torch.backend import BACKEND
from trulens_torch.constants import Constants
from trulens_torch.survey import Survey

_KEPT = 16
_EAGER_FIRST = 2
"""Calls of a kind that are evaluated eagerly: as many as are looked at before they are trusted."""


class Recorder(Protocol):
    """Records what runs on a device."""

    def serves(self, t: torch.Tensor) -> bool:
        """Whether what runs on a tensor's device can be recorded."""

    def warm(self, run: Callable[[], Any]) -> Any:
        """`run()`, on the way to a recording."""

    def record(self, run: Callable[[], Any]) -> tuple[Any, Callable[[], object]]:
        """What `run()` gives, in memory that stays, and a function that computes it there again."""


class CudaRecorder:
    """torch.cuda.CUDAGraph."""

    def serves(self, t: torch.Tensor) -> bool:
        """Whether it is on a GPU."""
        return t.is_cuda

    def warm(self, run: Callable[[], Any]) -> Any:
        """On a stream of its own, as a recording is."""
        here, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(here)
        with torch.cuda.stream(side):
            found = run()
        here.wait_stream(side)
        return found

    def record(self, run: Callable[[], Any]) -> tuple[Any, Callable[[], object]]:
        """What other threads do on the GPU meanwhile is theirs."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            found = run()
        return found, graph.replay


@dataclasses.dataclass(frozen=True)
class _Graph:
    """A recording: where it reads, what it gives, where the weights lay, and what it holds."""

    given: list[torch.Tensor]
    found: Any
    replay: Callable[[], object]
    weights: tuple[int, ...]
    constants: Constants

    def __call__(self, tensors: Sequence[torch.Tensor]) -> Any:
        """What it gives for other numbers, in memory of its own."""
        for mine, t in zip(self.given, tensors, strict=True):
            mine.copy_(t)
        self.replay()
        return _copied(self.found)


@dataclasses.dataclass
class _Seen:
    """What is known of one kind of evaluation."""

    calls: int = 0
    refused: bool = False
    graph: _Graph | None = None


class Graphs:
    """The recordings of one model. A copy, and what is unpickled, has none.

    Args:
        recorder: records.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder: Recorder = recorder or CudaRecorder()
        self._held = StepCache(_KEPT)
        self._said = False

    def __reduce__(self) -> tuple[type[Graphs], tuple[Recorder]]:
        return Graphs, (self._recorder,)

    def repeated(
        self,
        key: Hashable,
        run: Callable[[list[torch.Tensor]], Any],
        tensors: list[torch.Tensor],
        survey: Survey,
    ) -> Any:
        """What `run(tensors)` gives.

        Args:
            key: what it depends on besides the tensors, the model's modules included.
            run: evaluates.
            tensors: of any shapes.
            survey: of the model, inside a session.
        """
        why = self._obstacle(tensors, survey)
        if why is not None:
            self.say(why)
            return run(tensors)
        whole = key, tuple(map(_kind, tensors)), _switches(tensors[0].device.type)
        seen: _Seen = self._held.get(whole, _Seen)
        seen.calls += 1
        if seen.refused or seen.calls <= _EAGER_FIRST:
            return run(tensors)
        weights = _places(survey)
        if seen.graph is not None and seen.graph.weights == weights:
            return seen.graph(tensors)
        seen.graph = None  # before another is made, so that memory holds one of them
        expected = run(tensors)
        if _finite(expected):  # else nothing could be compared
            seen.graph = self._recorded(run, tensors, weights, expected)
            seen.refused = seen.graph is None
        return expected

    def _recorded(
        self,
        run: Callable[[list[torch.Tensor]], Any],
        tensors: list[torch.Tensor],
        weights: tuple[int, ...],
        expected: Any,
    ) -> _Graph | None:
        """A recording that gives what is expected; None where there can be none."""
        given, constants = [t.clone() for t in tensors], Constants()
        try:
            with constants.seen():
                self._recorder.warm(lambda: run(given))
            with constants.given():
                found, replay = self._recorder.record(lambda: run(given))
        except Exception as error:  # noqa: BLE001 - whatever a recording cannot hold
            self.say(str(error).split("\n", maxsplit=1)[0])
            return None
        graph = _Graph(given, found, replay, weights, constants)
        if _close(graph(tensors), expected):
            return graph
        self.say("what was recorded gives other numbers than the eager pass")
        return None

    def _obstacle(self, tensors: Sequence[torch.Tensor], survey: Survey) -> str | None:
        """What a recording cannot do with, if anything."""
        serves = self._recorder.serves
        if not tensors or not all(map(serves, [*tensors, *survey.parameters])):
            return "the model or its inputs are not on a GPU"
        if any([m.training for m in survey.modules]):
            return "some modules are in training mode (force_eval=False)"
        if any([_hooked(h.attributes) for h in survey.held]) or len(survey.held) < len(
            survey.modules
        ):
            return "some modules have hooks, or are scripted, and a recording would leave them out"
        if any([b.is_inference() for _, _, b in survey.buffers]):
            return "some buffers were made under torch.inference_mode, and are copied every time"
        if any([isinstance(m, nn.DataParallel) for m in survey.modules]):
            return "the model is data-parallel"
        return None

    def say(self, why: str) -> None:
        """Say once why something is evaluated eagerly."""
        if not self._said:
            self._said = True
            warnings.warn(
                f"graphs=True: nothing was recorded, since {why}. It is evaluated eagerly, with "
                "the same numbers; this is said once",
                TrulensWarning,
                stacklevel=2,
            )


_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_hf_hook",
)


def _hooked(attributes: dict[str, Any]) -> bool:
    """Whether the caller has hooks on a module: inside a session, before a pass has its own."""
    return any([attributes.get(kind) for kind in _HOOKS])


def _kind(t: torch.Tensor) -> Hashable:
    return tuple(t.shape), t.stride(), t.dtype, t.device


def _places(survey: Survey) -> tuple[int, ...]:
    """Where the weights lie."""
    tensors = [*survey.parameters, *[b for _, _, b in survey.buffers]]
    return tuple(map(torch.Tensor.data_ptr, tensors))


def _switches(kind: str) -> Hashable:
    """What chooses kernels, for the whole process."""
    return (
        torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.enabled,
        torch.are_deterministic_algorithms_enabled(),
    )


def _copied(found: Any) -> Any:
    tree = BACKEND.flatten(found)
    return tree.unflatten([t.clone() if isinstance(t, torch.Tensor) else t for t in tree.leaves])


_TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4}
_HALF = 3e-2


def _finite(found: Any) -> bool:
    tensors = [t for t in BACKEND.flatten(found).leaves if isinstance(t, torch.Tensor)]
    return all([bool(torch.isfinite(t).all()) for t in tensors])


def _close(found: Any, expected: Any) -> bool:
    """Whether two evaluations gave the same, up to rounding: kernels may be others."""
    pairs = zip(BACKEND.flatten(found).leaves, BACKEND.flatten(expected).leaves, strict=True)
    for a, b in pairs:
        if not isinstance(b, torch.Tensor):
            if a != b:
                return False
            continue
        size = float(b.abs().max()) if b.numel() else 0.0
        apart = float((a - b).abs().max()) if b.numel() else 0.0
        if not apart <= _TOLERANCES.get(b.dtype, _HALF) * size:
            return False
    return True
