"""`explain`: what is chosen for a model and its input, and that it is the method's own answer."""

import numpy as np
import pandas
import pytest

from trulens_core import (
    ClassQoI,
    CutError,
    DoiError,
    InputAttribution,
    IntegratedGradients,
    Marginal,
    ModelInputs,
    NoBackendError,
    OutputCut,
    PredictedClassQoI,
    Saliency,
    UnknownLayerError,
    explain,
    get_model_wrapper,
)
from trulens_core.testing import ZOO, ReferenceModel, small_model

MODEL, X = small_model()
TEXT = ReferenceModel(ZOO["text"])


def test_the_class_predicted_by_integrated_gradients():
    found = explain(MODEL, X)
    assert found == IntegratedGradients(MODEL, qoi=PredictedClassQoI()).explain(X)
    assert found.method["why"].startswith("integrated gradients, of the class predicted")
    assert found.replay(MODEL).exact
    assert explain(get_model_wrapper(MODEL), X) == found


def test_methods_by_name_and_by_class():
    assert explain(MODEL, X, 1, "saliency") == Saliency(MODEL, qoi=1).explain(X)
    ours = InputAttribution(MODEL, qoi=ClassQoI([0, 1])).explain(X)
    assert explain(MODEL, X, np.array([0, 1]), "input x gradient") == ours
    few = explain(MODEL, X, method="ig", resolution=2, baseline=1.0)
    assert few.n_points.tolist() == [2, 2]
    assert few.method["why"].endswith("from the baseline given")
    assert explain(MODEL, X, method=Saliency).method["name"] == "Saliency"
    with pytest.raises(ValueError, match="method is 'shap'; it must be 'auto', 'ig'"):
        explain(MODEL, X, method="shap")


def test_a_table_has_the_names_of_its_columns():
    table = pandas.DataFrame(X, columns=["age", "income", "b", "c", "d"])
    found = explain(MODEL, table)
    assert found.names["features"] == ["age", "income", "b", "c", "d"]
    np.testing.assert_allclose(found.attributions, explain(MODEL, X).attributions, rtol=1e-5)
    table["age"] = "old"
    with pytest.raises(ValueError, match="the columns age hold no numbers"):
        explain(MODEL, table)


def test_a_table_of_words_is_compared_with_rows_of_its_own():
    def counts(table):
        return np.stack([table["city"] == "Oslo", table["age"] > 40], 1).astype(float)

    table = pandas.DataFrame({"city": ["Oslo", "Rome", "Lima"], "age": [50.0, 20.0, 30.0]})
    wrapper = get_model_wrapper(counts, backend="function")
    with pytest.raises(DoiError, match=r"have no zero: give baseline= a row .* or Marginal"):
        explain(wrapper, table)
    found = explain(wrapper, table, qoi=0, baseline=table.iloc[1:2])
    assert found.attributions["city"].tolist() == [1.0, 0.0, 0.0]
    assert found.names["features"] == ["city", "age"]
    marginal = explain(wrapper, table, qoi=0, baseline=Marginal(table))
    np.testing.assert_allclose(marginal.attributions["city"], [2 / 3, -1 / 3, -1 / 3])


@pytest.mark.parametrize("kind", ["complex128", "object"])
def test_what_is_no_integer_is_no_token(kind):
    with pytest.raises(Exception, match=r"(?s)^(?!.*the inputs hold integers alone)"):
        explain(MODEL, X.astype(kind))


def test_a_layer_of_scores_that_there_is_not_is_an_error():
    with pytest.raises(UnknownLayerError, match="no layer 'logit'"):
        explain(get_model_wrapper(MODEL, logit_layer="logit"), X)


class Forest:
    """As scikit-learn's models are: no framework's, and not to be called."""

    columns = ()

    def predict_proba(self, x):
        self.columns = tuple(getattr(x, "columns", ()))
        x = np.asarray(x)
        p = 1 / (1 + np.exp(x[:, 1] - 2 * x[:, 0]))
        return np.stack([1 - p, p], 1)


def test_a_function_has_shapley_values_of_its_table():
    with pytest.raises(NoBackendError, match=r"model\.predict_proba, backend=\"function\""):
        explain(Forest(), X)
    forest = Forest()
    wrapper = get_model_wrapper(forest.predict_proba, backend="function")
    table = pandas.DataFrame(X, columns=["age", "income", "b", "c", "d"])
    found = explain(wrapper, table).named(classes=["no", "yes"])
    assert found.method["why"].startswith("ShapleyValues, of the class predicted, from a baseline")
    assert found.names["features"][:2] == ["age", "income"]
    assert forest.columns == ("age", "income", "b", "c", "d")
    np.testing.assert_array_equal(found.target, Forest().predict_proba(X).argmax(1))
    assert np.abs(found.residual).max() < 1e-12
    wide = np.tile(X, 3)
    assert explain(wrapper, wide, samples=90).method["name"] == "KernelSHAP"
    assert explain(wrapper, (X * 4).astype(int)).attributions.shape == X.shape
    with pytest.raises(ValueError, match="is no table, so no method is chosen: give one"):
        explain(wrapper, X[:, None])


def tokenize(texts):
    words = ["I", "do", "not", "like", "it", "at", "all"]
    ids = np.array([[words.index(w) for w in t.split()] for t in texts])
    return {"input_ids": ids, "mask": np.ones(ids.shape)}


def test_token_ids_are_explained_where_they_are_embedded():
    ids = np.array([[0, 1, 2, 3, 4, 5, 6]])
    inputs = ModelInputs([ids], {"mask": np.ones((1, 7))})
    found = explain(TEXT, inputs)
    assert found.attributions.shape == (1, 7)
    assert "at the embeddings 'embedding' of token ids" in found.method["why"]
    with pytest.raises(CutError, match="integers alone, and the model has no embedding"):
        explain(MODEL, X.astype(int))


def test_texts_need_a_tokenizer():
    with pytest.raises(ValueError, match="texts need a tokenizer"):
        explain(TEXT, ["I do not like it at all"])
    with pytest.raises(ValueError, match="no mapping with input_ids"):
        explain(TEXT, "I do", tokenizer=lambda texts: texts)


def test_of_several_outputs_the_one_that_is_named():
    """Which is looked at to choose the quantity, too."""
    model, x = ReferenceModel(ZOO["dict_output"]), X
    result = explain(model, x, qoi_cut=OutputCut("features"))
    expected = IntegratedGradients(model, qoi="predicted", qoi_cut=OutputCut("features"))
    np.testing.assert_array_equal(result.attributions, expected.attributions(x))
    assert result.method["why"].startswith("integrated gradients, of the class predicted")
