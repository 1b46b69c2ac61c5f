# %% [markdown]
# # An introduction, on PyTorch
#
# A small network reads handwritten digits. Four questions are asked of it: which pixels made it
# say what it said, why a 3 and not an 8, what is inside that decides, and what happens to the
# model meanwhile. Each takes about ten lines.
#
# The digits are those that scikit-learn ships, 8 × 8 pixels each. The network is trained here, in
# some seconds; nothing is downloaded.

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)  # pictures this small are read fastest by one

digits = load_digits()
order = torch.randperm(len(digits.target))
x = torch.tensor(digits.images)[order, None].float() / 16  # (records, 1, 8, 8)
y = torch.tensor(digits.target)[order]
x_new, y_new = x[-400:], y[-400:]  # kept apart from training

model = nn.Sequential()
model.add_module("conv1", nn.Conv2d(1, 16, 3, padding=1))
model.add_module("relu1", nn.ReLU())
model.add_module("conv2", nn.Conv2d(16, 32, 3, padding=1))
model.add_module("relu2", nn.ReLU())
model.add_module("pool", nn.MaxPool2d(2))
model.add_module("flat", nn.Flatten())
model.add_module("dropout", nn.Dropout(0.3))
model.add_module("digits", nn.Linear(512, 10))

optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(8):
    for rows in torch.randperm(len(x) - 400).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

# %% [markdown]
# ## Which pixels made it say so?
#
# `get_model_wrapper` is the one function that is called with a model, whichever framework it is
# of. It needs no change of the model. Printed, a wrapper is a table of the layers and their names:
# those are the places where the network can be cut.

# %%
from trulens_core import IntegratedGradients, get_model_wrapper

wrapper = get_model_wrapper(model)
print(wrapper)

# %%
right = wrapper(x_new).argmax(1) == y_new
print(
    f"right on {right.float().mean():.1%} of {len(y_new)} digits that it was not trained on"
)
shown = torch.stack(
    [x_new[right & (y_new == digit)][0] for digit in (0, 2, 3, 5, 8)]
)

# %% [markdown]
# Integrated gradients compare each picture with a *baseline*, here a black picture, and share out
# among the pixels what the score of the predicted class gains on the way from black to the digit.
# Two lines do it:

# %%
method = IntegratedGradients(wrapper, qoi="predicted")
result = method.explain(shown)

# %% [markdown]
# `result.attributions` has the shape of the pictures: a number per pixel. `plot` draws them beside
# what was explained.

# %%
result.plot(records=range(len(shown)))

# %% [markdown]
# **How to read it.** Orange pixels spoke for the class that was predicted, blue ones against it,
# white ones made no difference. A black pixel is as in the baseline, so that it has nothing to
# answer for: *the baseline decides what counts as nothing*. Were the baseline white, the empty
# pixels would be explained.
#
# Are the numbers right? Integrated gradients are *complete*: the attributions of a picture add up
# to its score minus the baseline's. How far they miss that is the `residual`, the only error there
# is, and more points on the path make it smaller.

# %%
print("class  score  on black  attributions  missing")
for i, c in enumerate(wrapper(shown).argmax(1).tolist()):
    score, black = float(result.quantity[i]), float(result.baseline_quantity[i])
    total, missing = (
        float(result.attributions[i].sum()),
        float(result.residual[i]),
    )
    print(
        f"{c:5d}  {score:5.2f}  {black:8.2f}  {total:12.2f}  {missing / (score - black):7.1%}"
    )

# %% tags=["check"]
assert right.float().mean() > 0.95
gained = result.quantity - result.baseline_quantity
assert (result.residual.abs() < 0.03 * gained).all()
assert result.attributions[shown == 0].abs().max() == 0  # "nothing to answer for"

# %% [markdown]
# Rather than to choose a number of points, say what error you accept. Points are added, record by
# record, until it is kept:

