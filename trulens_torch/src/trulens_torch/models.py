"""PyTorch models seen through their cuts, by forward hooks."""

from __future__ import annotations

import contextlib
import copy
import operator
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from trulens_core.backends import Tap
from trulens_core.cache import StepCache
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.owners import Rows
from trulens_core.inputs.structure import STATIC
from trulens_core.models import Layer, ModelWrapper
from trulens_core.models.texts import TextModel
from trulens_core.passes import Pass, Place, Replacement
from trulens_core.passes.scores import probabilities
from trulens_core.passes.trace import Trace
from trulens_core.rules import Applied
from trulens_core.slices import INPUT, OUTPUT, Cut, InputCut
from trulens_torch import arguments, runners, state
from trulens_torch.backend import BACKEND, gradients_enabled
from trulens_torch.function_model import FunctionModel, Given
from trulens_torch.graph_kept import KEEPING
from trulens_torch.graphs import Graphs
from trulens_torch.hooks import Reached, Stop, before, show, unhook
from trulens_torch.layers import Layers, unwrapped
from trulens_torch.revisions import Revisions
from trulens_torch.ruled import ByRules
from trulens_torch.session import aside, session
from trulens_torch.survey import Survey
from trulens_torch.texts import of_transformers
from trulens_torch.undo import Undo
from trulens_torch.watching import CheckedIndices, ReadValues
from trulens_torch.widening import Widened

_KEPT = 64
_NOTHING = contextlib.nullcontext()
_TRAINING = operator.attrgetter("training")


