"""Models that use values of the records after a cut, to be explained; `runpy` it."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

HELP = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("narrow_models.py"))))
WIDTH, dense = HELP.WIDTH, HELP.dense


class Layer(nn.Module):
    """Scores over steps with a mask of each record, as attention has."""

    def __init__(self):
        super().__init__()
        self.mix = dense()

    def forward(self, x, mask):
        scores = (x @ x.transpose(1, 2)).masked_fill(mask[:, None, :], -30.0)
        return x + torch.tanh(self.mix(scores.softmax(-1) @ x))


class Masked(nn.Module):
    """Four such layers; the cut is the second."""

    layer = Layer

    def __init__(self):
        super().__init__()
        self.stem, self.head = dense(), dense(WIDTH, 3)
        self.layers = nn.ModuleList(self.layer() for _ in range(4))

    def forward(self, x, mask):
        more = self.more(x)
        x = torch.tanh(self.stem(x))
        for layer in self.layers:
            x = layer(x, mask, *more)
        return self.head(x[:, 0])

    def more(self, x):
        """What layers are given besides, of the input."""
        del x
        return ()


class ByName(Masked):
    """Masks by name, and in tuples of tuples as rotary positions are."""

    class layer(Layer):  # noqa: N801 - as the one that it takes the place of
        def forward(self, x, *, given, option=None):
            assert option == "kept"
            mask, (shift, _) = given
            return super().forward(x + shift, mask)

    def forward(self, x, mask):
        shift = torch.tanh(x).mean(1, keepdim=True)
        x = torch.tanh(self.stem(x))
        for layer in self.layers:
            x = layer(x, given=(mask, (shift, 2)), option="kept")
        return self.head(x[:, 0])


class Shared(Masked):
    """One layer, before the cut and after it."""

    def forward(self, x, mask):
        x = self.layers[0](torch.tanh(self.stem(x)), mask)
        x = self.layers[1](x, mask)
        return self.head(self.layers[0](self.layers[0](x, mask), mask)[:, 0])


class Written(Masked):
    """The layers write to what they are given, for those after them."""

    class layer(Layer):  # noqa: N801
        def forward(self, x, mask):
            mask[:, 1] ^= mask[:, 3]
            return super().forward(x, mask.clone())

    between = False

    def forward(self, x, mask):
        x, mask = torch.tanh(self.stem(x)), mask.clone()
        for i, layer in enumerate(self.layers):
            x = layer(x, mask)
            if self.between and i:
                mask[:, 2].logical_not_()
        return self.head(x[:, 0])


class WrittenBetween(Written):
    """And the model writes there as well."""

    between = True


class OneRead(Masked):
    """A layer after the cut takes the first steps of what came before it."""

    def __init__(self):
        super().__init__()
        self.side = nn.Bilinear(WIDTH, WIDTH, WIDTH)

    def forward(self, x, mask):
        before = torch.tanh(self.stem(x))
        x = self.layers[1](before, mask)
        return self.head(self.side(x[:, 0], before[:, 1]))


class Checkpointed(Masked):
    """Layers after the cut are computed again in the backward pass."""

    first = 2

    def forward(self, x, mask):
        def rest(x, mask):
            for layer in self.layers[self.first :]:
                x = layer(x, mask)
            return x

        x = torch.tanh(self.stem(x)).requires_grad_()
        for layer in self.layers[: self.first]:
            x = layer(x, mask)
        return self.head(checkpoint(rest, x, mask, use_reentrant=False)[:, 0])


class CheckpointedAround(Checkpointed):
    """And so are the cut, and a layer before it."""

    first = 0


class CheckpointedShared(Masked):
    """One layer before and after the cut, all of it computed again."""

    def forward(self, x, mask):
        def rest(x, mask):
            return self.layers[0](self.layers[1](self.layers[0](x, mask), mask), mask)

        x = torch.tanh(self.stem(x)).requires_grad_()
        return self.head(checkpoint(rest, x, mask, use_reentrant=False)[:, 0])


class Between(Masked):
    """The mask is used between layers, where nobody can be given another."""

    def forward(self, x, mask):
        x = torch.tanh(self.stem(x))
        for layer in self.layers:
            x = layer(x, mask).masked_fill(mask[:, :, None], 0.0)
        return self.head(x[:, 0])


class InLists(Masked):
    """What layers are given is in a list, to which they add."""

    class layer(Layer):  # noqa: N801
        def forward(self, x, held):
            held.append(x.mean(1, keepdim=True))
            return super().forward(x + sum(held[1:]), held[0])

    def forward(self, x, mask):
        x, held = torch.tanh(self.stem(x)), [mask]
        for layer in self.layers:
            x = layer(x, held)
        return self.head(x[:, 0] + held[2][:, 0])


class Table(Masked):
    """A layer after the cut looks a scale up by how many rows it is given."""

    class Looked(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", torch.linspace(0.5, 2, 64))

        def forward(self, x, mask):
            return x * self.table[len(mask)] * (1 + mask.sum(1)[:, None, None])

    def __init__(self):
        super().__init__()
        self.layers[2] = self.Looked()


class PerStep(Masked):
    """A layer is given as many rows as there are steps: no record's own, whatever their number."""

    class layer(Layer):  # noqa: N801
        def forward(self, x, mask, steps=None):
            return super().forward(x if steps is None else x * steps, mask)

    def more(self, x):
        return (torch.linspace(0.5, 1.5, x.shape[1], dtype=x.dtype)[:, None],)


