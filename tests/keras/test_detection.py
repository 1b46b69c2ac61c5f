"""Keras models go to Keras, whatever they run on, and find the backend of their framework."""

import subprocess
import sys

import keras
import pytest
from keras import layers

from trulens_core import NoBackendError, get_backend, get_model_wrapper
from trulens_core.plugins import Registry, registry
from trulens_keras import flavours


@pytest.fixture
def model():
    return keras.Sequential([layers.Input((4,)), layers.Dense(2, name="d")])


def test_a_keras_model_is_keras_s_and_runs_on_its_framework(model, framework):
    wrapper = get_model_wrapper(model)
    assert type(wrapper).__name__ == "KerasModelWrapper"
    assert get_backend(wrapper) is registry().named(framework).load().backend
    assert registry().of_model(model).name == "keras"


@pytest.mark.parametrize("backend", ["keras", None])
def test_backend_by_name(model, backend):
    assert get_model_wrapper(model, backend=backend).model is model


def test_an_object_that_is_no_keras_model():
    with pytest.raises(TypeError, match="layer or model of keras, found builtins"):
        get_model_wrapper(object(), backend="keras")


def test_options_of_other_frameworks(model):
    get_model_wrapper(model, device=None, force_eval=True, session=None)
    with pytest.raises(TypeError, match="device='cpu' is an option of PyTorch"):
        get_model_wrapper(model, device="cpu")
    if keras.config.backend() != "tensorflow":
        with pytest.raises(TypeError, match="jit_compile is an option of TensorFlow"):
            get_model_wrapper(model, jit_compile=True)


def test_a_missing_backend_has_its_install_line(model, monkeypatch, framework):
    monkeypatch.setattr(flavours, "registry", lambda: Registry(list))
    with pytest.raises(NoBackendError, match=r"pip install 'trulens-nn\["):
        flavours.keras3().backend()


def test_a_torch_model_imports_neither_keras_nor_tensorflow():
    pytest.importorskip("trulens_torch")
    code = (
        "import sys, torch; from trulens_core import InputAttribution; "
        "InputAttribution(torch.nn.Linear(2, 2)).attributions(torch.ones(1, 2)); "
        "assert not {'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