class TorchModelWrapper(ModelWrapper):
    """A PyTorch model.

    Args:
        model: an nn.Module; compiled, traced and data-parallel ones too. Or a function of tensors.
        device: where the model is moved, once and for good; None leaves it where it is.
        force_eval: whether calls see all modules in evaluation mode; False keeps each as it is.
        skip_prefix: whether what comes before the cut of a distribution is computed for the
            records alone, not for all of their points, where that is proved to be the same, see
            `trulens_core.influence.ways`.
        graphs: whether what a block of points runs on a GPU is recorded and repeated, see
            `trulens_torch.graphs`.
        logit_layer: the layer that `LogitCut` means.
        batched: by argument name, whether its tensors have a row per record.
        layers: of a function, the modules that it uses, where they are not found in it.
        rows: the arguments that tell whose each row is, where records own a number of them.
    """

    backend = BACKEND

    def __init__(  # noqa: PLR0913 - options of get_model_wrapper
        self,
        model: nn.Module | Callable[..., Any],
        *,
        device: Any = None,
        force_eval: bool = True,
        skip_prefix: bool = True,
        graphs: bool = False,
        logit_layer: Any = None,
        batched: Mapping[str | int, bool | int] | None = None,
        layers: Given | None = None,
        rows: Rows | None = None,
    ) -> None:
        runner = runners.runner(model, layers)
        if device is not None:
            runners.check_device(device)
            runner.to(device)
        super().__init__(model, logit_layer=logit_layer, batched=batched)
        self.force_eval, self.rows = force_eval, rows
        self._runner = unwrapped(runner)
        self._layers = Layers(self._runner, self._owner)
        called = getattr(self._runner, "function", self._runner.forward)
        self.parameters = runners.parameters(called)
        self._skip_prefix = skip_prefix
        self._graphs = Graphs() if graphs else None
        self._revisions = Revisions()
        self._known = StepCache(_KEPT)
        self._hooks = Undo()
        self._keeping: Self | None = None
        self._named: Survey | None = None
        self._open: Survey | None = None
        self._ends = False

    def __getstate__(self) -> dict[str, Any]:
        own = {"_hooks": Undo(), "_keeping": None, "_named": None, "_open": None}
        return {**vars(self), **own}

    @property
    def _owner(self) -> str:
        if isinstance(self._runner, FunctionModel):
            return f"the function {getattr(self.model, '__name__', type(self.model).__name__)}"
        return type(self._runner).__name__

    def layers(self, *args: Any, **kwargs: Any) -> Sequence[Layer]:
        """The layers by name; given inputs, with their outputs' shapes and how often called."""
        self._layers = self._layers.again(self._runner)
        listed = self._layers.listed()
        if not args and not kwargs:
            return listed
        inputs = self.prepared(ModelInputs(args, kwargs))[0].own(BACKEND)
        shapes: dict[str, tuple[int, ...]] = {}
        calls: Counter[str] = Counter()

        def record(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, given: Any, output: Any) -> None:
                del module, given
                calls[name] += 1
                tensors = [t for t in BACKEND.flatten(output).leaves if BACKEND.is_tensor(t)]
                if tensors:
                    shapes[name] = tuple(tensors[0].shape[1:])

            return hook

        undo = Undo()
        with self.opened(inputs, Cut(INPUT)), torch.no_grad():
            try:
                for name, module in self._layers.modules.items():
                    if not isinstance(module, torch.jit.ScriptModule):
                        hook = record(name)
                        undo.note(unhook, module, "_forward_hooks", hook)
                        module.register_forward_hook(hook)
                self._runner(*inputs.args, **inputs.kwargs)
            finally:
                try:
                    undo.run()
                finally:
                    undo.run()
        return [x._replace(shape=shapes.get(x.name), calls=calls[x.name]) for x in listed]

    def text(self, embeddings: Any = None) -> TextModel:
        if embeddings is None and hasattr(self._runner, "get_input_embeddings"):
            return of_transformers(self._runner, lambda: self.opened(ModelInputs(), Cut(INPUT)))
        return super().text(embeddings)

    def place(self, cut: Cut) -> Place:
        if cut.name in (INPUT, OUTPUT):
            return cut.name, cut.anchor
        return self._layers.find(cut.name), cut.anchor

    def logit_cut(self) -> Cut:
        cut = super().logit_cut()
        name = self._layers.find(cut.name)
        last = self._layers.modules[name]
        while isinstance(last, nn.Sequential) and len(last):
            last = last[-1]
        if isinstance(last, _SQUASHING):
            raise probabilities(name)
        return cut

    def like(self) -> torch.Tensor | None:
        return next(self.floating_weights(), None)

    def floating_weights(self) -> Iterator[torch.Tensor]:
        only = None if self._open is None else state.only_type(self._open)
        return state.one_of_each_type(self._runner) if only is None else iter((only,))

    def weights(self) -> Mapping[str, torch.Tensor]:
        held = {**dict(self._runner.named_parameters()), **dict(self._runner.named_buffers())}
        offloaded = any(w.is_meta for w in held.values())
        return {} if offloaded else {name: w.detach() for name, w in held.items()}

    def with_weights(self, changed: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        if isinstance(self._runner, FunctionModel) or not self.weights():
            return super().with_weights(changed)
        model = copy.deepcopy(self._runner)
        held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        with torch.no_grad():
            for name, values in changed.items():
                held[name].copy_(BACKEND.from_numpy(values, like=held[name]))
        return type(self)(
            model,
            force_eval=self.force_eval,
            skip_prefix=self._skip_prefix,
            logit_layer=self.logit_layer,
            batched=self.batched,
        )

    def check(self, inputs: ModelInputs) -> None:
        arguments.check(inputs)

    def adopt(self, value: Any, declared: Any = None) -> torch.Tensor:
        if torch.is_inference_mode_enabled():  # what is made under it cannot be differentiated
            with torch.inference_mode(False):
                return self.adopt(value, declared)
        if isinstance(value, torch.Tensor):
            if value.is_meta:
                raise TypeError("is on the meta device, where tensors hold no values")
            value = value if self.keeps_graph else value.detach()
        x: torch.Tensor = super().adopt(value)
        return x.clone() if x.is_inference() else x

    def opened(self, inputs: ModelInputs, at: Cut) -> contextlib.AbstractContextManager[None]:
        del inputs, at
        if isinstance(self._runner, FunctionModel):
            self._runner.look()

        def enter(undo: Undo, survey: Survey) -> None:
            undo.note(self._unhook)
            self._revisions.look(survey)
            undo.note(self._closed)
            self._open = survey
            if survey is not self._named:
                self._named, self._layers = survey, self._layers.again(self._runner)

        known = self._revisions.survey
        return session(self._runner, self.force_eval, enter, known, self.keeps_graph)

    def _closed(self) -> None:
        self._open, self._ends = None, False

    def keeping_graph(self) -> Self:
        if self._keeping is None:  # one for all calls: it knows what was found out for the first
            new = copy.copy(self)
            new.backend, new.keeps_graph, new.force_eval = KEEPING, True, False
            new._known, new._graphs = StepCache(_KEPT), None
            self._keeping = new
        return self._keeping

    def revision(self) -> Hashable:
        return self._revisions.now

    def repeats(self) -> bool:
        return self._graphs is not None

    def unrepeated(self, why: str) -> None:
        if self._graphs is not None:
            self._graphs.say(why)

    def repeated(
        self,
        key: Hashable,
        run: Callable[[list[torch.Tensor]], Any],
        tensors: list[torch.Tensor],
    ) -> Any:
        survey = self._revisions.survey
        if self._graphs is None or survey is None:
            return run(tensors)
        self._unhook()  # of the pass before: what is left are the caller's
        return self._graphs.repeated((self._revisions.now, key), run, tensors, survey)

    def narrows(self) -> bool:
        if not self._skip_prefix:
            return False
        found = self._revisions.survey
        if found is None:
            found = Survey.of(self._runner)
        parallel = found.kept.get("parallel")
        if parallel is None:
            several = [isinstance(m, nn.DataParallel) for m in found.modules]
            parallel = found.kept["parallel"] = any(several)
        return not (parallel or any(map(_TRAINING, found.modules)))

    def aside(self, inputs: ModelInputs, at: Cut) -> contextlib.AbstractContextManager[Trace]:
        del inputs
        return aside(self._runner, self.force_eval, self._open, not isinstance(at, InputCut))

    def careful(self) -> contextlib.AbstractContextManager[object]:
        return CheckedIndices() if torch.accelerator.is_available() else _NOTHING

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        self._ends = True
        try:
            yield
        finally:
            self._ends = False

    def _unhook(self) -> None:
        """Remove the hooks of the last pass, which its backward pass may have called."""
        self._hooks.run()

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, Replacement],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[torch.Tensor]]:
        try:
            return self._passed(inputs, replace, tap, want, _NOTHING)
        except AssertionError as error:
            if not isinstance(self._runner, torch.fx.GraphModule):
                raise
            raise ValueError(str(error)) from error  # an exported program's guard of its shapes

    def whole(self, *args: Any, **kwargs: Any) -> Any:
        self._unhook()
        return self._runner(*args, **kwargs)

    def taken(self, value: torch.Tensor) -> torch.Tensor | None:
        survey = self._revisions.survey
        like = None if survey is None else state.first_floating(survey)
        same = like is not None and like.dtype is value.dtype and like.device == value.device
        return value.detach() if same and not value.is_meta else None

    def ruled(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, Replacement],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        rules: Applied,
    ) -> list[list[torch.Tensor]]:
        by = ByRules(rules, self._layers.names)
        with by.layers():
            found = self._passed(inputs, replace, by.taps(tap), want, by)
        by.check(found)
        return found

    def _passed(
        self,
        inputs: ModelInputs,
        replace: Mapping[Cut, Replacement],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        within: contextlib.AbstractContextManager[Any],
    ) -> list[list[torch.Tensor]]:
        """See `forward`; the model runs within a context."""
        p = Pass(self, replace=replace, tap=tap, want=want)
        self._unhook()
        stop, self._hooks = Stop(), Undo()
        ends, self._ends = self._ends, False  # not what is called inside, by hooks of the caller's
        known = self._reached(inputs) if p.inside else None
        p.cut_short = known is not None and (ends or known.once.issuperset(p.places))
        learns = known is not None and not p.cut_short and known.may_learn(p)
        watch = ReadValues() if learns else None
        widens = inputs.points > 1 and inputs.widening is not None
        widened = Widened(p, inputs) if widens else None
        try:
            if widened is not None:  # first, so that the pass sees at a layer what it is given
                widened.hook(self._layers.modules, self._hooks, before)
            for place in sorted(p.places, key=lambda place: place[1] == "in"):
                show(p, place, self._layers.modules[place[0]], stop, self._hooks)
            with gradients_enabled() if tap or self.keeps_graph else torch.no_grad(), within:
                entered = p.enter(inputs)
                with watch or _NOTHING:
                    output = self._runner(*entered.args, **entered.kwargs)
        except Stop as caught:
            if caught is not stop:
                raise
            # its frames hold what the model computed, and a hook among them holds it
            stop.__traceback__ = None
            return p.stop()
        finally:
            if widened is not None:
                widened.end()
        if watch is not None and known is not None:
            known.learn(p, watch.found)
        return p.leave(output)

    def _reached(self, inputs: ModelInputs) -> Reached:
        """What is known of the calls of layers for inputs of this structure and these shapes."""
        shapes = tuple([tuple(x.value.shape) for x in inputs.leaves if x.role != STATIC])
        key = self._revisions.now, inputs.split()[0].key(), shapes, inputs.points
        found: Reached = self._known.get(key, Reached)
        return found

    def not_reached(self, cut: Cut, calls: int) -> str:
        text = super().not_reached(cut, calls)
        name = self._layers.find(cut.name)
        if isinstance(self._runner, torch.fx.GraphModule):
            return (
                f"the layer of {cut} was not called: this program uses weights without calling "
                "layers, as those of torch.export do; torch.export.unflatten(program) calls them"
            )
        parent = self._layers.modules.get(name.rpartition(".")[0])
        if isinstance(parent, nn.MultiheadAttention):
            return (
                f"the layer of {cut} was not called: nn.MultiheadAttention uses the weights of "
                f"{name!r} without calling it; cut at the attention layer itself"
            )
        return text


_SQUASHING = nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid
"""Modules that give probabilities, or their logarithms."""
