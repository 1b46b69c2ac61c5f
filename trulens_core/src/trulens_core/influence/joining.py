"""Answers for consecutive groups of records as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.influence.questions import Answer


def joined(found: list[Answer], backend: Backend) -> Answer:
    """The answers of consecutive groups as one."""
    if len(found) == 1:
        return found[0]
    concat = backend.xp.concat

    def join(columns: Sequence[list[Tensor] | None], axis: int = 0) -> list[Tensor] | None:
        held = [c for c in columns if c is not None]
        return [concat(list(p), axis=axis) for p in zip(*held, strict=True)] if held else None

    def table(
        tables: Sequence[list[list[Tensor]] | None], axis: int = 0
    ) -> list[list[Tensor]] | None:
        held = [t for t in tables if t is not None]
        return [join(c, axis) or [] for c in zip(*held, strict=True)] if held else None

    sizes = [int(a.attributions[0][0].shape[0]) for a in found]
    starts = np.cumsum([0, *sizes])
    known = [a.converged for a in found if a.converged is not None]
    evaluated = [a.n_evaluations for a in found if a.n_evaluations is not None]
    named = [a.classes for a in found if a.classes is not None]
    counts = [np.broadcast_to(a.n_points, n) for a, n in zip(found, sizes, strict=True)]
    return Answer(
        table([a.attributions for a in found]) or [],
        gradients=table([a.gradients for a in found], 1),
        points=join([a.points for a in found], 1),
        quantity=join([a.quantity for a in found]),
        baseline_quantity=join([a.baseline_quantity for a in found]),
        n_points=np.concatenate(counts),
        not_finite=[i + int(s) for a, s in zip(found, starts, strict=False) for i in a.not_finite],
        converged=np.concatenate(known) if known else None,
        zero=all(a.zero for a in found),
        standard_error=table([a.standard_error for a in found]),
        residual=join([a.residual for a in found]),
        n_evaluations=np.concatenate(evaluated) if evaluated else None,
        regions=[own for a in found for own in a.regions or ()] or None,
        classes=np.concatenate(named) if len(named) == len(found) else None,
    )
