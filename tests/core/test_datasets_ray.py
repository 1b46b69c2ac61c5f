"""Runs by actors of Ray: the numbers of one process, also when an actor dies."""

import os
import signal
import sys
import warnings

import numpy as np
import pytest

from trulens_core import IntegratedGradients, RayEngine, Saliency, TrulensWarning, explain_dataset
from trulens_core.testing import small_model

N = 48
more = pytest.mark.skipif(
    not os.environ.get("TRULENS_EVERY"), reason="actors take seconds to start: in make test-all"
)


def records():
    return np.random.default_rng(0).standard_normal((N, 5))


def made():
    """Called by each actor for itself."""
    from trulens_core import IntegratedGradients
    from trulens_core.testing import small_model

    return IntegratedGradients(small_model()[0], resolution=5, qoi="predicted")


class Deadly:
    """Reads a record; the first time that it reads one of them it kills its process."""

    def __init__(self, folder, number):
        self.folder, self.number = folder, number

    def __call__(self, i):
        mark = self.folder / "died"
        if i == self.number and not mark.exists():
            mark.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return records()[i]


@pytest.fixture(scope="module")
def cluster():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        import ray

        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no actor has this file
        ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture(autouse=True)
def quiet(cluster):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "completeness fails", TrulensWarning)
        yield


@pytest.fixture
def wanted(tmp_path):
    return explain_dataset(made, records(), tmp_path / "wanted.zarr", batch_size=4)


def same(a, b):
    return all(np.array_equal(a.arrays[n][:], b.arrays[n][:]) for n in a.arrays)


@more
@pytest.mark.parametrize("stream", [False, True])
def test_actors_give_the_same_numbers(tmp_path, wanted, stream):
    x = records()
    data = [x[i : i + 4] for i in range(0, N, 4)] if stream else x
    size = {} if stream else {"batch_size": 4}
    run = explain_dataset(made, data, tmp_path / "run.zarr", engine="ray", shard=8, **size)
    assert run.complete
    assert same(run, wanted)


def test_an_actor_that_dies_loses_nothing(tmp_path):
    def loop(folder, loader, engine):
        items = list(range(N))
        return explain_dataset(
            *(made, items, tmp_path / folder),
            loader=loader,
            batch_size=4,
            shard=8,
            engine=engine,
        )

    run = loop("ray.zarr", Deadly(tmp_path, 21), RayEngine(actors=2))
    assert (tmp_path / "died").exists()
    assert run.complete
    assert same(run, loop("local.zarr", Deadly(tmp_path, 21), "local"))
    lines = (tmp_path / "ray.zarr" / "manifest" / "0.jsonl").read_text().splitlines()
    assert len(lines) == N // 8


@more
def test_actors_that_die_again_and_again_are_an_error(tmp_path):
    import ray

    with pytest.raises(ray.exceptions.RayActorError):
        explain_dataset(
            made,
            [0] * 8,
            tmp_path / "run.zarr",
            loader=lambda _: os.kill(os.getpid(), signal.SIGKILL),
            engine=RayEngine(actors=1, restarts=1),
        )


@more
def test_an_error_of_an_actor_is_that_of_the_method(tmp_path):
    with pytest.raises(ValueError, match="no such number"):
        explain_dataset(
            made,
            [0] * 8,
            tmp_path / "run.zarr",
            loader=lambda i: (_ for _ in ()).throw(ValueError("no such number")),
            engine=RayEngine(actors=1),
        )


@more
def test_a_run_of_one_engine_is_gone_on_with_by_the_other(tmp_path, wanted):
    out = tmp_path / "run.zarr"
    method = IntegratedGradients(small_model()[0], resolution=5, qoi="predicted")
    explain_dataset(method, records(), out, batch_size=4, shard=8, rank=0, world_size=2)
    run = explain_dataset(made, records(), out, batch_size=4, engine="ray", rank=0, world_size=1)
    assert run.complete
    assert same(run, wanted)


def test_a_data_set_of_ray_gives_batches(tmp_path):
    class OfRay:  # what ray.data.Dataset has of these; it needs more packages than Ray
        def iter_batches(self, *, batch_size, batch_format):
            assert batch_format == "numpy"
            x = records()
            return ({"x": x[i : i + batch_size]} for i in range(0, N, batch_size))

    of = Saliency(small_model()[0])
    run = explain_dataset(
        of, OfRay(), tmp_path / "run.zarr", batch_size=4, inputs=lambda batch: batch["x"]
    )
    assert np.array_equal(run[:4].attributions, of.attributions(records()[:4]))
