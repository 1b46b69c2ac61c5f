"""A model seen through its cuts: what users call, and core writes on top of `CutModel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, final

from trulens_core.backends import Gradients, Tensor, Want
from trulens_core.errors import UnknownLayerError
from trulens_core.inputs import ModelInputs
from trulens_core.models import direct
from trulens_core.models.conversion import CallerKind, prepared
from trulens_core.models.texts import TextModel, text_model
from trulens_core.passes import CutModel
from trulens_core.passes.layer_tables import table_of, tree_of
from trulens_core.quantities.base import QoI
from trulens_core.quantities.short_forms import as_qoi
from trulens_core.rules import RuleSet
from trulens_core.slices import (
    Cut,
    LogitCut,
    source_cut,
    target_cut,
)
from trulens_core.steps.block import Block
from trulens_core.steps.blocks import over_blocks, values_over_blocks
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.values import activations

_SHAPES = "\nshapes and calls: print(wrapper.table(x)), for an input x"
"""What is said where only a pass of the model can tell them."""


class ModelWrapper(CutModel):
    """A model seen through its cuts, made by `get_model_wrapper`; printed, a table of its layers.

    A backend implements `backend`, `layers`, `forward` and, where its framework needs it,
    `place`, `opened`, `state`, `channel_axis`, `like` and `floating_weights`. The rest is core's.

    Args:
        model: the user's model. It is never changed by a call.
        logit_layer: the layer that `LogitCut` means.
        batched: which arguments have a row per record, see `ModelInputs`.

    Attributes:
        model: the user's model.
        parameters: the names of its positional parameters, as far as they are known.

    Example:
        >>> from trulens_core import get_model_wrapper
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> wrapper = get_model_wrapper(model)
        >>> wrapper(x).shape, wrapper.fprop(x, to_cut="hidden").shape
        ((2, 3), (2, 4))
    """

    # -- core: names and cuts ----------------------------------------------------------------

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return tree_of(self._owner, self.backend.name, self.layers())

    @final
    def table(self, *args: Any, depth: int | None = None, **kwargs: Any) -> str:
        """The layers as a table, as `print(wrapper)` shows it.

        Args:
            *args: arguments of the model, for the shapes of what the layers give and how often
                they are called: what one pass of it tells. Without them there is what is known.
            depth: how many names deep, as 1 for `layer4` and not `layer4.0`; None is all of them.
            **kwargs: keyword arguments of the model.

        Example:
            >>> from trulens_core import get_model_wrapper
            >>> from trulens_core.testing import small_model
            >>> model, x = small_model()
            >>> print(get_model_wrapper(model).table(depth=1))
            ReferenceModel on reference, 5 layers
            layer   kind   calls
            hidden  dense  1
            act     tanh   1
            second  dense  1
            act2    tanh   1
            logits  dense  1
        """
        look: Any = self.layers
        by_pass = bool(signature(look).parameters)  # else shapes need no pass
        told = by_pass and bool(args or kwargs)
        layers = look(*args, **kwargs) if told else look()
        shown = table_of(self._owner, self.backend.name, layers, depth)
        known = told or any(x.shape is not None or x.calls is not None for x in layers)
        return shown + ("" if known or not (by_pass and layers) else _SHAPES)

    @final
    def print_layer_names(self) -> None:
        """The old way to say `print(wrapper)`."""
        print(self)  # noqa: T201 - it is asked to

    @final
    def embeddings(self) -> list[str]:
        """The names of the embedding layers, for advice."""
        found = [x for x in self.layers() if "embed" in x.kind.lower()]
        return [x.name for x in sorted(found, key=lambda x: x.kind not in ("Embedding", "Embed"))]

    def text(self, embeddings: Any = None) -> TextModel:
        """How the model, if it is a language model, reads and writes tokens.

        `embeddings` names the layer, or the cut, where tokens are vectors, where it is not known.
        A backend says more of the models that it knows.
        """
        return text_model(self, embeddings)

    # -- core: inputs ------------------------------------------------------------------------

    @final
    def prepared(self, inputs: ModelInputs) -> tuple[ModelInputs, CallerKind]:
        """The caller's inputs as tensors of the model, and how to give results back."""
        return prepared(self, inputs)

    # -- core: the two evaluations -----------------------------------------------------------

    @final
    def activations(
        self,
        inputs: ModelInputs,
        cuts: Sequence[Cut],
        interventions: Mapping[Cut, list[Tensor]] | None = None,
    ) -> dict[Cut, list[Tensor]]:
        """The values at the cuts, without gradients, in one pass of the model.

        Call it inside `opened`. Interventions replace the values at other cuts, row by row.
        """
        return activations(self, inputs, cuts, interventions)

    @final
    def gradients(
        self,
        inputs: ModelInputs,
        *,
        wrt: Cut,
        of: Cut,
        qoi: QoI,
        block: Block,
        want: Sequence[Want] = (),
    ) -> Gradients:
        """Gradients of a quantity at `of` with respect to the value at `wrt`.

        By default the gradients are summed over the block's points with its weights. `want`:
        "points" gives each point's own, (k, b, …); "quantities" and "activations" those of the
        points, (k, b) and (k, b, …). Call it inside `opened`.
        """
        return self.over_blocks(inputs, wrt=wrt, of=of, qoi=qoi, want=want)(block)

    @final
    def over_blocks(  # noqa: PLR0913 - what blocks are evaluated from
        self,
        inputs: ModelInputs,
        *,
        wrt: Cut,
        of: Cut,
        qoi: QoI,
        want: Sequence[Want] = (),
        narrow: bool = False,
        contraction: Contraction | None = None,
        rules: RuleSet | None = None,
    ) -> Callable[[Block], Gradients]:
        """`gradients` as a function of blocks of one distribution; they have one structure.

        Where `narrow`, what comes before the distribution's inner cut is computed for the records
        alone; see `trulens_core.influence.ways`. With a `contraction` gradients are summed over
        axes as they come, a quantity at a time. With `rules` they are passed back by these.
        """
        parts = self, inputs, (wrt, of), qoi, want
        return over_blocks(*parts, narrow=narrow, contraction=contraction, rules=rules)

    @final
    def values_over_blocks(
        self, inputs: ModelInputs, *, of: Cut, narrow: bool = False
    ) -> Callable[[Block], list[Tensor]]:
        """The values at a cut as a function of blocks, (k, b, …) per tensor, without gradients.

        One step serves all quantities, which are evaluated of what it gives.
        """
        return values_over_blocks(self, inputs, of, narrow=narrow)

    # -- core: what users call ---------------------------------------------------------------

    @final
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The model's output for all records, (records, …); arguments are the model's own."""
        return self.fprop(ModelInputs.of_call(args, kwargs))

    @final
    def logits(self, *args: Any, **kwargs: Any) -> Any:
        """The scores before the softmax: the value at LogitCut, or the output without one.

        Arguments are the model's own; the result is (records, classes), of the caller's kind.
        """
        inputs = ModelInputs.of_call(args, kwargs)
        try:
            return self.fprop(inputs, to_cut=LogitCut())
        except UnknownLayerError:  # a backend that traces knows the layers' names only then
            if self.logit_layer is not None:
                raise
            return self.fprop(inputs)

    @final
    def probits(self, *args: Any, **kwargs: Any) -> Any:
        """Probabilities: softmax of the logits over the last axis, sigmoid of a single column."""
        backend = self.backend
        with backend.outside():
            inputs, kind = self.prepared(ModelInputs.of_call(args, kwargs))
            given = self.logits(inputs)
            y = given[0] if isinstance(given, list) else given
            single = len(y.shape) < 2 or y.shape[-1] == 1
            return kind.give(backend.sigmoid(y) if single else backend.softmax(y, -1))

    @final
    def fprop(
        self,
        model_args: Any,
        model_kwargs: Mapping[str, Any] | None = None,
        doi_cut: Any = None,
        to_cut: Any = None,
        attribution_cut: Any = None,
        intervention: Any = None,
    ) -> Any:
        """The value at `to_cut`, with the value at `doi_cut` replaced by `intervention`.

        Args:
            model_args: positional arguments, or one of them, or a `ModelInputs`.
            model_kwargs: keyword arguments.
            doi_cut: where the intervention is placed; None is the model's input.
            to_cut: where the value is read; None is the model's output.
            attribution_cut: another cut whose value is wanted.
            intervention: tensors for `doi_cut`, with k·b rows for b records, point by point: row
                p·b + r belongs to record r. At the input it may be a `ModelInputs`, else it
                replaces the positional arguments only.

        Returns:
            One tensor or a list; with an attribution_cut the pair (value at to_cut, value there).

        Raises:
            InterventionError: for an inner `doi_cut` without intervention, or one that does not
                fit the value there.
            CutError: for a cut that this call cannot serve, by its kinds.
        """
        with self.backend.outside():
            call = self._intervened(model_args, model_kwargs, doi_cut, intervention)
            return direct.fprop(self, call, target_cut(to_cut), attribution_cut)

    @final
    def qoi_bprop(  # noqa: PLR0913 - the documented signature
        self,
        qoi: Any,
        model_args: Any,
        model_kwargs: Mapping[str, Any] | None = None,
        doi_cut: Any = None,
        to_cut: Any = None,
        attribution_cut: Any = None,
        intervention: Any = None,
    ) -> Any:
        """Gradients of the quantity at `to_cut` with respect to the value at `attribution_cut`.

        `qoi` is a quantity of interest or its short form; the other arguments are as for `fprop`,
        but that attribution_cut defaults to the doi_cut. Errors are those of `fprop` and of the
        quantity.

        Returns:
            One tensor of the cut's shape per row; a list where the quantity or the cut has
            several: outer list = quantities, inner list = tensors, lists of one unwrapped.
        """
        with self.backend.outside():
            call = self._intervened(model_args, model_kwargs, doi_cut, intervention)
            return direct.qoi_bprop(self, call, as_qoi(qoi), target_cut(to_cut), attribution_cut)

    def _intervened(
        self, args: Any, kwargs: Mapping[str, Any] | None, doi_cut: Any, intervention: Any
    ) -> direct.Call:
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise TypeError(
                f"model_kwargs is a {type(kwargs).__name__}; several positional arguments are "
                "given as one list, fprop([x, y])"
            )
        given = args if isinstance(args, ModelInputs) else ModelInputs(direct.as_args(args), kwargs)
        return direct.intervened(self, given, self.resolved(source_cut(doi_cut)), intervention)
