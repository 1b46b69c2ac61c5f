# %% [markdown]
# # An introduction, on JAX
#
# A small network tells malignant from benign tumours by thirty measurements of cells. Three
# questions are asked of it: which measurements made it say what it said of one patient, which ones
# it goes by on the whole, and what is inside that decides. In the end the same network is written
# as a plain function, without any library of layers.
#
# The measurements are the breast cancer data of Wisconsin, which scikit-learn ships. The network is
# trained here, in some seconds; nothing is downloaded.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
order = np.random.default_rng(0).permutation(len(data.target))
x = data.data[order].astype("float32")
y = data.target[order]  # 0: malignant, 1: benign
x = (x - x[:-150].mean(0)) / x[:-150].std(0)  # zero is the average patient
x_new, y_new = x[-150:], y[-150:]  # kept apart from training


class Network(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(30, 16, rngs=rngs)
        self.scores = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.scores(jnp.tanh(self.hidden(x)))


def loss(model, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()


@nnx.jit
def step(model, optimizer):
    optimizer.update(model, nnx.grad(loss)(model, x[:-150], y[:-150]))


model = Network(nnx.Rngs(0))
optimizer = nnx.Optimizer(
    model, optax.adamw(1e-2, weight_decay=1e-2), wrt=nnx.Param
)
for _ in range(100):
    step(model, optimizer)

# %% [markdown]
# ## Which measurements made it say so?
#
# `get_model_wrapper` is the one function that is called with a model, whichever framework it is
# of: a Flax NNX module here, and Linen, Equinox, Haiku and plain functions alike. JAX finds out
# the layers by tracing, so that the table of them takes an input.

# %%
from trulens_core import ComparativeQoI, IntegratedGradients, get_model_wrapper

wrapper = get_model_wrapper(model)
for layer in wrapper.layers(x_new[:1]):
    print(layer.name, layer.kind, layer.shape)

# %%
right = wrapper(x_new).argmax(1) == y_new
print(
    f"right on {right.mean():.1%} of {len(y_new)} patients that it was not trained on"
)

# %% [markdown]
# With two classes the question is what speaks for one *rather than* the other: a difference of
# scores. Integrated gradients compare with a *baseline*. All measurements were moved so that zero
# is their mean, and so the baseline, zeros unless another is given, is the average patient: what is
# explained is what makes this patient different.

# %%
method = IntegratedGradients(
    wrapper, qoi=ComparativeQoI(0, 1), rule="gauss-legendre", resolution=8
)
patients = x_new[[int(np.flatnonzero(right & (y_new == c))[0]) for c in (0, 1)]]
result = method.explain(patients)

# %% [markdown]
# `plot` picks the picture that fits: of a table, bars. Tanh is smooth, and on smooth networks the
# rule of Gauss and Legendre needs only some points; on networks of ReLUs the default rule is the
# better one.

# %%
figure = plt.figure(figsize=(11, 4.2))
figure.suptitle("What makes it malignant (orange) rather than benign (blue)?")
result.plot(names=data.feature_names, fig=figure)
plt.show()

# %% [markdown]
# **How to read it.** Each bar is the part of the difference of scores that this measurement
# accounts for, in units of the score; the last bar sums what there is no room for. Record 0 was
# called malignant, record 1 benign. A bar does not say that a measurement is large: it may be
# smaller than usual and speak for malignant by that.
#
# The bars of a patient add up to the score of the patient minus that of the average one. A result
# that stands last in a cell shows itself, and with it how far the sum misses that, the `residual`:

# %%
result

# %% tags=["check"]
assert right.mean() > 0.95
assert np.abs(result.residual).max() < 1e-3

# %% [markdown]
# ## Which measurements does it go by on the whole?
#
# Explain everyone, and look at all of it at once: a dot per patient and measurement.

# %%
everyone = method.attributions(x_new)
strongest = np.argsort(-np.abs(everyone).mean(0))[:8]
figure, axes = plt.subplots(figsize=(8.5, 3.8), layout="constrained")
jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(x_new))
for row, feature in enumerate(strongest):
    dots = axes.scatter(
        everyone[:, feature],
        row + jitter,
        c=x_new[:, feature],
        s=9,
        cmap="viridis",
        vmin=-2,
        vmax=2,
    )
axes.set_yticks(range(len(strongest)), data.feature_names[strongest])
axes.invert_yaxis()
axes.axvline(0, color="0.5", linewidth=0.8)
axes.set_xlabel("for benign      attribution      for malignant")
axes.set_title("The eight measurements that weigh most, over 150 patients")
figure.colorbar(dots, label="measured, in\nstandard deviations")
plt.show()

# %% [markdown]
# **How to read it.** A row whose dots go from dark on the left to bright on the right is a
# measurement that makes it malignant where it is large; where they go from bright to dark, it makes
# it benign. Were bright dots on both sides, the measurement would matter in different ways for
# different patients: a mean would hide that.

# %%
for feature in strongest:
    together = np.corrcoef(everyone[:, feature], x_new[:, feature])[0, 1]
    where = "malignant" if together > 0 else "benign"
    print(f"a large {data.feature_names[feature]} speaks for {where}")

# %% tags=["check"]
correlations = [np.corrcoef(everyone[:, f], x_new[:, f])[0, 1] for f in strongest]
assert np.abs(correlations).min() > 0.7

# %% [markdown]
# ## What inside of it decides?
#
# A *slice* says where the network is cut. From the layer `hidden` on, sixteen units are explained
# instead of thirty measurements. Then the unit that matters most is itself made the quantity of
# interest: what does it look at?

# %%
from trulens_core import Cut, InputAttribution, InternalInfluence, LinearDoi

inside = InternalInfluence(
    wrapper, "hidden", ComparativeQoI(0, 1), LinearDoi(cut="hidden")
)
units = inside.attributions(x_new)
malignant, benign = (units[y_new == c].mean(0) for c in (0, 1))
best = int((malignant - benign).argmax())
looks_at = InputAttribution(
    wrapper, qoi_cut=Cut("hidden"), qoi=best
).attributions(x_new)

figure, (left, right_axes) = plt.subplots(
    1, 2, figsize=(11, 3.4), layout="constrained"
)
left.bar(np.arange(16) - 0.2, malignant, 0.4, label="malignant", color="#cc4c0c")
left.bar(np.arange(16) + 0.2, benign, 0.4, label="benign", color="#1f77d0")
left.set(
    xlabel="unit of the layer 'hidden'", ylabel="for malignant rather than benign"
)
left.set_title("What speaks for malignant, by units")
left.set(xticks=range(0, 16, 3), ylim=(-1.3, 1.8))
left.legend(title="patients who are", loc="upper center", ncols=2)
top = np.argsort(-np.abs(looks_at).mean(0))[:8]
right_axes.barh(range(8), np.abs(looks_at).mean(0)[top], color="0.4")
right_axes.set_yticks(range(8), data.feature_names[top])
right_axes.invert_yaxis()
right_axes.set_title(f"What unit {best} looks at (mean size)")
plt.show()

# %% [markdown]
# **How to read it.** On the left, a unit that matters has its two bars on different sides: it
# speaks for malignant where the patient is, and against it where not. On the right are the
# measurements that move the strongest unit.

# %% tags=["check"]
assert malignant[best] > 0 > benign[best]

# %% [markdown]
# ## A plain function
#
# No library of layers is needed. A function of weights and input is a model, too; a value inside
# gets a name by `tap`, which costs nothing in compiled code, and can then be cut at.

# %%
from trulens_jax import tap

weights = {
    "hidden": (model.hidden.kernel[...], model.hidden.bias[...]),
    "scores": (model.scores.kernel[...], model.scores.bias[...]),
}


def network(weights, x):
    kernel, bias = weights["hidden"]
    hidden = tap(x @ kernel + bias, "hidden")
    kernel, bias = weights["scores"]
    return jnp.tanh(hidden) @ kernel + bias


plain = get_model_wrapper(network, backend="jax", params=weights)
same = InternalInfluence(
    plain, "hidden", ComparativeQoI(0, 1), LinearDoi(cut="hidden")
)
difference = np.abs(same.attributions(x_new) - units).max()
print(
    f"largest difference to the attributions of the module's units: {difference:.1g}"
)

# %% [markdown]
# Another class or other weights compile nothing again: they are data. `update` puts in new weights
# of the same structure, such as those of a later step of training.

# %%
plain.update(jax.tree.map(lambda w: 0.5 * w, weights))
print(
    "with halved weights:", float(np.abs(same.attributions(x_new)).max().round(3))
)
print("before:             ", float(np.abs(units).max().round(3)))

# %% tags=["check"]
assert difference < 1e-4

# %% [markdown]
# ## Where to go on
#
# - [Choosing slice, quantity and distribution](choosing.ipynb): which explanation for which
#   question.
# - [Methods compared](methods.ipynb): saliency, integrated gradients, SmoothGrad and others, on
#   the same digits.
# - [Texts, on Keras](text_keras.ipynb): words instead of measurements.