class Prototypes(Masked):
    """A layer is given rows that are no records', and how many they are matters."""

    class layer(Layer):  # noqa: N801
        def forward(self, x, mask, kinds=None):
            if kinds is None:
                return super().forward(x, mask)
            near = torch.softmax(x @ kinds.T, -1)
            return super().forward(x + near.max(-1, keepdim=True).values, mask)

    def more(self, x):
        return (torch.linspace(-1, 1, 3 * WIDTH, dtype=x.dtype).reshape(3, WIDTH),)


class Nearest(Masked):
    """Rows that are no records': the nearest of them tells nothing of how many there are."""

    class layer(Layer):  # noqa: N801
        def forward(self, x, mask, kinds):
            near = torch.cdist(x, kinds).sort(-1).values
            ended = mask.double().mean(1)[:, None, None]
            return super().forward(x + near[..., :1] + ended * near[..., 1:2], mask)

    def more(self, x):
        return (torch.linspace(-1, 1, 3 * WIDTH, dtype=x.dtype).reshape(3, WIDTH),)


class Gathered(Masked):
    """Where records have ended, steps are gathered: of as many rows as the mask has, no more."""

    def forward(self, x, mask):
        x = torch.tanh(self.stem(x))
        x = self.layers[1](self.layers[0](x, mask), mask)
        if mask.any():
            steps = (mask.sum(1)[:, None] + torch.arange(3)).clamp(max=x.shape[1] - 1)
            x = x.gather(1, steps[:, :, None].expand(-1, -1, WIDTH))
            mask = mask[:, :3]
        return self.head(self.layers[2](x, mask).sum(1))


class Branching(Masked):
    """Which layer is given the mask depends on a value that the caller sets."""

    other = False

    def forward(self, x, mask):
        x = torch.tanh(self.stem(x))
        x = self.layers[1](self.layers[0](x, mask), mask)
        x = self.layers[3 if self.other else 2](x, mask)
        return self.head(x[:, 0])


SWITCH = [False]


class Switched(Branching):
    """The same, where nothing of the model tells."""

    def forward(self, x, mask):
        self.__dict__["other"] = SWITCH[0]
        found = super().forward(x, mask)
        del self.__dict__["other"]
        return found


class Padded(nn.Module):
    """PyTorch's own encoder with records of different lengths."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 8, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 4), dense(WIDTH, 3)

    def forward(self, x, mask):
        return self.head(self.encoder(x, src_key_padding_mask=mask)[:, 0])
