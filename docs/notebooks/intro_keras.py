# %% [markdown]
# # An introduction, on Keras with TensorFlow
#
# A small network reads handwritten digits and gives probabilities, as most Keras classifiers do.
# Three questions are asked of it: which pixels made it say what it said, at which place its answer
# is best read, and whether it looks at the digit at all. The last one finds out a network that
# cheats, though it is right as often as an honest one.
#
# The digits are those that scikit-learn ships, 8 × 8 pixels each. The networks are trained here, in
# some seconds; nothing is downloaded. On Keras with PyTorch or JAX all of this is the same: choose
# one by `KERAS_BACKEND`.

# %%
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.target))
x = (digits.images[order, ..., None] / 16).astype("float32")  # (records, 8, 8, 1)
y = digits.target[order]
x_new, y_new = x[-400:], y[-400:]  # kept apart from training


def trained(x, y):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.3, name="dropout"),
            layers.Dense(10, activation="softmax", name="digits"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=8, batch_size=64, verbose=0)
    return model


model = trained(x[:-400], y[:-400])

# %% [markdown]
# ## Which pixels made it say so?
#
# `get_model_wrapper` is the one function that is called with a model, whichever framework it is
# of. `logit_layer` names the layer whose scores, before its softmax, `LogitCut` reads. The model
# itself is not changed.

# %%
from trulens_core import (
    IntegratedGradients,
    LogitCut,
    compare,
    get_model_wrapper,
)

wrapper = get_model_wrapper(model, logit_layer="digits")
print(wrapper)

# %%
right = wrapper(x_new).argmax(1) == y_new
print(
    f"right on {right.mean():.1%} of {len(y_new)} digits that it was not trained on"
)
shown = np.stack(
    [x_new[right & (y_new == digit)][0] for digit in (0, 2, 3, 5, 8)]
)

# %% [markdown]
# Integrated gradients compare each picture with a *baseline*, here a black picture, and share out
# among the pixels what the score of the predicted class gains on the way from black to the digit.

# %%
method = IntegratedGradients(wrapper, qoi="predicted", qoi_cut=LogitCut())
result = method.explain(shown)

# %% [markdown]
# `result.attributions` has the shape of the pictures: a number per pixel. NumPy arrays were given,
# so it is a NumPy array, too. `plot` draws it beside what was explained.

# %%
result.plot(records=range(len(shown)))

# %% [markdown]
# **How to read it.** Orange pixels spoke for the class that was predicted, blue ones against it,
# white ones made no difference. A black pixel is as in the baseline, so that it has nothing to
# answer for: *the baseline decides what counts as nothing*.
#
# Integrated gradients are *complete*: the attributions of a picture add up to its score minus the
# baseline's. How far they miss that is the `residual`, the only error there is.

# %%
gained = result.quantity - result.baseline_quantity
print("what the scores gained:        ", gained.round(2))
print(
    "what the attributions add up to:",
    result.attributions.sum((1, 2, 3)).round(2),
)

# %% tags=["check"]
assert right.mean() > 0.95
assert (np.abs(result.residual) < 0.03 * gained).all()
assert (
    np.abs(result.attributions[shown == 0]).max() == 0
)  # "nothing to answer for"

# %% [markdown]
# ## Scores or probabilities?
#
# The same question can be asked of the probability, by the default cut, the output. Where the
# network is sure, the probability is flat: one more pixel of evidence changes the score, but 0.999
# can become no more than 1. Here is the gradient of both, averaged over pixels, for all digits that
# are read right.

# %%
from trulens_core import InputAttribution

options = {
    "qoi": "predicted",
    "multiply_activation": False,
}  # the gradient alone: saliency
known = x_new[right]
of_scores = InputAttribution(wrapper, qoi_cut=LogitCut(), **options).attributions(
    known
)
of_probability = InputAttribution(wrapper, **options).attributions(known)

