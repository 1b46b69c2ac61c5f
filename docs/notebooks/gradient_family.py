# %% [markdown]
# # The gradient family on a photograph
#
# Gradients, paths, layers and maps, asked about one picture whose answer is known: a photograph into
# which a piece of another one was pasted. What each method is, and when not to take it, is in
# [the methods](../methods/index.md); [Methods compared](methods.ipynb) puts some to more tests.

# %%
import torch
from sklearn.datasets import load_sample_image
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)  # pictures this small are read fastest by one


def photograph(name):
    """A photograph that scikit-learn ships, at a third of its size."""
    pixels = torch.tensor(load_sample_image(name)).permute(2, 0, 1)[None] / 255
    return nn.functional.avg_pool2d(pixels, 3)  # (1, 3, 142, 213)


flower, china = photograph("flower.jpg"), photograph("china.jpg")

# %% [markdown]
# A network is to tell three things apart: the **flower** of the one photograph, the **pagoda** of
# the other, and **neither**, the leaves, sky, water and trees of both. It is trained on patches of
# 32 × 32 pixels, half of them without colour, and takes the mean over places before its last layer,
# so that it reads pictures of any size. It has seen these photographs in training: what is asked is
# what it rests on, not whether it would know other flowers.

# %%
SIDE = 32
# the rows and columns where patches of each class begin
regions = [
    (0, flower, (30, 72), (60, 110)),
    (1, china, (20, 92), (20, 82)),
    (2, flower, (0, 110), (0, 28)),
    (2, flower, (0, 85), (148, 180)),
    (2, china, (0, 110), (125, 180)),
]


def patches(n):
    """As many of each region, some grey, and all darker or lighter."""
    found, classes = [], []
    for _, (c, picture, *ends) in zip(range(n), regions * n):
        row, column = (int(torch.randint(*e, ())) for e in ends)
        found.append(picture[0, :, row : row + SIDE, column : column + SIDE])
        classes.append(c)
    x = torch.stack(found) * (0.7 + 0.6 * torch.rand(n, 1, 1, 1))
    grey = torch.rand(n, 1, 1, 1) < 0.5
    return torch.where(grey, x.mean(1, keepdim=True), x), torch.tensor(classes)


model = nn.Sequential()
model.add_module("conv1", nn.Conv2d(3, 16, 5, padding=2))
model.add_module("relu1", nn.ReLU())
model.add_module("pool1", nn.AvgPool2d(2))
model.add_module("conv2", nn.Conv2d(16, 32, 3, padding=1))
model.add_module("relu2", nn.ReLU())
model.add_module("pool2", nn.AvgPool2d(2))
model.add_module("conv3", nn.Conv2d(32, 32, 3, padding=1))
model.add_module("relu3", nn.ReLU())
model.add_module("mean", nn.AdaptiveAvgPool2d(1))
model.add_module("flat", nn.Flatten())
model.add_module("scores", nn.Linear(32, 3))

model.double()  # so that training comes to the same on every machine
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for _ in range(150):
    x, y = patches(30)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x.double()), y).backward()
    optimizer.step()
model.float()

with torch.no_grad():
    x, y = patches(200)
    right = (model(x).argmax(1) == y).float().mean().item()
print(f"{right:.0%} of other patches are told right")

# %% tags=["check"]
assert right > 0.85

# %% [markdown]
# The picture to explain is the second photograph with a piece of the first. The question is **why
# flower rather than pagoda?** What was pasted should speak for it and the pagoda against it. In all
# pictures below orange is for the flower, blue for the pagoda; each has its own scale.

# %%
from trulens_core import compare, get_model_wrapper

picture = china.clone()
picture[:, :, 14:62, 147:195] = nn.functional.avg_pool2d(
    flower[:, :, 24:120, 55:151], 2
)
wrapper = get_model_wrapper(model)
why = (0, 1)  # flower rather than pagoda


def heart(values):
    """What the middle of the flower has, in sum."""
    return values[..., 24:52, 157:185].sum().item()


# %% [markdown]
# ## Gradients

# %%
from trulens_core import Saliency, SmoothGrad, VarGrad

