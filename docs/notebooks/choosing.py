# %% [markdown]
# # Choosing slice, quantity and distribution
#
# An explanation answers a question, and each part of the question is a choice:
#
# | part | it says | asked here |
# | --- | --- | --- |
# | **slice** | in terms of what is it explained? | pixels, places, channels |
# | **quantity** of interest | which behaviour? | a class, a comparison, doubt |
# | **distribution** of interest | faithful to which inputs? | this one, others around it, a path |
#
# One network that reads handwritten digits is asked in all these ways, one part changed at a time.
# The [how-to](../how-to/choose.md) has the same as tables to look up.

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

from trulens_core import get_model_wrapper

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

wrapper = get_model_wrapper(model)
right = wrapper(x_new).argmax(1) == y_new

# %%

# %% [markdown]
# ## The slice: in terms of what?
#
# The behaviour is the same in both columns, the score of the predicted class. What changes is where the
# variables are: the pixels, or the values of the layer `pool`, which has 32 channels with 4 × 4
# places each. Summed over the channels they say *where*, summed over the places *which channel*.

# %%
from trulens_core import InternalInfluence, LinearDoi, compare

shown = torch.stack(
    [x_new[right & (y_new == digit)][2] for digit in (0, 2, 3, 6, 9)]
)
at_pixels = InternalInfluence(
    wrapper, (0, None), "predicted", LinearDoi(rule="midpoint")
)
at_pool = InternalInfluence(
    wrapper, "pool", "predicted", LinearDoi(rule="midpoint", cut="pool")
)
pool = at_pool.attributions(shown)
compare(
    {"pixels": at_pixels, "places in 'pool'": pool.sum(1, keepdim=True)}, shown
)

# %% [markdown]
# **How to read it.** Orange speaks for what it says, blue against it. The columns agree on the whole
# and differ in detail. A pixel knows nothing of its neighbours, and a network may use one for and
# another against the same stroke; behind two convolutions a place stands for a stroke. The deeper
# the slice begins, the fewer the variables and the more each of them means, and the less sharply
# it is seen where in the picture they are.

# %%
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
channels = at_pool.attributions(x_new[right]).sum((2, 3))  # (records, channels)
said = wrapper(x_new[right]).argmax(1)
means = torch.stack([channels[said == c].mean(0) for c in range(10)])
image = axes.imshow(
    means, cmap="PuOr_r", vmin=-means.abs().max(), vmax=means.abs().max()
)
axes.set(xlabel="channel of 'pool'", ylabel="it says", yticks=range(10))
axes.set_title("Which channels speak for which class")
figure.colorbar(image, label="mean attribution")
plt.show()

# %% [markdown]
# **How to read it.** A line is a class, and its dark squares are the channels that the network
# recognises it by. A channel with one dark square belongs to one class; most are shared by several,
# as strokes are. White columns are channels that never respond.

# %% [markdown]
# ## The quantity: which behaviour?
#
# Look for the digit that the network is least sure of. Four questions about it:
#
# - why the class that it says? `"predicted"`
# - why the second one? a class by number
# - why the one rather than the other? a pair of classes
# - why is it in doubt at all? A function of your own: how near the best two scores are to each
#   other. A quantity may be any function of the output with one number per record.

# %%
from trulens_core import ClassQoI, IntegratedGradients

best_two = wrapper(x_new).topk(2, dim=1)
unsure = (best_two.values[:, 0] - best_two.values[:, 1]).argsort()[:4]
doubtful = x_new[unsure]
first, second = best_two.indices[unsure].T


def doubt(scores):
    best, next_best = scores.topk(2, dim=1).values.T
    return next_best - best  # 0 is the most that it can be in doubt


questions = {
    "why what it says": ClassQoI(first),  # a class of its own for each record
    "why the second": ClassQoI(second),
    "why the first\nrather than the second": ClassQoI(first) - ClassQoI(second),
    "why in doubt": doubt,
}
answers = {
    name: IntegratedGradients(wrapper, qoi=qoi).attributions(doubtful)
    for name, qoi in questions.items()
}
print([f"{a} or {b}?" for a, b in zip(first.tolist(), second.tolist())])
compare(answers, doubtful)

# %% [markdown]
# **How to read it.** What speaks for both classes, orange in the first two columns, is gone in the
# third, which is their difference: it says what the decision hangs on. The last column asks
# for what keeps the best two scores near each other, whichever they are on the way from black.
# Quantities add and subtract as their attributions do, so that `ComparativeQoI(3, 8)` is no more
# than `ClassQoI(3) - ClassQoI(8)`; and a class may be given per record, as here.

