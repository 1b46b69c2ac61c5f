"""Where segments are in a value, and the value with some of them removed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions.designs import Array
from trulens_core.segments import Regions

Function = Callable[..., Tensor]
"""At the level of a module: of a backend, the value, what takes the place of what is removed, masks
as a placement lays them out, and what it holds, it gives the points, (k, b, …)."""


class Placement(Protocol):
    """Where in one tensor of b records' values their segments are.

    Records whose masks are of one kind, since they have equally many segments, share them.

    Attributes:
        held: tensors that points are made with, whatever the masks.
    """

    held: Sequence[Tensor]

    def laid_out(self, masks: Sequence[Array]) -> tuple[Function, Array]:
        """Which function makes points, and of which numbers.

        Args:
            masks: of each kind, (k, segments).
        """


def placement(
    regions: Sequence[Regions], kinds: Array, like: Tensor, backend: Backend
) -> Placement:
    """The placement of b records' segments in one tensor.

    Args:
        regions: of each record.
        kinds: of each record, which of the kinds of masks is its own.
        like: the value.
        backend: of it.
    """
    shared = one_object(regions)
    if shared:  # what holds for one record holds for all
        regions, kinds = regions[:1], kinds[:1]
    if shared and _each_element(regions[0]):
        return _Elements(int(kinds[0]))
    if all(r.labels is not None for r in regions):
        return _Labels(regions, kinds, like, backend)
    if shared:
        return _Members(regions[0], int(kinds[0]), like, backend)
    return _Each(regions, kinds)


def one_object(values: Sequence[object]) -> bool:
    """Whether all are the same object, as records' regions mostly are."""
    return len(set(map(id, values))) == 1


class _Elements:
    """Every element is a segment by itself, the same for all records: nothing is to be taken."""

    held: Sequence[Tensor] = ()

    def __init__(self, kind: int) -> None:
        self._kind = kind

    def laid_out(self, masks: Sequence[Array]) -> tuple[Function, Array]:
        given = masks[self._kind]
        return (_each_kept if given.dtype.kind == "b" else _each_blended), given


class _Labels:
    """No two segments share an element: their masks are taken by number, on the device."""

    def __init__(
        self, regions: Sequence[Regions], kinds: Array, like: Tensor, backend: Backend
    ) -> None:
        sizes = {int(kind): r.n for kind, r in zip(kinds, regions, strict=True)}
        starts = np.cumsum([0, *(sizes[kind] + 1 for kind in sorted(sizes))])
        alike = len({r.labels.shape for r in regions if r.labels is not None}) == 1
        found = []
        for kind, r in zip(kinds, regions, strict=True):
            assert r.labels is not None
            # behind the masks of each kind stands one that keeps what is in no segment
            own = np.where(r.labels < 0, r.n, r.labels) + starts[sorted(sizes).index(int(kind))]
            found.append(own if alike else np.broadcast_to(own, r.shape))
        at = np.ascontiguousarray(np.stack(found).astype("int32"))
        # as mostly: one kind of masks, and every element is in some segment
        self._plain = len(sizes) == 1 and int(at.max(initial=0)) < min(sizes.values())
        self.held: Sequence[Tensor] = [backend.from_numpy(at, like=like)]

    def laid_out(self, masks: Sequence[Array]) -> tuple[Function, Array]:
        if self._plain:
            given = masks[0]
        else:
            always = np.ones((len(masks[0]), 1), masks[0].dtype)
            given = np.concatenate([part for m in masks for part in (m, always)], axis=1)
        return (_kept if given.dtype.kind == "b" else _blended), given


def _each_element(r: Regions) -> bool:
    """Whether the segments are the elements, in their order."""
    own = r.labels
    if own is None or own.shape != r.shape or own.size != r.n:
        return False
    return bool((own.reshape(-1) == np.arange(r.n)).all())


class _Members:
    """Segments that overlap, the same for all records: an element is removed with any of them."""

    def __init__(self, regions: Regions, kind: int, like: Tensor, backend: Backend) -> None:
        assert regions.members is not None
        self._regions, self._kind = regions, kind
        flat = regions.members.reshape(len(regions.members), -1).astype("float64")
        shape = np.zeros((1, *regions.members.shape[1:]), "int32")
        self.held: Sequence[Tensor] = [backend.from_numpy(a, like=like) for a in (flat, shape)]

    def laid_out(self, masks: Sequence[Array]) -> tuple[Function, Array]:
        r, own = self._regions, masks[self._kind]
        if own.dtype.kind != "b":
            return _mixed, np.ascontiguousarray(r.mask(own)[:, np.newaxis])
        assert r.members is not None
        return _uncovered, 1.0 - own[:, r.first : r.first + len(r.members)].astype("float64")