methods = {
    "Saliency": Saliency(wrapper, qoi=why),
    "input × gradient": Saliency(wrapper, qoi=why, multiply_activation=True),
    "SmoothGrad": SmoothGrad(wrapper, resolution=12, qoi=why),
    "SmoothGrad squared": SmoothGrad(
        wrapper, resolution=12, qoi=why, statistic="second_moment"
    ),
    "VarGrad": VarGrad(wrapper, resolution=12, qoi=why),
}
gradients = {name: m.attributions(picture) for name, m in methods.items()}
compare(gradients, picture)

# %% [markdown]
# **How to read it.** Saliency says where *brighter* would help the flower: along the eaves of the
# pagoda, and hardly on the flower itself, which a darker shade would make more certain. That is an
# answer, but not to the question of what speaks for the flower. SmoothGrad has less grain and says
# the same. Its square has no sign and tells where the network reacts at all; VarGrad where the
# reaction changes under noise: in this network in the leaves, and hardly in the flower. That is
# roughness, not importance.

# %% tags=["check"]
assert heart(gradients["Saliency"]) < 0 < heart(gradients["input × gradient"])
assert heart(gradients["SmoothGrad"]) < 0
assert min(gradients["VarGrad"].min(), gradients["SmoothGrad squared"].min()) >= 0
leaves = gradients["VarGrad"][..., 110:, 150:].mean()
assert gradients["VarGrad"][..., 24:52, 157:185].mean() < 0.5 * leaves

# %% [markdown]
# ## Paths

# %%
from trulens_core import Baselines, ExpectedGradients, IntegratedGradients

blurred = nn.functional.avg_pool2d(picture, 25, 1, 12, count_include_pad=False)
# records of the training kind: both photographs, moved and turned over by chance
moved = [
    torch.roll(
        p, (int(torch.randint(142, ())), int(torch.randint(213, ()))), (2, 3)
    )
    for p in (flower, china, flower.flip(3), china.flip(3)) * 10
]
several, data = Baselines([0.0, 1.0]), torch.cat(moved)
methods = {
    "from black": IntegratedGradients(wrapper, 0.0, 12, qoi=why),
    "from white": IntegratedGradients(wrapper, 1.0, 12, qoi=why),
    "from black and white": IntegratedGradients(wrapper, several, 12, qoi=why),
    "from itself, blurred": IntegratedGradients(wrapper, blurred, 12, qoi=why),
    "ExpectedGradients": ExpectedGradients(wrapper, data, 60, qoi=why),
}
paths = {name: m.explain(picture) for name, m in methods.items()}
compare(paths, picture)

# %%
for name, r in paths.items():
    gain, missed = float(r.quantity - r.baseline_quantity), float(r.residual)
    print(f"{name:20} score gained {gain:+6.2f}, not in the sum {missed:+.2f}")

# %% [markdown]
# **How to read it.** All add up to what the score gained on the way, up to the error of an integral
# by twelve points or of a sample. They do not agree, for they were asked different things: what made
# this picture differ from *black*, from *white*, from its own *colours*, from *data*. Against black
# the bright sky counts; against white it does not, as what equals the baseline cannot count. Expected
# gradients choose no colour that means "absent", and say here what one would expect: the heart of the
# flower for it, most of the pagoda against it, and an even sky rather against a pagoda, too. Black and
# white together come near to that. Expected gradients need data, and as many draws as the error asks:

# %%
expected = paths["ExpectedGradients"]
beyond = expected.attributions.abs() > 2 * expected.standard_error
print(f"{beyond.float().mean():.0%} of the values are beyond two standard errors")

# %% tags=["check"]
for name, r in paths.items():
    gain = (r.quantity - r.baseline_quantity).abs()
    missed = 0.5 if name == "ExpectedGradients" else 0.03
    assert r.residual.abs() < missed * gain, name
sky = (..., slice(80), slice(110, 140))
black, white = (
    paths[f"from {c}"].attributions[sky].sum() for c in ("black", "white")
)
assert abs(black) > 10 * abs(white)
hearts = {name: heart(r.attributions) for name, r in paths.items()}
assert hearts["ExpectedGradients"] > 2 * hearts["from white"]
assert min(hearts["ExpectedGradients"], hearts["from black"]) > 0
assert expected.attributions[..., 30:100, 30:95].sum() < 0  # the pagoda
assert 0.2 < beyond.float().mean() < 0.9