# %% tags=["check"]
a, b, difference, _ = answers.values()
torch.testing.assert_close(a - b, difference, rtol=1e-3, atol=1e-3)

# %% [markdown]
# ## The distribution: faithful to which inputs?
#
# An explanation by gradients is a mean over points. At the input alone it says what a small change
# would do here. Over a neighbourhood it leaves out what a little noise would change. On the way
# from a baseline it accounts for the whole difference, and then *the baseline is part of the
# question*: what is not different from the baseline is not explained.

# %%
from trulens_core import GaussianDoi, InputAttribution

mean_digit = x[:-400].mean(0, keepdim=True)
distributions = {
    "the point": ("point", False),
    "its neighbourhood": (GaussianDoi(var=0.02, resolution=50), False),
    "from black": (LinearDoi(0.0, 50), True),
    "from white": (LinearDoi(1.0, 50), True),
    "from the mean digit": (LinearDoi(mean_digit, 50), True),
}
found = {
    name: InputAttribution(
        wrapper, qoi="predicted", doi=doi, multiply_activation=multiply
    ).attributions(shown)
    for name, (doi, multiply) in distributions.items()
}
compare(found, shown, records=range(len(shown)))

# %% [markdown]
# **How to read it.** The first two columns are *sensitivities*: orange is where a brighter pixel would
# raise the score, also where the picture is black now. The others are *shares* in a difference.
# From black only ink is explained, from white mostly the empty ground, which a digit is recognised
# by as well: the inside of a 0. From the mean digit it is what makes this digit differ from an
# average one, ink and gaps. None of them is wrong; they answer different questions. Where nothing
# says what absence is, ask from several baselines and keep to what they agree on.

# %% tags=["check"]
ink, gaps = shown > 0.5, shown == 0
assert found["from black"][gaps].abs().max() == 0
share = {k: float(a[gaps].abs().sum() / a.abs().sum()) for k, a in found.items()}
assert share["from white"] > 0.4
assert 0.1 < share["from the mean digit"] < share["from white"]

# %% [markdown]
# ## And how many points?
#
# A distribution on a path is an integral, and its error is told: `explain` gives the `residual`,
# the part of the difference of scores that the attributions miss. How fast it falls depends on the
# rule and on the network. This one has ReLUs, along the path its gradient jumps, and no rule beats
# the midpoints; for a smooth copy of it, with GELU, Gauss and Legendre's rule is far better.

# %%
import warnings

smooth = nn.Sequential(
    *[nn.GELU() if isinstance(m, nn.ReLU) else m for m in model]
)
smooth[4] = nn.AvgPool2d(2)  # a maximum has kinks, too
counts = (2, 4, 8, 16, 32, 64)
figure, axes = plt.subplots(
    1, 2, figsize=(9, 3.2), sharey=True, layout="constrained"
)
errors = {}
for place, (title, net) in zip(
    axes, {"ReLU, maxima": model, "GELU, means": smooth}.items()
):
    net = get_model_wrapper(net)
    for rule in ("endpoints", "midpoint", "gauss-legendre"):
        missed = []
        for n in counts:
            method = IntegratedGradients(
                net, resolution=n, qoi="predicted", rule=rule
            )
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # `explain` says where points are too few
                result = method.explain(x_new[:50])
            change = (result.quantity - result.baseline_quantity).abs().mean()
            missed.append(float(result.residual.abs().mean() / change))
        place.plot(counts, missed, "o-", label=rule)
        errors[title, rule] = missed
    place.set_xscale("log", base=2)
    place.set_yscale("log")
    place.set(title=title, xlabel="points", xticks=counts, xticklabels=counts)
axes[0].set_ylabel("missed, as part of the change")
axes[0].legend(loc="lower left")
plt.show()

# %% tags=["check"]
assert (
    errors["GELU, means", "gauss-legendre"][3]
    < 0.02 * errors["GELU, means", "midpoint"][3]
)
assert (
    errors["ReLU, maxima", "midpoint"][4]
    < 2 * errors["ReLU, maxima", "gauss-legendre"][4]
)
assert (
    errors["ReLU, maxima", "midpoint"][4]
    < 0.5 * errors["ReLU, maxima", "endpoints"][4]
)

# %% [markdown]
# **How to read it.** Each line falls as points are added; lower is better. On the left the two
# better rules go together. On the right one of them falls off at once, until what is left is
# rounding. If in doubt, do not choose a number at all: `tolerance=0.01` adds points until the error
# is below one per cent, and tells for which records that took more than it was allowed.
