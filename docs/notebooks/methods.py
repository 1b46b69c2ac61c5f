# %% [markdown]
# # Methods compared
#
# Saliency, gradient × input, integrated gradients, SmoothGrad, layer integrated gradients, Grad-CAM:
# in this library they are not separate implementations but choices of slice, quantity and
# distribution. Here they are asked about the same digits, and then put to three tests: do their
# numbers add up, do they find what the network rests on, and do they see at all what it has learned?

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

from trulens_core import compare, get_model_wrapper

torch.manual_seed(0)
torch.set_num_threads(1)  # pictures this small are read fastest by one

digits = load_digits()
order = torch.randperm(len(digits.target))
x = torch.tensor(digits.images)[order, None].float() / 16  # (records, 1, 8, 8)
y = torch.tensor(digits.target)[order]
x_new, y_new = x[-400:], y[-400:]  # kept apart from training


def network():
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(1, 16, 3, padding=1))
    model.add_module("relu1", nn.ReLU())
    model.add_module("conv2", nn.Conv2d(16, 32, 3, padding=1))
    model.add_module("relu2", nn.ReLU())
    model.add_module("pool", nn.MaxPool2d(2))
    model.add_module("flat", nn.Flatten())
    model.add_module("dropout", nn.Dropout(0.3))
    model.add_module("digits", nn.Linear(512, 10))
    return model


model = network()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(8):
    for rows in torch.randperm(len(x) - 400).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

wrapper = get_model_wrapper(model)
right = wrapper(x_new).argmax(1) == y_new

# %%
shown = torch.stack(
    [x_new[right & (y_new == digit)][3] for digit in (0, 2, 3, 5, 9)]
)

# %% [markdown]
# ## The methods, as choices
#
# Each is a line or two. `multiply_activation=False` leaves the gradients as they are; with it they
# are multiplied by what the distribution compares with: the input, or its difference to a baseline.

# %%
from trulens_core import (
    ClassQoI,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
)

why = "predicted"
gradient = {"qoi": why, "multiply_activation": False}
mean_digit = x[:-400].mean(0, keepdim=True)

methods = {
    "saliency": InputAttribution(wrapper, **gradient),
    "gradient × input": InputAttribution(wrapper, qoi=why),
    "SmoothGrad": InputAttribution(
        wrapper, doi=GaussianDoi(var=0.02, resolution=50), **gradient
    ),
    "IG, from black": IntegratedGradients(wrapper, qoi=why),
    "IG, from the mean": IntegratedGradients(
        wrapper, baseline=mean_digit, qoi=why
    ),
}

# %% [markdown]
# Two of them explain a layer, here `relu2`, and are drawn as a sum over its channels. Grad-CAM
# takes the mean gradient of each channel as its weight; with cuts that is three lines. `GradCAM` has
# it ready, in five kinds.

# %%
from trulens_core import Cut

layer_ig = InternalInfluence(
    wrapper, "relu2", why, LinearDoi(rule="midpoint", cut="relu2")
)
slope = InternalInfluence(
    wrapper, "relu2", why, "point", multiply_activation=False
)


def gradcam(x):
    weights = slope.attributions(x).mean((2, 3), keepdim=True)  # per channel
    values = wrapper.fprop((x,), to_cut=Cut("relu2"))
    return (weights * values).sum(1, keepdim=True).clamp(min=0)


explain = {name: method.attributions for name, method in methods.items()}
explain["layer IG"] = lambda x: layer_ig.attributions(x).sum(1, keepdim=True)
explain["Grad-CAM"] = gradcam

found = {name: f(shown) for name, f in explain.items()}
compare(found, shown, records=range(len(shown)))