# %% [markdown]
# ## Layers

# %%
from trulens_core import Conductance, NeuronConductance

start = {"baseline": 1.0, "resolution": 12, "qoi": why}
conductance = {
    layer: Conductance(wrapper, layer, **start).explain(picture)
    for layer in ("relu1", "relu2", "relu3")
}
compare(conductance, picture)  # summed over channels

# %%
of_units = conductance["relu3"].attributions
by_channel = of_units.sum((0, 2, 3))
best, worst = int(by_channel.argmax()), int(by_channel.argmin())
place = divmod(int(of_units[0, best].argmax()), of_units.shape[3])
one = NeuronConductance(wrapper, "relu3", (best, *place), **start)
units = {
    f"most for: channel {best}": of_units[:, [best]],
    f"against: channel {worst}": of_units[:, [worst]],
    "its strongest unit": one.attributions(picture),
}
compare(units, picture)

# %%
for layer, r in conductance.items():
    total, missed = float(r.attributions.sum()), float(r.residual)
    print(f"{layer}: adds up to {total:+.2f}, not in the sum {missed:+.3f}")

# %% [markdown]
# **How to read it.** Each layer passes on the whole of what the score gained, so that all three add
# up to the same number: here nothing goes around a layer. Summed over channels they are integrated
# gradients seen through coarser and coarser glasses. Channel by channel they say more: one channel
# of the last layer is a detector of the flower, another one says that there is *anything* but a
# bright, even surface, and speaks for the pagoda. A single unit sees only its own patch.

# %% tags=["check"]
for r in conductance.values():
    assert r.residual.abs() < 0.03 * (r.quantity - r.baseline_quantity).abs()
assert (
    of_units[0, best, 6:13, 39:46].sum()
    > 0.5 * of_units[0, best].clamp(min=0).sum()
)
assert float((one.attributions(picture) != 0).float().mean()) < 0.02

# %% [markdown]
# ## Maps

# %%
from trulens_core import GradCAM


def maps(layer):
    found = {}
    for kind in ("gradcam", "gradcam++", "hirescam", "layercam", "xgradcam"):
        cam = GradCAM(wrapper, layer, kind, relu=False, qoi=why)  # with its signs
        found[kind] = cam.explain(picture).upsampled(picture).attributions
    return found


last = maps("relu3")
compare(last, picture)  # of relu3, the last layer that has places

# %%
earlier = maps("relu2")
compare(earlier, picture)  # of relu2, one convolution earlier

# %% [markdown]
# **How to read it.** Behind `relu3` the network only takes means and weighs them. There a channel's
# gradient is the same at all places, and `"gradcam"`, `"hirescam"` and `"xgradcam"` are one and the
# same, exact, map; the two others drop what has a negative weight before they add. One convolution
# earlier that is over: Grad-CAM's mean gradient puts the flower *against* itself, `"hirescam"`, which
# multiplies place by place, does not, and `"gradcam++"` shows the sky. How far they are off there
# depends on the network, trained again it may be less; that they can be does not. So: the last layer
# that has places, and where the network does more than average behind it, `"hirescam"`.

# %% tags=["check"]
for kind in ("hirescam", "xgradcam"):
    assert torch.allclose(last[kind], last["gradcam"], atol=1e-4)
assert heart(earlier["gradcam"]) < 0.2 * heart(earlier["hirescam"])
assert heart(earlier["hirescam"]) > 0
assert min(map(heart, last.values())) > 0
grown = earlier["gradcam++"]
assert grown[sky].mean() > grown[..., 24:52, 157:185].mean()

# %% [markdown]
# ## Which one to take?
#
# | you want to know | take | here it said |
# | --- | --- | --- |
# | what speaks for it, with numbers that add up | integrated or expected gradients | the flower, and against it the pagoda |
# | where a rough answer is, at the price of one pass | hirescam at the last layer with places | the same, at 35 × 53 places |
# | which channels it goes through | conductance | one channel sees the flower |
# | what a small change would do | saliency, SmoothGrad | darker petals |
# | where the network bends | VarGrad | the leaves |
#
# The table with all of them is in [the methods](../methods/index.md).
