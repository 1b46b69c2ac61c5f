"""Ray: actors on this machine or a cluster, each with a method of its own."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from typing import Any

from trulens_core.datasets.beside import ahead
from trulens_core.datasets.engine import Engine
from trulens_core.datasets.sources import Batch
from trulens_core.datasets.work import Explained, Work
from trulens_core.distributions.quadrature import positive_int
from trulens_core.optional import require

_AHEAD = 2
"""How many batches an actor is given before the first of them is done."""


class RayEngine(Engine):
    """Actors of Ray (extra `ray`), each with one model.

    A batch whose actor dies is given to another one. Batches of rows, and files, are read by the
    actors; those of a data loader by this process, which also writes the store.

    Args:
        actors: how many.
        num_cpus: of each; also its number of threads.
        num_gpus: of each, such as 1 or 0.5.
        address: of a cluster, such as "auto"; None: this machine, unless Ray was started already.
        restarts: how many actors may die, all in all, before it is an error.

    Raises:
        ImportError: where Ray is not installed.

    Example:
        >>> RayEngine(actors=4, num_gpus=1).actors  # doctest: +SKIP
        4
    """

    def __init__(
        self,
        actors: int = 2,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
        address: str | None = None,
        restarts: int = 16,
    ) -> None:
        self._ray: Any = require("ray", "ray")
        self.actors: int = positive_int(actors, "actors")
        self.num_cpus: float = num_cpus
        self.num_gpus: float = num_gpus
        self.address: str | None = address
        self.restarts: int = restarts

    def explained(self, work: Work, batches: Iterator[Batch]) -> Iterator[Explained]:
        with self._connected():
            held = self._ray.put(self._ray.cloudpickle.dumps(work))
            pool = _Pool(self._ray, self._actor, held, self.restarts)
            try:
                pool.start(self.actors)
                yield from self._done(pool, ahead(batches, _AHEAD))
            finally:
                pool.stop()

    def _done(self, pool: _Pool, batches: Iterator[Batch]) -> Iterator[Explained]:
        for batch in batches:
            while pool.busy:
                yield from pool.wait()
            pool.give(batch)
        while pool.pending:
            yield from pool.wait()

    def _actor(self, held: Any) -> Any:
        options = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, "max_restarts": 0}
        return self._ray.remote(**options)(_Explainer).remote(held)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """Ray, started for this call where it was not."""
        if self._ray.is_initialized():
            yield
            return
        self._ray.init(address=self.address, include_dashboard=False, logging_level="error")
        try:
            yield
        finally:
            self._ray.shutdown()


class _Explainer:
    """The actor. It is given bytes: arrays that Ray shares among processes are read-only."""

    def __init__(self, work: bytes) -> None:
        self._work: Work = pickle.loads(work)

    def of(self, given: bytes) -> Explained:
        batch: Batch = pickle.loads(given)
        return self._work.of(batch, batch.read())


class _Pool:
    """Actors, and the batches that each was given and has not done."""

    def __init__(self, ray: Any, make: Any, held: Any, restarts: int) -> None:
        self._ray, self._make, self._held, self._left = ray, make, held, restarts
        self._given: dict[Any, list[tuple[Any, Batch]]] = {}

    def start(self, n: int) -> None:
        for _ in range(n):
            self._given[self._make(self._held)] = []

    def stop(self) -> None:
        for actor in self._given:
            self._ray.kill(actor)

    @property
    def busy(self) -> bool:
        """Whether all actors have as many batches as they may."""
        return min(map(len, self._given.values())) >= _AHEAD

    @property
    def pending(self) -> bool:
        return any(self._given.values())

    def give(self, batch: Batch) -> None:
        """Have the actor with the fewest batches do one more."""
        actor = min(self._given, key=lambda a: len(self._given[a]))
        self._given[actor].append(self._asked(actor, batch))

    def _asked(self, actor: Any, batch: Batch) -> tuple[Any, Batch]:
        return actor.of.remote(self._ray.cloudpickle.dumps(batch)), batch

    def wait(self) -> Iterator[Explained]:
        """What is done next, once something is."""
        running = {ref: actor for actor, many in self._given.items() for ref, _ in many}
        ready, _ = self._ray.wait(list(running), num_returns=1)
        for ref in ready:
            actor = running[ref]
            try:
                found = self._ray.get(ref)
            except self._ray.exceptions.RayActorError as error:
                self._replace(actor, error)
            except self._ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            else:
                self._given[actor] = [g for g in self._given[actor] if g[0] != ref]
                yield found

    def _replace(self, actor: Any, error: Exception) -> None:
        """Give what a dead actor had to a new one; nothing that it had done is done again."""
        self._left -= 1
        if self._left < 0 or getattr(error, "actor_init_failed", False):
            raise error
        lost = self._given.pop(actor)
        new = self._make(self._held)
        self._given[new] = [self._asked(new, batch) for _, batch in lost]