sure = wrapper(known).max(1)
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
for name, found, color in (
    ("of the score", of_scores, "#cc4c0c"),
    ("of the probability", of_probability, "#1f77d0"),
):
    size = np.abs(found).mean((1, 2, 3))
    axes.scatter(1 - sure, size, s=8, color=color, label=f"gradient {name}")
axes.set(
    xscale="log", yscale="log", xlabel="1 − probability of the predicted class"
)
axes.set_ylabel("mean size of the gradient")
axes.invert_xaxis()
axes.legend()
axes.set_title("The surer the network, the less its probability moves")
plt.show()

# %% [markdown]
# **How to read it.** Each digit is two points, one below the other; the further to the right, the
# surer the network is of it. The gradient of the score stays where it is. That of the probability
# falls with what is left to 1: it says how much could still change, not what the digit rests on,
# and in the end nothing but rounding is left of it. So read the score, unless the question is about
# the probability.

# %% tags=["check"]
score, probability = (
    np.abs(a).mean((1, 2, 3)) for a in (of_scores, of_probability)
)
assert score.max() < 20 * score.min()
assert probability[sure > 0.999].mean() < 0.01 * probability[sure < 0.9].mean()

# %% [markdown]
# ## Does it look at the digit at all?
#
# Suppose that whoever collected the pictures left a mark on every 8: four bright pixels in
# the corner. A second network is trained on those. By its accuracy on pictures of the same kind,
# nothing seems wrong.


# %%
def marked(x):
    copy = x.copy()
    copy[:, :2, :2] = 1.0
    return copy


def with_marks(x, y):
    return np.where((y == 8)[:, None, None, None], marked(x), x)


cheat = get_model_wrapper(
    trained(with_marks(x[:-400], y[:-400]), y[:-400]), logit_layer="digits"
)
accuracy = (cheat(with_marks(x_new, y_new)).argmax(1) == y_new).mean()
print(f"right on {accuracy:.1%} of pictures of the same kind")

# %% [markdown]
# Ask both networks why it is an 8: a quantity may be a class.

# %%
eights = marked(x_new[y_new == 8][:5])
found = [
    IntegratedGradients(
        w, qoi=lambda y: y[:, 8], qoi_cut=LogitCut()
    ).attributions(eights)
    for w in (wrapper, cheat)
]
compare(dict(zip(("the first network", "the second network"), found)), eights)

# %% [markdown]
# **How to read it.** What the second network finds most convincing is the mark. It did not learn
# what an 8 looks like, since it did not have to. What an explanation suggests can be put to the
# test: give the mark to all other digits.

# %%
others = x_new[y_new != 8]
for name, w in (("the first network", wrapper), ("the second network", cheat)):
    before, after = (
        (w(p).argmax(1) == 8).mean() for p in (others, marked(others))
    )
    print(
        f"{name} takes {before:.0%} of the other digits for an 8, and {after:.0%} with the mark"
    )

# %% tags=["check"]
assert accuracy > 0.97
strongest = found[1].reshape(len(eights), -1).argmax(1)
assert np.isin(strongest, [0, 1, 8, 9]).all()
assert (cheat(marked(others)).argmax(1) == 8).mean() > 0.25
assert (wrapper(marked(others)).argmax(1) == 8).mean() < 0.2

# %% [markdown]
# ## What was compiled?
#
# On TensorFlow a step of an explanation is traced once, for any number of records, and then run for
# every class, target and weight. The quantity above was written in plain Python, as
# `lambda y: y[:, 8]`, in the framework's own operations; `8` as a short form would mean channel 8
# of the layer that the quantity is read at, which is the same here.

# %% [markdown]
# ## Where to go on
#
# - [Choosing slice, quantity and distribution](choosing.ipynb): which explanation for which
#   question.
# - [Methods compared](methods.ipynb): saliency, integrated gradients, SmoothGrad and others, on
#   the same digits.
# - [Texts, on Keras](text_keras.ipynb): words instead of pixels.
