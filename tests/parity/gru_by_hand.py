"""LRP of a GRU in NumPy: h' = z ⊙ h + (1 − z) ⊙ n, n = tanh(Wx + r ⊙ Uh)."""

import numpy as np

R = np.random.default_rng(1)
STEPS, INPUTS, UNITS = 4, 3, 4
# of the gates z, r and of n
W, U = R.normal(size=(INPUTS, 3 * UNITS)), R.normal(size=(UNITS, 3 * UNITS))
V, B = R.normal(size=(UNITS, 2)), R.normal(size=3 * UNITS)
X = R.normal(size=(2, STEPS, INPUTS))
EPS = 1e-6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def stab(z):
    return z + EPS * np.where(z >= 0, 1, -1)


def by_hand(x, share):
    """One record's relevance for class 0: `share` is what a signal gets of a product's.

    Gates get the rest: z of both products, by itself and by 1 − z.
    """
    h, kept = np.zeros(UNITS), []
    for t in range(STEPS):
        own, past = x[t] @ W + B, h @ U
        z, r = sigmoid((own + past)[: 2 * UNITS]).reshape(2, UNITS)
        through = r * past[2 * UNITS :]
        n = np.tanh(own[2 * UNITS :] + through)
        new = z * h + (1 - z) * n
        kept.append((x[t], h, own, past, z, through, n, new))
        h = new
    y = h @ V
    r_h = h * V[:, 0] * y[0] / stab(y)[0]
    found = np.zeros_like(x)
    for t in reversed(range(STEPS)):
        x_t, h, own, past, z, through, n, new = kept[t]
        r_old, r_new = z * h * r_h / stab(new), (1 - z) * n * r_h / stab(new)
        r_z, r_n = (1 - share) * (r_old + r_new), share * r_new
        sums = own[2 * UNITS :] + through
        r_own, r_through = own[2 * UNITS :] * r_n / stab(sums), through * r_n / stab(sums)
        r_gates = np.concatenate([r_z, (1 - share) * r_through])
        gates = (own + past)[: 2 * UNITS]
        # of the state at first, zeros, nothing depends on the source: there is no sum of two
        into = r_gates / (stab(gates) if t else gates)
        r_sum = np.concatenate([own[: 2 * UNITS] * into, r_own])
        r_past = np.concatenate([past[: 2 * UNITS] * into, share * r_through])
        found[t] = x_t * (W @ (r_sum / stab(own)))
        r_h = share * r_old + h * (U @ (r_past / stab(past)))
    return found
