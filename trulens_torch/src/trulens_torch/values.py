"""The values of tensors that a model holds, put back where its forward wrote to them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

SMALL = 2**20
"""Bytes; tensors of fewer are copied for every call, at a cost that does not show."""

_TINY = 2**14
"""Bytes; many of fewer are copied into one piece of memory."""

_PLAIN = {torch.Tensor, nn.Parameter}


_One = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, int, int]
"""A tensor, its memory if that is known, a copy, how often it was written, and its owner."""

_DATA = operator.attrgetter("data")
_VERSION = operator.attrgetter("_version")
_DTYPE = operator.attrgetter("dtype")
_DEVICE = operator.attrgetter("device")
_IS_CONTIGUOUS: Any = torch.Tensor.is_contiguous


def _are_at(tensors: Sequence[torch.Tensor], memories: list[torch.Tensor]) -> bool:
    """Whether all lie where they lay, and in the same order, as transposed views do not."""
    try:
        return all(map(_IS_SET_TO, tensors, memories))
    except RuntimeError:  # of meta tensors, and of another type or device, it cannot be asked
        return False


_IS_SET_TO: Any = torch.Tensor.is_set_to


def _give_back(t: torch.Tensor, memory: torch.Tensor) -> None:
    empty = t.is_meta and memory.is_meta
    if not empty and not _are_at([t], [memory]):
        t.data = memory


class Watched:
    """Tensors that are watched in one go, in every call.

    Attributes:
        tensors: all of them, each once.
        known: those that lie in memory as numbers do.
        others: the rest, but for inference tensors, which count no writes.
        identities: of the known ones.
    """

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self.tensors: list[torch.Tensor] = list({id(t): t for t in tensors}.values())
        counting = [t for t in self.tensors if not t.is_inference()]
        self.known: list[torch.Tensor] = [t for t in counting if _known(t)]
        self.others: list[torch.Tensor] = [t for t in counting if not _known(t)]
        self.identities: frozenset[int] = frozenset(map(id, self.known))


class Copied:
    """Tensors of a few numbers each that are copied in one go, in every call: see `is_tiny`.

    They are of one type, on one device.

    Attributes:
        tensors: all of them, each once.
        owners: of each.
        identities: of the tensors.
    """

    def __init__(self, tensors: Sequence[torch.Tensor], owners: Sequence[int]) -> None:
        self.tensors: Sequence[torch.Tensor] = tensors
        self.owners: Sequence[int] = owners
        self.identities: frozenset[int] = frozenset(map(id, tensors))


class _Together(NamedTuple):
    """What they are at the start of a call; the copy has one after another."""

    group: Copied
    memories: list[torch.Tensor]
    copy: torch.Tensor
    versions: list[int]

    @staticmethod
    def of(group: Copied) -> _Together | None:
        """None where they are not any more what they were when they were looked at."""
        memories = list(map(_DATA, group.tensors))
        alike = len(set(map(_DTYPE, memories))) == len(set(map(_DEVICE, memories))) == 1
        if not alike or memories[0].is_meta or not all(map(_IS_CONTIGUOUS, memories)):
            return None
        try:
            versions = list(map(_VERSION, group.tensors))
        except RuntimeError:  # one was made an inference tensor since
            return None
        return _Together(group, memories, _joined(memories), versions)

    @property
    def as_they_were(self) -> bool:
        """Whether nothing is to be put back; not known of what lies on a GPU."""
        tensors = self.group.tensors
        return (
            _are_at(tensors, self.memories)
            and list(map(_VERSION, tensors)) == self.versions
            and _equal(_joined(self.memories), self.copy)
        )

    def apart(self) -> Iterator[_One]:
        """Each by itself."""
        group, versions = self.group, self.versions
        end = 0
        for t, m, v, owner in zip(
            group.tensors, self.memories, versions, group.owners, strict=True
        ):
            begin, end = end, end + m.numel()
            yield t, m, self.copy[begin:end].view_as(m), v, owner


class Values:
    """Tensors that will be what they are now, as far as that is affordable.

    Memory that a tensor was given in place of its own (`p.data = new`) is taken away again, at no
    cost. What is written into its memory is put back from a copy; without one, torch's counter of
    writes tells that there was one, unless it went by way of `p.data` or NumPy.

    Attributes:
        changed: the owners of what was changed and is put back.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._copied: list[_One] = []
        self._watched: list[tuple[torch.Tensor, torch.Tensor | None, int]] = []
        self._groups: list[tuple[list[torch.Tensor], list[torch.Tensor], list[int]]] = []
        self._together: list[_Together] = []
        self.changed: set[int] = set()

    def copy(self, tensors: Iterable[torch.Tensor], owner: int) -> None:
        """Keep their values, whatever that takes. The first that is said of a tensor holds."""
        for t in tensors:
            if id(t) not in self._seen and not t.is_inference() and not _overlaps(t):
                self._seen.add(id(t))
                memory = t.data if _known(t) else None
                self._copied.append((t, memory, t.detach().clone(), t._version, owner))

    def copy_all(self, group: Copied, owner: int = 0) -> None:
        """Keep the values of many, which were looked at before."""
        del owner
        free = self._seen.isdisjoint(group.identities)
        together = _Together.of(group) if free else None
        if together is None:
            for t, of in zip(group.tensors, group.owners, strict=True):
                self.copy([t], of)
            self.watch(group.tensors)
            return
        self._seen |= group.identities
        self._together.append(together)

    def copy_small(self, tensors: Iterable[torch.Tensor], owner: int) -> None:
        """Keep the values of small ones, and watch the others."""
        for t in tensors:
            small = _known(t) and t.nbytes < SMALL
            (self.copy if small else self.watch)([t], owner)

    def watch_all(self, group: Watched, owner: int = 0) -> None:
        """Keep the memory of many, which were looked at before."""
        if not self._seen.isdisjoint(group.identities):
            self.watch(group.tensors, owner)
            return
        known = group.known
        try:
            versions = list(map(_VERSION, known))
        except RuntimeError:  # one was made an inference tensor since
            self.watch(group.tensors, owner)
            return
        self._seen |= group.identities
        self._groups.append((known, list(map(_DATA, known)), versions))
        self.watch(group.others)

    def watch(self, tensors: Iterable[torch.Tensor], owner: int = 0) -> None:
        """Keep their memory only."""
        del owner
        seen, watched = self._seen, self._watched
        for t in tensors:
            if id(t) not in seen and not t.is_inference():  # those count no writes
                seen.add(id(t))
                watched.append((t, t.data if _known(t) else None, t._version))

    def put_back(self) -> None:
        """Put back what was changed; done twice, it does the same."""
        self._put_back_memory()
        for together in self._together:
            if not together.as_they_were:
                for one in together.apart():
                    self._put_back_one(*one)
        for one in self._copied:
            self._put_back_one(*one)

    def _put_back_one(
        self,
        t: torch.Tensor,
        memory: torch.Tensor | None,
        copy: torch.Tensor,
        version: int,
        owner: int,
    ) -> None:
        moved = memory is not None and not t.is_set_to(memory)
        if t._version != version or moved:
            self.changed.add(owner)
        if memory is None:
            t.data.copy_(copy)
            return
        if moved:
            t.data = memory
        if not _equal(memory, copy):
            self.changed.add(owner)
            memory.copy_(copy)  # not into `t`: a graph of the caller's may have saved it

    def _put_back_memory(self) -> None:
        for tensors, memories, _ in self._groups:
            if not _are_at(tensors, memories):
                list(map(_give_back, tensors, memories))
        for t, memory, _ in self._watched:
            if memory is not None:
                _give_back(t, memory)

    def written(self) -> list[torch.Tensor]:
        """What was written to, and is not put back."""
        found = [t for t, _, version in self._watched if t._version != version]
        for known, _, versions in self._groups:
            if list(map(_VERSION, known)) != versions:
                found += [t for t, v in zip(known, versions, strict=True) if t._version != v]
        return found


def is_tiny(t: torch.Tensor) -> bool:
    """Whether it is one of those that are copied together: it has few numbers, one after another.

    Of them the same holds for `copy` and `copy_small`.
    """
    plain = _known(t) and not (t.is_meta or t.is_inference())
    return plain and t.nbytes <= _TINY and t.is_contiguous()


def _joined(memories: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([m if m.ndim == 1 else m.view(-1) for m in memories])


def _known(t: torch.Tensor) -> bool:
    """Whether it lies in memory as numbers do: not sparse, quantised, nested or of a subclass."""
    plain = type(t) in _PLAIN and t.layout is torch.strided
    return plain and not (t.is_quantized or t.is_nested)


def _overlaps(t: torch.Tensor) -> bool:
    """Whether elements share memory, as an expanded tensor's do: no operation writes those."""
    if t.is_meta or not _known(t) or t.is_contiguous():
        return t.is_meta
    return any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape, strict=True))


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether nothing need be written. To ask a GPU takes longer than to write there."""
    return a.device.type == "cpu" and torch.equal(a, b)
