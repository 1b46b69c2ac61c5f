"""A random network: how it begins, what is in the middle, and how it ends."""

import dataclasses

from networks import Maker, Network


def beginning(maker):
    """The first argument."""
    kind = maker.one(("vec", "vec", "seq", "img", "ids"))
    if kind == "vec":
        form = ("vec", maker.between(3, 6))
    elif kind == "img":
        form = ("img", maker.between(1, 3), maker.between(4, 6), maker.between(4, 6))
    else:
        form = ("seq", maker.between(3, 5), 2 * maker.between(1, 2))
    if kind == "ids":
        _, t, d = form
        keyword = maker.chance(0.2)
        maker.now = maker.argument("ids", (t,), size=7, keyword=keyword)
        maker.forms[maker.now] = ("ids",)
        maker.add("embedding", form, layer=True, n=7, d=d)
    else:
        maker.now = maker.argument("float", form[1:], keyword=maker.chance(0.15))
        maker.forms[maker.now] = form
    if form[0] == "seq" and maker.chance(0.5):
        maker.argument("mask", form[1:2], keyword=True)
    if kind == "vec" and maker.can.overwrites and maker.chance(0.04):
        maker.add("scale", form, by=0.5, over=True)  # it writes into its argument


def middle(maker, n):
    """Some steps of any kind."""
    anywhere = ["project", "activate", "activate", "normalise", "drop", "residual", "dense"]
    anywhere += ["branches", "twice", "scale", "block", "block"]
    own = {
        "vec": ["side", "side"],
        "seq": ["of_sequences", "of_sequences", "of_sequences"],
        "img": ["pool", "stride", "project"],
    }
    for _ in range(n):
        getattr(maker, maker.one(anywhere + own[maker.form[0]] * 2))()


def ending(maker):
    """The last layers, and how the network returns its values."""
    kind = maker.form[0]
    if kind == "seq" and maker.chance(0.12):
        return detector(maker)
    stays = kind != "vec" and maker.chance(0.35)
    if not stays:
        maker.flat()
        if maker.chance(0.35):
            middle(maker, maker.between(1, 2))
    features = maker.now
    maker.keep()
    width = 1 if maker.form[0] == "vec" and maker.chance(0.2) else maker.between(2, 5)
    maker.project(width)
    node = maker.nodes[-1]
    maker.nodes[-1] = dataclasses.replace(node, layer="logits")
    how = maker.one(("tensor", "tensor", "tensor", "tuple", "dict", "names"))
    if how == "tensor":
        return "tensor", (maker.now,)
    if how == "tuple":
        return "tuple", (maker.now, features)
    names = ("logits", "features") if how == "dict" else ("scores", "rest")
    return names, (maker.now, features)


def detector(maker):
    """Scores and boxes."""
    here = maker.now
    maker.keep()
    _, t, _ = maker.form
    maker.add("linear", ("seq", t, 3), (here,), layer="logits", i=maker.width, o=3)
    scores, maker.now = maker.now, here
    maker.add("linear", ("seq", t, 4), (here,), layer=True, i=maker.width, o=4)
    maker.add("act", ("seq", t, 4), act="softplus", over=False)  # sizes are positive
    return ("scores", "boxes"), (scores, maker.now)


def network(rng, abilities):
    """A random network."""
    maker = Maker(rng, abilities)
    beginning(maker)
    middle(maker, maker.between(1, 4))
    if maker.chance(0.03):
        maker.centre()
    output, gives = ending(maker)
    # a value that nobody reads again is no argument's
    given = sorted(maker.arguments, key=lambda a: a.keyword)
    functional = maker.chance(0.3) and maker.can.functional(given)
    return Network(tuple(given), tuple(maker.nodes), output, gives, maker.mixes, functional)
