"""Plug-ins: loaded one by one, and what is said where none fits, or several."""

import types
import warnings
from importlib import metadata

import numpy as np
import pytest

from trulens_core import (
    AmbiguousBackendError,
    BackendError,
    BrokenBackendError,
    NoBackendError,
    TrulensWarning,
    list_backends,
    register_backend,
)
from trulens_core.plugins import (
    BackendDescription,
    LoadedBackend,
    Registry,
    hookimpl,
    registry,
)
from trulens_core.plugins.discovery import discover
from trulens_core.testing.reference import BACKEND, ReferenceBackend


class Model:
    """A model of a framework that the tests make up."""


class Scalar:
    """A tensor of it."""


def described(name, **changes):
    given = {
        "claims": lambda model: isinstance(model, Model),
        "claims_tensor": lambda x: isinstance(x, Scalar),
        "load": lambda: LoadedBackend(BACKEND, lambda model: model),
        **changes,
    }
    return BackendDescription(name=name, **given)


class Distribution:
    """What an entry point says of the distribution it comes from."""

    def __init__(self, name):
        self.name, self.version = name, "1.2"


def entry_point(name, loaded, distribution=None):
    """A fake entry point: `loaded` is its module, or the exception that importing it raises."""

    class EntryPoint(metadata.EntryPoint):
        @property
        def dist(self):
            return Distribution(distribution or f"dist-{name}")

        def load(self):
            if isinstance(loaded, BaseException):
                raise loaded
            return loaded

    return EntryPoint(name, f"{name}.plugin", "trulens.backends")


def plugin(result, hook="trulens_backend"):
    """A plug-in's module, whose hook returns a description, or raises an exception."""

    def trulens_backend():
        if isinstance(result, BaseException):
            raise result
        return result

    module = types.ModuleType("plugin")
    setattr(module, hook, hookimpl(trulens_backend))
    return module


def installed(*entry_points):
    return Registry(lambda: entry_points)


def quietly(registry_):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrulensWarning)
        return registry_.infos()


