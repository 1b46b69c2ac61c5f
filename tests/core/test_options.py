"""`get_model_wrapper`: options of this framework, of another, unknown, and of old."""

import pytest

from trulens_core import ModelWrapper, NoBackendError, get_model_wrapper
from trulens_core.testing import small_model

ELSEWHERE = {
    "replace_softmax": ("Keras", False, True),
    "softmax_layer": ("Keras", -1, -2),
    "custom_objects": ("Keras", None, {}),
    "device": ("PyTorch", None, "cpu"),
    "force_eval": ("PyTorch", True, False),
    "input_tensors": ("TensorFlow graphs", None, []),
    "output_tensors": ("TensorFlow graphs", None, "y"),
    "internal_tensor_dict": ("TensorFlow graphs", None, {}),
    "default_feed_dict": ("TensorFlow graphs", None, {}),
    "session": ("TensorFlow graphs", None, object()),
    "params": ("JAX", None, {}),
    "state": ("JAX", None, {}),
    "method": ("JAX", None, len),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_options_of_another_framework(name):
    """At its default one is ignored; with another value the error names its framework."""
    framework, default, other = ELSEWHERE[name]
    model, x = small_model()
    assert get_model_wrapper(model, **{name: default})(x).shape == (2, 3)
    with pytest.raises(TypeError, match=rf"{name}=.*option of {framework}.*'reference'"):
        get_model_wrapper(model, **{name: other})


def test_options_of_this_framework():
    model, _ = small_model()
    wrapper = get_model_wrapper(model, logit_layer="second", batched={"x": True})
    assert isinstance(wrapper, ModelWrapper)
    assert (wrapper.logit_layer, wrapper.batched) == ("second", {"x": True})
    assert get_model_wrapper(model, backend="reference").model is model


def test_options_that_nobody_has():
    model, _ = small_model()
    with pytest.raises(TypeError, match="no option 'devise'"):
        get_model_wrapper(model, devise="cpu")
    with pytest.raises(TypeError, match="no option 'devise'"):
        get_model_wrapper(model, devise=None)


@pytest.mark.parametrize("name", ["input_shape", "input_dtype"])
def test_options_of_old(name):
    model, x = small_model()
    with pytest.warns(DeprecationWarning, match=f"{name}= is no longer needed"):
        wrapper = get_model_wrapper(model, **{name: (5,)})
    assert wrapper(x).shape == (2, 3)


def test_backends_by_name():
    model, _ = small_model()
    with pytest.raises(NoBackendError, match="no backend 'refrence'"):
        get_model_wrapper(model, backend="refrence")
    with pytest.raises(TypeError):
        get_model_wrapper(model, "reference")