# %% [markdown]
# **How to read it.** Orange is for the predicted class, blue against it, each picture on its own scale.
#
# - **Saliency** says where a brighter pixel would raise the score. It colours black pixels as well,
#   and it knows only this one point: where a unit is switched off here, it is not seen.
# - **Gradient × input** keeps what is not black. It would be exact if the network were linear.
# - **SmoothGrad** is saliency, averaged over a neighbourhood: what hangs on the exact point is gone.
# - **Integrated gradients** share out the difference to a baseline. From black only ink counts; from
#   the mean digit also ink that is missing.
# - **Layer IG** shares out the same score among the values of a layer; shown by places, it is
#   blurred by what a unit there sees.
# - **Grad-CAM** keeps only what is positive, and one weight per channel. Here almost nothing is
#   left: the last layer treats each place on its own, and the mean of a channel's gradients is next
#   to nothing. It is made for networks that average over places before their last layer.

# %% tags=["check"]
assert (found["Grad-CAM"] == 0).float().mean() > 0.8

# %% [markdown]
# ## Do the numbers add up?
#
# Only methods with a baseline promise that the attributions of a record sum to what its score
# gained. Each dot is a digit; on the line, sum and gain are equal.

# %%
many = x_new[right][:100]
rows = torch.arange(len(many))
classes = wrapper(many).argmax(1)
gain = (wrapper(many) - wrapper(torch.zeros_like(many[:1])))[rows, classes]
figure, axes = plt.subplots(
    1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained"
)
sums = {}
for place, name in zip(axes, ("gradient × input", "IG, from black", "layer IG")):
    sums[name] = explain[name](many).sum((1, 2, 3))
    place.scatter(gain, sums[name], s=8, color="#cc4c0c")
    place.plot([0, 16], [0, 16], color="0.5", linewidth=0.8)
    place.set(title=name, xlabel="gain of the score, from black")
axes[0].set_ylabel("sum of the attributions")
plt.show()

# %% [markdown]
# **How to read it.** Integrated gradients lie on the line but for the error of the integral, which
# `explain` tells. Gradient × input does not: this network is not linear. Layer IG adds up, too, but
# to the gain since *the layer was zero*, which is not the gain since the picture was black.

# %%
layer = layer_ig.explain(many)
missed = (
    layer.residual.abs() / (layer.quantity - layer.baseline_quantity).abs()
).max()
print(f"layer IG misses at most {missed:.1%} of its own gain")

# %% tags=["check"]
error = {
    name: float((s - gain).abs().mean() / gain.mean()) for name, s in sums.items()
}
assert error["IG, from black"] < 0.01
assert error["gradient × input"] > 0.05
assert error["layer IG"] > 0.02
assert missed < 0.1

# %% [markdown]
# ## Do they find what the network rests on?
#
# Paint the pixels black, the strongest first. The better an explanation ranks them, the faster the
# score of the predicted class falls. What is compared with is a random order among the pixels that
# are not black.


# %%
def falling(order, steps=range(0, 25, 2)):
    scores = []
    for n in steps:
        changed = (
            many.flatten(1).scatter(1, order[:, :n], 0.0).reshape(many.shape)
        )
        scores.append(wrapper(changed)[rows, classes].mean().item())
    return list(steps), scores


names = [name for name in explain if name not in ("layer IG", "Grad-CAM")]
names.append("IG, from black, 3 points")
few = IntegratedGradients(wrapper, resolution=3, qoi=why)
curves = {}
for name in names:
    a = few.attributions(many) if "points" in name else explain[name](many)
    curves[name] = falling(a.flatten(1).argsort(dim=1, descending=True))
ink = (many.flatten(1) > 0) * (1 + torch.rand(len(many), 64))
curves["random ink"] = falling(ink.argsort(dim=1, descending=True))

figure, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
styles = {
    "random ink": {"color": "0.5", "linestyle": "--"},
    names[-1]: {"linestyle": ":"},
}
for name, (steps, scores) in curves.items():
    axes.plot(steps, scores, label=name, **styles.get(name, {}))