GOOD = entry_point("good", plugin(described("good")))
BROKEN = {
    "import": (entry_point("bad", ImportError("no libbad.so")), "no libbad.so"),
    "exit": (entry_point("bad", plugin(RuntimeError("hook raised"))), "hook raised"),
    "misspelt": (entry_point("bad", plugin(described("bad"), "trulens_bakcend")), "bakcend"),
    "no hook": (entry_point("bad", types.ModuleType("empty")), "must implement the hook"),
    "not described": (entry_point("bad", plugin({"name": "bad"})), "BackendDescription"),
    "nothing": (entry_point("bad", plugin(None)), "must implement the hook"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_one_harms_nobody_else(kind):
    """It is kept with its error, warned of once, listed, and named where it is asked for."""
    bad, message = BROKEN[kind]
    held = installed(bad, GOOD)
    with pytest.warns(TrulensWarning, match="backend 'bad' of dist-bad is broken") as caught:
        infos = held.infos()
    assert len(caught) == 1
    assert list(infos) == ["bad", "good"]
    assert infos["good"].error is None
    assert (infos["good"].distribution, infos["good"].version) == ("dist-good", "1.2")
    assert message in str(infos["bad"].error)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert held.of_model(Model()).name == "good"
        held.infos()
    with pytest.raises(BrokenBackendError, match="'bad' is installed but broken") as info:
        held.named("bad")
    assert message in str(info.value)
    assert isinstance(info.value, BackendError)
    with pytest.raises(NoBackendError, match=r"'bad' is broken"):
        held.of_model(object())


def test_interruptions_are_not_kept():
    """What is no Exception is not the plug-in's mistake."""
    with pytest.raises(KeyboardInterrupt):
        discover([entry_point("bad", KeyboardInterrupt())])


def test_two_of_one_name_are_broken():
    """Both are listed; the error comes when the name is asked for or one of them claims."""
    first = entry_point("twin", plugin(described("twin")), "dist-a")
    second = entry_point("twin", plugin(described("twin")), "dist-b")
    held = installed(
        first,
        second,
        entry_point("other", plugin(described("other", claims=lambda model: model == 3))),
    )
    infos = quietly(held)
    assert sorted(infos) == ["other", "twin", "twin (dist-b)"]
    assert "dist-a, dist-b" in str(infos["twin"].error)
    assert infos["other"].error is None
    assert held.named("other").name == held.of_model(3).name == "other"
    for ask in (lambda: held.named("twin"), lambda: held.of_model(Model())):
        with pytest.raises(BrokenBackendError, match="more than one plug-in"):
            ask()


def test_an_alias_counts_as_a_name():
    first = entry_point("a", plugin(described("a", aliases=("shared",))))
    second = entry_point("b", plugin(described("b", aliases=("shared",))))
    held = installed(first, second)
    assert all(info.error for info in quietly(held).values())
    with pytest.raises(BrokenBackendError, match="more than one"):
        held.of_model(Model())


def test_aliases():
    held = installed(entry_point("a", plugin(described("a", aliases=("x", "y")))))
    assert [held.named(n).name for n in ("a", "x", "y")] == ["a"] * 3


def test_two_claims_are_an_error_that_says_how_to_choose():
    held = installed(entry_point("a", plugin(described("a"))), GOOD)
    with pytest.raises(AmbiguousBackendError, match=r"a and good.*backend='a'"):
        held.of_model(Model())
    assert held.named("good").name == "good"


def test_one_may_go_before_another():
    """As Keras does: its models are the other framework's, too."""
    held = installed(GOOD, entry_point("first", plugin(described("first", before=("good",)))))
    assert held.of_model(Model()).name == "first"
    held.register(described("second", before=("first", "good")))
    assert held.of_model(Model()).name == "second"


def test_a_claim_that_raises_harms_nobody_else():
    def raising(model):
        raise ZeroDivisionError("in claims")

    bad = entry_point("bad", plugin(described("bad", claims=raising, claims_tensor=raising)))
    held = installed(bad, GOOD)
    assert held.of_model(Model()).name == "good"
    assert held.of_tensor(Scalar()) is BACKEND
    with pytest.raises(NoBackendError, match=r"'bad' is broken: ZeroDivisionError\('in claims'\)"):
        held.of_model(object())


def test_nothing_is_loaded_before_it_is_used():
    loads = []
    description = described("lazy", load=lambda: loads.append(1))
    held = installed(entry_point("lazy", plugin(description)))
    held.infos()
    held.of_model(Model())
    held.named("lazy")
    assert loads == []


def test_a_tensors_backend_is_looked_up_once_per_type():
    asked = []

    def claims(x):
        asked.append(x)
        return isinstance(x, Scalar)

    held = installed(entry_point("a", plugin(described("a", claims_tensor=claims))))
    assert [held.of_tensor(Scalar()) for _ in range(3)] == [BACKEND] * 3
    assert len(asked) == 1
    held.register(described("b", claims_tensor=lambda x: isinstance(x, str), claims=bool))
    assert held.of_tensor("text") is BACKEND
    with pytest.raises(NoBackendError, match="list"):
        held.of_tensor([])


# -- nothing fits: which of three -----------------------------------------------------------------


def of(module, name="Net"):
    return type(name, (), {"__module__": module})()


def test_nothing_is_installed():
    with pytest.raises(NoBackendError, match=r"no backend is installed.*trulens-nn\[torch\]"):
        installed().of_model(Model())


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch.nn.modules.module", "torch"),
        ("tensorflow.python.module", "tf"),
        ("keras.src.models", "keras"),
        ("tf_keras.src.engine", "keras"),
        ("flax.nnx.module", "jax"),
        ("equinox._module", "jax"),
        ("jaxlib.xla_extension", "jax"),
    ],
)
def test_the_one_that_fits_is_missing(module, extra):
    with pytest.raises(
        NoBackendError, match=rf"not installed: pip install 'trulens-nn\[{extra}\]'"
    ):
        installed(GOOD).of_model(of(module))