# %%
exact = IntegratedGradients(wrapper, qoi="predicted", tolerance=0.01).explain(
    shown
)
print(
    "points used:",
    exact.n_points.tolist(),
    "tolerance kept:",
    exact.converged.tolist(),
)

# %% [markdown]
# ## Why a 3, and not an 8?
#
# Which behaviour is explained is the *quantity of interest*. It may be a class, the largest class,
# or any function of the output, and quantities can be added and subtracted. A difference of two
# scores leaves only what tells the two classes apart.

# %%
from trulens_core import ClassQoI, ComparativeQoI, compare

threes = x_new[right & (y_new == 3)][:5]
quantities = {
    "for 3": ClassQoI(3),
    "for 8": ClassQoI(8),
    "for 3 rather than 8": ComparativeQoI(
        3, 8
    ),  # the same as ClassQoI(3) - ClassQoI(8)
}
found = {
    heading: IntegratedGradients(wrapper, qoi=qoi).attributions(threes)
    for heading, qoi in quantities.items()
}
compare(found, threes)

# %% [markdown]
# **How to read it.** The last column is the first minus the second, pixel by pixel: attributions are
# linear in the quantity. The arcs at the top and at the bottom make it a 3 rather than an 8. What
# is in the middle, where an 8 crosses itself, speaks for the 8.

# %% tags=["check"]
torch.testing.assert_close(
    found["for 3"] - found["for 8"], found["for 3 rather than 8"]
)
arcs = found["for 3 rather than 8"][..., (0, 7), :].sum()
middle = found["for 3 rather than 8"][..., 2:5, 2:5].sum()
assert arcs > 0 > middle

# %% [markdown]
# ## What inside of it decides?
#
# A *slice* says where the network is cut: whose part is explained, and where the behaviour is
# read. From the layer `pool` to the output, the same question is about 32 channels instead of 64
# pixels. `InternalInfluence` takes all three parts of an explanation: slice, quantity, and the
# *distribution of interest*, here the straight line from zero, at the cut.

# %%
from trulens_core import Cut, InternalInfluence, LinearDoi, OutputCut

inside = InternalInfluence(
    wrapper,
    (Cut("pool"), OutputCut()),
    ComparativeQoI(3, 8),
    LinearDoi(cut=Cut("pool")),
)
channels = inside.attributions(threes).sum((2, 3))  # of (records, 32, 4, 4)
best = int(channels.mean(0).argmax())

figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
mean = channels.mean(0)
axes.bar(range(32), mean, color=["#cc4c0c" if v > 0 else "#1f77d0" for v in mean])
axes.set(xlabel="channel of the layer 'pool'", ylabel="for 3 rather than 8")
axes.set_title("Which channels say 3 rather than 8? (mean of five threes)")
plt.show()

# %% [markdown]
# **How to read it.** Bars above zero are channels that make it a 3, below zero those that make it
# an 8. The channel with the highest bar can be asked in turn what *it* looks at: it becomes the
# quantity, and the input is explained. A short form is a number for the channel.

# %%
from trulens_core import InputAttribution

where = InputAttribution(wrapper, qoi_cut=Cut("pool"), qoi=best)
various = torch.stack(
    [x_new[right & (y_new == digit)][1] for digit in (3, 8, 5, 2, 7)]
)
compare({f"for channel {best}": where}, various)

# %% [markdown]
# ## And the model?
#
# It is as it was: in training mode, since it was never told otherwise, its weights without
# gradients, without a hook left on it. Explanations are computed in evaluation mode, so that
# dropout adds nothing by chance, and the mode is put back afterwards.

# %%
print(
    "training mode:", model.training, "| hooks:", len(model.pool._forward_hooks)
)

# %% [markdown]
# ## Where to go on
#
# - [Choosing slice, quantity and distribution](choosing.ipynb): which explanation for which
#   question.
# - [Methods compared](methods.ipynb): saliency, integrated gradients, SmoothGrad and others, on
#   the same digits.
# - [Texts, on PyTorch](text_pytorch.ipynb): words instead of pixels.