axes.set(
    xlabel="pixels painted black", ylabel="mean score of the predicted class"
)
axes.set_title("The faster it falls, the better the ranking")
axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# **How to read it.** All are better than chance. Painting black *is* the question that integrated
# gradients from black ask, so that they must do well here, and three points do about as well as
# fifty: to rank is easier than to add up. Saliency ranks black pixels among the others, which
# painting black does not change. The test has a baseline, as the methods have, and favours those
# that share it.

# %% tags=["check"]
at = {name: sum(scores) for name, (_, scores) in curves.items()}
assert at["IG, from black"] == min(v for k, v in at.items() if "points" not in k)
assert max(v for k, v in at.items() if k != "random ink") < at["random ink"]
assert at[names[-1]] < at["IG, from black"] + 0.15 * (
    at["random ink"] - at["IG, from black"]
)

# %% [markdown]
# ## Do they see what the network has learned?
#
# A picture that looks right proves nothing: edges of the input look right, too. So take what was
# learned away. The same methods explain the same score of a network whose weights are random. An
# explanation that hardly changes was never about the network.

# %%
untrained = get_model_wrapper(network())


def likeness(a, b):
    """Mean correlation of two explanations, record by record."""
    a, b = (v.flatten(1) - v.flatten(1).mean(1, keepdim=True) for v in (a, b))
    return float(((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).mean())


qoi = ClassQoI(classes)
pairs = {
    "saliency": lambda w: InputAttribution(w, qoi=qoi, multiply_activation=False),
    "gradient × input": lambda w: InputAttribution(w, qoi=qoi),
    "SmoothGrad": lambda w: InputAttribution(
        w,
        qoi=qoi,
        multiply_activation=False,
        doi=GaussianDoi(var=0.02, resolution=20),
    ),
    "IG, from black": lambda w: IntegratedGradients(w, qoi=qoi, resolution=20),
}
signed, sizes = {}, {}
for name, make in pairs.items():
    trained, random = (make(w).attributions(many) for w in (wrapper, untrained))
    signed[name], sizes[name] = (
        likeness(trained, random),
        likeness(trained.abs(), random.abs()),
    )

figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
height = torch.arange(len(pairs))
axes.barh(
    height - 0.2,
    list(signed.values()),
    0.4,
    label="with their signs",
    color="#1f77d0",
)
axes.barh(
    height + 0.2, list(sizes.values()), 0.4, label="only their sizes", color="0.6"
)
axes.set_yticks(height, list(pairs))
axes.invert_yaxis()
axes.axvline(0, color="0.5", linewidth=0.8)
axes.set_xlim(-0.2, 1)
axes.set_xlabel(
    "likeness of the explanations of a trained and of a random network"
)
axes.legend()
plt.show()

# %% [markdown]
# **How to read it.** Near zero is good. With their signs, all of them change with the network. Of
# what is multiplied by the input, the sizes alone stay alike, since both are zero where the picture
# is black: *that* part of the explanation is the picture, not the network. Show signs, and compare
# explanations with one another rather than with what the eye expects.

# %% tags=["check"]
assert max(abs(v) for v in signed.values()) < 0.2
assert min(sizes["gradient × input"], sizes["IG, from black"]) > 0.2
assert max(sizes["saliency"], sizes["SmoothGrad"]) < 0.2

# %% [markdown]
# ## Which one to take?
#
# | you want | take | mind |
# | --- | --- | --- |
# | shares that add up, and can be compared between records | integrated gradients | the baseline is part of the question |
# | what a small change would do | saliency, or SmoothGrad where it is noisy | says nothing of what is there |
# | what the network has made of the input | a layer, by `InternalInfluence` | what a channel means has to be found out |
# | a rough place, quickly | Grad-CAM on a late layer | only what speaks for it; the network must average over places |
#
# More methods, on a photograph, are in [The gradient family](gradient_family.ipynb), and what each is
# good for in [the methods](../methods/index.md). More about the three parts is in [Choosing slice, quantity and distribution](choosing.ipynb).