@pytest.mark.parametrize("path", ["model.keras", "folder/model.h5", "graph.pb"])
def test_paths_tell_their_framework(path):
    with pytest.raises(NoBackendError, match="not installed: pip install"):
        installed(GOOD).of_model(path)
    with pytest.raises(NoBackendError, match=r"backend="):
        installed(GOOD).of_model("model.bin")


def test_a_folder_of_tensorflow(tmp_path):
    with pytest.raises(NoBackendError, match="backend="):
        installed(GOOD).of_model(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(NoBackendError, match="TensorFlow"):
        installed(GOOD).of_model(tmp_path)


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (lambda x: x, r'backend="torch"\), or "jax"'),
        (Scalar, "It is a class: pass an instance of Scalar"),
        (object(), "backend="),
    ],
)
def test_none_of_those_installed_fits(model, advice):
    with pytest.raises(NoBackendError, match=rf"installed: good.*{advice}"):
        installed(GOOD).of_model(model)


@pytest.mark.parametrize(
    ("name", "line"),
    [("torch", r"trulens-nn\[torch\]"), ("pytorch", r"trulens-nn\[torch\]"), ("tf", r"\[tf\]")],
)
def test_a_name_that_is_not_installed(name, line):
    with pytest.raises(NoBackendError, match=rf"no backend '{name}'; installed: good.*{line}"):
        installed(GOOD).named(name)
    with pytest.raises(NoBackendError, match="installed: none"):
        installed().named("mine")


# -- in process -----------------------------------------------------------------------------------


def test_registered_in_process():
    held = installed(GOOD)
    mine = described("mine", claims=lambda model: model == "mine")
    held.register(mine)
    assert held.of_model("mine") is mine
    assert held.infos()["mine"].distribution is None
    newer = described("mine", claims=lambda model: model == "newer")
    held.register(newer)
    assert held.named("mine") is newer
    held.unregister("mine")
    assert list(held.infos()) == ["good"]
    with pytest.raises(TypeError, match="BackendDescription"):
        held.register("torch")


def test_registered_in_place_of_an_installed_one():
    """In the words of `register_backend`: nothing is broken by it, and tensors follow."""
    held = installed(GOOD)
    assert held.of_tensor(Scalar()) is BACKEND
    other = ReferenceBackend()
    mine = described("Good", load=lambda: LoadedBackend(other, lambda model: model))
    held.register(mine)
    assert held.named("good") is held.of_model(Model()) is mine
    assert held.of_tensor(Scalar()) is other
    assert {name: info.error for name, info in held.infos().items()} == {"Good": None}
    held.unregister("Good")
    assert held.of_tensor(Scalar()) is BACKEND


def test_the_registry_of_the_process():
    register_backend(described("test-only", claims=lambda model: model == "test-only"))
    try:
        assert list_backends()["test-only"].error is None
        assert registry().of_model("test-only").name == "test-only"
        with pytest.raises(TypeError):
            list_backends()["test-only"] = None
    finally:
        registry().unregister("test-only")
    assert "test-only" not in list_backends()


def test_arrays_are_no_tensors():
    """NumPy's arrays belong to no framework."""
    with pytest.raises(NoBackendError, match="numpy"):
        installed(GOOD).of_tensor(np.zeros(2))


@pytest.mark.parametrize("load", [lambda: (BACKEND, Model), lambda: None])
def test_what_is_loaded_is_told_where_it_is_something_else(load):
    description = described("mine", load=load)
    with pytest.raises(BrokenBackendError, match=r"`load` .*'mine' returned (tuple|NoneType); ret"):
        description.loaded()
