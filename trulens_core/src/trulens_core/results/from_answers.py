"""Groups' answers put together: in the caller's structure, layout and kind."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.errors import BackendError
from trulens_core.influence.completeness import scale, summed
from trulens_core.influence.questions import Answer, Question
from trulens_core.inputs import ModelInputs
from trulens_core.models.conversion import CallerKind
from trulens_core.passes import selection
from trulens_core.slices import Cut, InputCut

_LARGE = 0.1
"""The residual that is warned of, as a part of q(x) − q(baseline)."""


class Assembly:
    """The answers of all groups as one result."""

    def __init__(
        self, question: Question, inputs: ModelInputs, kind: CallerKind, found: list[Answer]
    ) -> None:
        self._question, self._inputs, self._kind, self._found = question, inputs, kind, found
        self._backend = question.wrapper.backend

    def attributions(self) -> Any:
        """The attributions: [quantity][tensor], lists of one unwrapped."""
        return self._nested([a.attributions for a in self._found], leading=0)

    def fields(self) -> dict[str, Any]:
        """Everything that was asked for, as the fields of an `AttributionResult`."""
        gradients = [a.gradients for a in self._found if a.gradients is not None]
        points = [a.points for a in self._found if a.points is not None]
        residual = self._residual
        errors = [a.standard_error for a in self._found if a.standard_error is not None]
        known = [a.classes for a in self._found if a.classes is not None]
        stated = [a.converged for a in self._found if a.converged is not None]
        evaluated = [a.n_evaluations for a in self._found if a.n_evaluations is not None]
        sizes = [a.attributions[0][0].shape[0] for a in self._found]
        owners = self._question.wrapper.owners(self._inputs)
        if owners is not None:
            sizes = [owners.records]
        return {
            "attributions": self.attributions(),
            "gradients": self._nested(gradients, leading=1) if gradients else None,
            "interventions": self._tensors(points, self._question.doi_cut, 1) if points else None,
            "quantity": self._given(self._quantity),
            "baseline_quantity": None if residual is None else self._given(self._baseline_quantity),
            "residual": self._given(residual),
            "n_points": np.concatenate(
                [np.broadcast_to(a.n_points, n) for a, n in zip(self._found, sizes, strict=True)]
            ),
            "converged": np.concatenate(stated) if stated else None,
            "standard_error": self._nested(errors, leading=0) if errors else None,
            "n_evaluations": np.concatenate(evaluated) if evaluated else None,
            "segments": self._segments,
            "coverage": None if self._question.rules is None else self._question.rules.report,
            "target": np.concatenate(known) if len(known) == len(self._found) else None,
        }

    def residual_advice(self) -> str | None:
        """What to say of a residual that is too large; None where there is nothing to say."""
        if self._residual is None or self._question.complete != "exact":
            return None
        q, b, r = map(self._numpy, (self._quantity, self._baseline_quantity, self._residual))
        measure = scale(q, b)
        large = np.abs(r) > _LARGE * measure
        if not large.any():
            return None
        worst = float(np.max(np.abs(r) / np.maximum(measure, np.finfo("float64").tiny)))
        return (
            f"completeness fails by more than 10 % of q(x) - q(baseline) for {int(large.sum())} of "
            f"{large.size} quantities (at worst by {worst:.0%}); use more points or another rule"
            + self._cause()
        )

    def _cause(self) -> str:
        q = self._question
        wrapper, doi = q.wrapper, q.doi
        if q.statistic.follows_path and q.source != q.doi_cut:
            return (
                f". Where more points change nothing, the rest goes around {q.source} (a "
                "shortcut): that part is not the layer's"
            )
        norms = [x for x in wrapper.layers() if "norm" in x.kind.lower()]
        if not norms or not doi.starts_at_zero:
            return ""
        cut = q.doi_cut.name
        inside = [x.name for x in norms if f"{x.name}.".startswith(f"{cut}.")]
        return (
            f". The usual cause is a zero baseline before a normalisation layer ({norms[0].kind}), "
            "which does not see how far from zero its input is: give a baseline of the data's own "
            "kind, such as the mean"
            + (" or that of a token (trulens.utils.nlp.token_baseline)" if self._reads_ids else "")
            + (f", or cut before {inside[0]!r}, which never gives zeros" if inside else "")
        )

    @property
    def _reads_ids(self) -> bool:
        no_floats = self._inputs.first_floating(self._backend) is None
        return no_floats and bool(self._question.wrapper.embeddings())

    # -- parts -------------------------------------------------------------------------------

    @functools.cached_property
    def _quantity(self) -> Tensor | None:
        return self._column([a.quantity for a in self._found])

    @functools.cached_property
    def _baseline_quantity(self) -> Tensor | None:
        return self._column([a.baseline_quantity for a in self._found])

    @functools.cached_property
    def _residual(self) -> Tensor | None:
        """q(x) − q(baseline) − Σ attributions, where the law of completeness holds."""
        if self._found[0].residual is not None:
            return self._column([a.residual for a in self._found])
        q, b = self._quantity, self._baseline_quantity
        if self._question.complete is None or q is None or b is None:
            return None
        wide = self._backend.accumulator
        sums = self._column([[self._summed(ts) for ts in a.attributions] for a in self._found])
        return wide(q) - wide(b) - sums

    def _summed(self, tensors: list[Tensor]) -> Tensor:
        """The sum of each record over all tensors."""
        owners = self._question.wrapper.owners(self._inputs)
        if owners is None:
            return summed(tensors, self._backend)
        each = [owners.summed(summed([t], self._backend), self._backend) for t in tensors]
        return summed([self._backend.xp.stack(each, axis=1)], self._backend)

    def _column(self, groups: list[list[Tensor] | None]) -> Tensor | None:
        """(records,) or, for k quantities, (records, k)."""
        xp = self._backend.xp
        held = [g for g in groups if g is not None]
        if not held:
            return None
        columns = [xp.concat(parts, axis=0) for parts in zip(*held, strict=True)]
        return columns[0] if len(columns) == 1 else xp.stack(columns, axis=1)

    @property
    def _segments(self) -> Any:
        """Of each record its regions, one for all where they are the same.

        A tuple of them where the cut holds several tensors.
        """
        found = [own for a in self._found for own in a.regions or ()]
        each = [own[0] if len(own) == 1 else own for own in found]
        return each[0] if each and all(own is found[0] for own in found) else each or None

    def _numpy(self, x: Tensor) -> np.ndarray[Any, Any]:
        return self._backend.to_numpy(x).astype("float64")

    def _given(self, x: Tensor | None) -> Any:
        return None if x is None else self._kind.give(x)

    def _nested(self, groups: list[list[list[Tensor]]], leading: int) -> Any:
        found = [
            self._tensors(list(by_group), self._question.source, leading)
            for by_group in zip(*groups, strict=True)
        ]
        return found[0] if len(found) == 1 else found

    def _tensors(self, groups: list[list[Tensor]], cut: Cut, leading: int) -> Any:
        """One quantity's tensors at a cut, from groups of records."""
        give: Callable[[Tensor], Any] = self._kind.give
        concat = self._backend.xp.concat
        joined = [_joined(parts, concat, leading) for parts in zip(*groups, strict=True)]
        if isinstance(cut, InputCut):
            at, lying = self._at_input(joined, cut, leading)
            return self._inputs.arranged(at, list(map(give, lying)))
        rest, whole = iter(joined), list[Any]()
        for part, size in zip(cut.parts(), self._sizes(cut, len(joined)), strict=True):
            held = [next(rest) for _ in range(size)]
            if isinstance(part, InputCut):
                shown = self._at_input(held, part, leading)[1]
            else:
                shown = [selection.as_shown(t, part, self._backend, leading) for t in held]
            whole += map(give, shown)
        return whole[0] if len(whole) == 1 else whole

    def _sizes(self, cut: Cut, n: int) -> Sequence[int]:
        """How many of n tensors each part of a cut holds."""
        wrapper, parts = self._question.wrapper, cut.parts()
        if len(parts) == 1:
            return (n,)
        if (seen := wrapper.sizes.found(cut)) is not None:
            wrapper.sizes.put(cut, seen)  # a kept program does not look at it: other cuts go first
            return tuple(seen)
        known = {
            i: len(self._inputs.at(p, self._backend, wrapper.parameters))
            for i, p in enumerate(parts)
            if isinstance(p, InputCut)
        }
        rest, unseen = n - sum(known.values()), len(parts) - len(known)
        if unseen > 1 and rest != unseen:  # each holds one at least: else nobody can tell
            raise BackendError(
                f"which layers of {cut} the {n} tensors belong to is not known any more; explain "
                "it with a wrapper made for it, get_model_wrapper(model)"
            )
        each = rest // max(1, unseen)
        return [known.get(i, each) for i in range(len(parts))]

    def _at_input(
        self, tensors: list[Tensor], cut: InputCut, leading: int
    ) -> tuple[list[int], list[Tensor]]:
        """Which leaves of the inputs a cut holds, and tensors for them as the caller has them."""
        at = self._inputs.at(cut, self._backend, self._question.wrapper.parameters)
        return at, self._inputs.as_given(at, tensors, self._backend, leading)


def _joined(parts: tuple[Tensor, ...], concat: Callable[..., Tensor], axis: int) -> Tensor:
    return parts[0] if len(parts) == 1 else concat(list(parts), axis=axis)