class _Each:
    """Any regions of each record: their masks are laid out on the host."""

    held: Sequence[Tensor] = ()

    def __init__(self, regions: Sequence[Regions], kinds: Array) -> None:
        self._regions, self._kinds = regions, kinds

    def laid_out(self, masks: Sequence[Array]) -> tuple[Function, Array]:
        pairs = zip(self._regions, self._kinds, strict=True)
        found = np.stack([r.mask(masks[int(kind)]) for r, kind in pairs], axis=1)
        return _of_elements(found), np.ascontiguousarray(found)


def _of_elements(kept: Array) -> Function:
    return _where if kept.dtype.kind == "b" else _mixed


def of_elements(z: Tensor, base: Tensor, kept: Array, backend: Backend) -> Tensor:
    """The value with elements removed, for masks (k, b or 1, …) of elements."""
    m = backend.from_numpy(np.ascontiguousarray(kept), like=z)
    return backend.pure(_of_elements(kept))(z, base, m)


@dataclasses.dataclass(frozen=True)
class Masked:
    """Points of a value of several tensors, each made by a function; equal if these are."""

    functions: tuple[Function, ...]

    def __call__(
        self,
        backend: Backend,
        z: Sequence[Tensor],
        held: Sequence[Sequence[Tensor]],
        numbers: Sequence[Tensor],
    ) -> list[Tensor]:
        """The points, for what `Parts` of them holds."""
        found = []
        for f, t, own, m in zip(self.functions, z, held, numbers, strict=True):
            like = backend.cast(m, t) if backend.is_floating(m) else m
            found.append(f(backend, t, backend.cast(own[0], t), like, *own[1:]))
        return found


# -- over xp -----------------------------------------------------------------------------------


def _kept(backend: Backend, z: Tensor, base: Tensor, m: Tensor, at: Tensor) -> Tensor:
    return _where(backend, z, base, _taken(backend, m, at))


def _blended(backend: Backend, z: Tensor, base: Tensor, m: Tensor, at: Tensor) -> Tensor:
    return _mixed(backend, z, base, _taken(backend, m, at))


def _each_kept(backend: Backend, z: Tensor, base: Tensor, m: Tensor) -> Tensor:
    return _where(backend, z, base, _like_record(backend, m, z))


def _each_blended(backend: Backend, z: Tensor, base: Tensor, m: Tensor) -> Tensor:
    return _mixed(backend, z, base, _like_record(backend, m, z))


def _like_record(backend: Backend, m: Tensor, z: Tensor) -> Tensor:
    """Masks of each element, (k, elements), as (k, 1, …)."""
    return backend.xp.reshape(m, (m.shape[0], 1, *z.shape[1:]))


def _taken(backend: Backend, m: Tensor, at: Tensor) -> Tensor:
    """The masks (k, columns) at the columns `at`, (k, *at.shape)."""
    xp = backend.xp
    return xp.reshape(xp.take(m, xp.reshape(at, (-1,)), axis=1), (m.shape[0], *at.shape))


def _uncovered(
    backend: Backend, z: Tensor, base: Tensor, m: Tensor, members: Tensor, like: Tensor
) -> Tensor:
    xp = backend.xp
    removed = xp.reshape(xp.matmul(m, members), (m.shape[0], *like.shape))
    return _where(backend, z, base, removed < 0.5)


def _where(backend: Backend, z: Tensor, base: Tensor, kept: Tensor) -> Tensor:
    xp = backend.xp
    return xp.where(kept, xp.expand_dims(z, axis=0), base)


def _mixed(backend: Backend, z: Tensor, base: Tensor, m: Tensor, *_: Tensor) -> Tensor:
    """What is kept whole or not at all is exactly that, also beside NaN."""
    xp = backend.xp
    m, near = backend.cast(m, base), xp.expand_dims(z, axis=0)
    return xp.where(m >= 1, near, xp.where(m <= 0, base, m * near + (1 - m) * base))
