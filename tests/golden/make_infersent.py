#!/usr/bin/env python3
"""Golden cases for the InferSent encoders that the reference runs left out, computed with NumPy in float64.

Every encoder is written a second time here, row by row and step by step, from the paper and the release's semantics;
gradients are central differences of that. Run in this folder; it writes infersent_<name>/ beside itself.
"""
import json
import os
import struct

import numpy as np

rng = np.random.default_rng(20170502)
B, T, I = 3, 5, 4
LENGTHS = [3, 4, 1]  # no row is as long as T: the padding beyond the longest must not be seen


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(p, x, tail=""):
    """x (T,I) -> outputs (T,D), one sentence."""
    wi, wh = p["enc_lstm.weight_ih_l0" + tail], p["enc_lstm.weight_hh_l0" + tail]
    bias = p["enc_lstm.bias_ih_l0" + tail] + p["enc_lstm.bias_hh_l0" + tail]
    d = wh.shape[1]
    h, c, out = np.zeros(d), np.zeros(d), []
    for step in x:
        a = wi @ step + wh @ h + bias
        c = sigmoid(a[d:2 * d]) * c + sigmoid(a[:d]) * np.tanh(a[2 * d:3 * d])
        h = sigmoid(a[3 * d:]) * np.tanh(c)
        out.append(h)
    return np.array(out)


def gru(p, x):
    wi, wh = p["enc_lstm.weight_ih_l0"], p["enc_lstm.weight_hh_l0"]
    bi, bh = p["enc_lstm.bias_ih_l0"], p["enc_lstm.bias_hh_l0"]
    d = wh.shape[1]
    h = np.zeros(d)
    for step in x:
        a, b = wi @ step + bi, wh @ h + bh
        r, z = sigmoid(a[:d] + b[:d]), sigmoid(a[d:2 * d] + b[d:2 * d])
        h = (1 - z) * np.tanh(a[2 * d:] + r * b[2 * d:]) + z * h
    return h


def blstm(p, x, n, longest):
    """(longest, 2D) with zeros past n."""
    d = p["enc_lstm.weight_hh_l0"].shape[1]
    y = np.zeros((longest, 2 * d))
    y[:n, :d] = lstm(p, x[:n])
    y[:n, d:] = lstm(p, x[:n][::-1], "_reverse")[::-1]
    return y


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def convnet(p, x):
    u = []
    for i in range(1, 5):
        w, b = p["convnet%d.0.weight" % i], p["convnet%d.0.bias" % i]
        padded = np.vstack([np.zeros(x.shape[1]), x, np.zeros(x.shape[1])])
        x = np.array([sum(w[:, :, k] @ padded[t + k] for k in range(3)) + b for t in range(len(x))])
        x = np.maximum(x, 0)
        u.append(x.max(0))
    return np.concatenate(u)


def encode(kind, config, p, sent, lengths):
    """sent (T,B,I) -> (B,width)"""
    longest = max(lengths)
    in_order = sorted(lengths, reverse=True)
    rows = []
    for b, n in enumerate(lengths):
        x = sent[:, b]
        if kind == "LSTMEncoder":
            rows.append(lstm(p, x[:n])[-1])
            continue
        if kind == "GRUEncoder":
            rows.append(gru(p, x[:n]))
            continue
        if kind == "ConvNetEncoder":
            rows.append(convnet(p, x))
            continue
        h = blstm(p, x, n, longest)
        if kind == "InferSent":
            mean = config["pool_type"] == "mean"
            rows.append(h.sum(0) / n if mean else h[: n if config["version"] == 2 else longest].max(0))
        elif kind == "BLSTMprojEncoder":
            h = h @ p["proj_enc.weight"].T
            divisor = n if config.get("fixed") else in_order[b]
            rows.append(h.sum(0) / divisor if config["pool_type"] == "mean" else h.max(0))
        else:
            keys = np.tanh(h @ p["proj_key.weight"].T)
            values = h @ p["proj_lstm.weight"].T
            table = p["query_embedding.weight"]
            views = []
            naacl = kind == "InnerAttentionNAACLEncoder"
            for i in [0] if naacl else range(4) if config.get("fixed") else [0, 1, 1, 1]:
                logits = keys @ table[i] / (2 if naacl else 3)
                logits = np.where(logits == 0, -10000.0 if naacl else -1000.0, logits)
                views.append(softmax(logits / 2 if naacl else logits) @ values)
            rows.append(np.concatenate(views))
    return np.array(rows)


def recurrent_parameters(gates, d, directions):
    p = {}
    for tail in ["", "_reverse"][:directions]:
        p["enc_lstm.weight_ih_l0" + tail] = rng.normal(0, 0.6, (gates * d, I))
        p["enc_lstm.weight_hh_l0" + tail] = rng.normal(0, 0.6, (gates * d, d))
        p["enc_lstm.bias_ih_l0" + tail] = rng.normal(0, 0.3, gates * d)
        p["enc_lstm.bias_hh_l0" + tail] = rng.normal(0, 0.3, gates * d)
    return p


def parameters(kind, config):
    d = config["enc_lstm_dim"]
    w = 2 * d
    if kind == "ConvNetEncoder":
        p = {}
        for i in range(1, 5):
            p["convnet%d.0.weight" % i] = rng.normal(0, 0.5, (w, I if i == 1 else w, 3))
            p["convnet%d.0.bias" % i] = rng.normal(0, 0.3, w)
        return p
    p = recurrent_parameters(3 if kind == "GRUEncoder" else 4, d, 1 if kind in ("LSTMEncoder", "GRUEncoder") else 2)
    if kind == "BLSTMprojEncoder":
        p["proj_enc.weight"] = rng.normal(0, 0.6, (w, w))
    elif kind.startswith("InnerAttention"):
        mila = kind == "InnerAttentionMILAEncoder"
        p["proj_key.weight"] = rng.normal(0, 0.8, (w, w))
        p["proj_lstm.weight"] = rng.normal(0, 0.6, (w, w))
        p["query_embedding.weight"] = rng.normal(0, 1, ((4 if config.get("fixed") else 2) if mila else 1, w))
    return p


def cross_entropy(logits, labels):
    shifted = logits - logits.max(1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels])


def classifier_parameters(sizes, names):
    p = {}
    for (a, b), name in zip(zip(sizes, sizes[1:]), names):
        p["classifier.%s.weight" % name] = rng.normal(0, 0.5 / np.sqrt(a), (b, a))
        p["classifier.%s.bias" % name] = rng.normal(0, 0.3, b)
    return p


def with_prefix(p, prefix):
    return {prefix + k: v for k, v in p.items()}


def without_prefix(p, prefix):
    return {k[len(prefix):]: v for k, v in p.items() if k.startswith(prefix)}


def sentences(n):
    x = rng.normal(0, 1, (T, len(n), I))
    for b, length in enumerate(n):
        x[length:, b] = 0
    return x


def write_safetensors(path, tensors):
    kinds = {"float32": "F32", "int64": "I64"}
    header, blobs, at = {}, [], 0
    for name in sorted(tensors):
        t = np.ascontiguousarray(tensors[name])
        header[name] = {"dtype": kinds[str(t.dtype)], "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        blobs.append(t.tobytes())
        at += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def differences(p, run):
    """d run(p)["loss"] / d p, by central differences."""
    grads, eps = {}, 1e-6
    for name, value in p.items():
        grad = np.zeros_like(value)
        for i in range(value.size):
            old = value.flat[i]
            value.flat[i] = old + eps
            up = run(p)["loss"]
            value.flat[i] = old - eps
            down = run(p)["loss"]
            value.flat[i] = old
            grad.flat[i] = (up - down) / (2 * eps)
        grads["grad." + name] = grad
    return grads


def write_case(name, cls, config, p, inputs, run, notes):
    # the model in the file is f32: round first, compute afterwards
    p = {k: v.astype(np.float32).astype(np.float64) for k, v in p.items()}
    expected = run(p)
    expected.update(differences(p, run))
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "infersent_" + name)
    os.makedirs(folder, exist_ok=True)
    f32 = lambda d: {k: np.asarray(v, np.float32) for k, v in d.items()}
    write_safetensors(os.path.join(folder, "model.safetensors"), f32(p))
    write_safetensors(os.path.join(folder, "inputs.safetensors"),
                      {k: np.asarray(v, np.int64 if np.asarray(v).dtype.kind == "i" else np.float32)
                       for k, v in inputs.items()})
    write_safetensors(os.path.join(folder, "expected.safetensors"), f32(expected))
    meta = {"source_repo": "NumPy in float64: tests/golden/make_infersent.py", "class": cls, "notes": notes,
            "tolerance": {"rtol": 1e-4, "scale_rtol": 2e-5, "atol": 1e-6}}
    for file, content in (("config.json", config), ("meta.json", meta)):
        with open(os.path.join(folder, file), "w") as f:
            json.dump(content, f, indent=1, sort_keys=True)
            f.write("\n")


def rounded(x):
    return x.astype(np.float32).astype(np.float64)


def encoder_case(name, cls, notes, **options):
    config = {"bsize": 4, "dpout_model": 0.0, "enc_lstm_dim": 3, "pool_type": "max", "version": 1, "word_emb_dim": I}
    config.update(options)
    sent = rounded(sentences(LENGTHS))
    p = parameters(cls, config)
    weight = rounded(rng.normal(0, 1, encode(cls, config, p, sent, LENGTHS).shape))

    def run(q):
        u = encode(cls, config, q, sent, LENGTHS)
        return {"embedding": u, "loss": np.sum(u * weight)}

    inputs = {"sent": sent, "lengths": np.array(LENGTHS), "loss_weight": weight}
    write_case(name, cls, config, p, inputs, run, notes)


def nli_case(name, encoder, width, **options):
    config = {"bsize": 4, "dpout_model": 0.0, "dpout_fc": 0.0, "enc_lstm_dim": 2, "pool_type": "max", "version": 1,
              "word_emb_dim": I, "encoder_type": encoder, "fc_dim": 5, "n_classes": 3, "nonlinear_fc": 0}
    config.update(options)
    other = [2, 5, 3]
    s1, s2, labels = rounded(sentences(LENGTHS)), rounded(sentences(other)), np.array([2, 0, 1])
    names = [1, 4, 7] if config["nonlinear_fc"] else [0, 1, 2]
    p = with_prefix(parameters(encoder, config), "encoder.")
    p.update(classifier_parameters([4 * width * config["enc_lstm_dim"], 5, 5, 3], names))

    def run(q):
        e = without_prefix(q, "encoder.")
        u, v = encode(encoder, config, e, s1, LENGTHS), encode(encoder, config, e, s2, other)
        x = np.concatenate([u, v, np.abs(u - v), u * v], 1)
        for i, n in enumerate(names):
            x = np.tanh(x) if i and config["nonlinear_fc"] else x
            x = x @ q["classifier.%d.weight" % n].T + q["classifier.%d.bias" % n]
        return {"u": u, "v": v, "logits": x, "loss": cross_entropy(x, labels)}

    inputs = {"s1": s1, "s1_lengths": np.array(LENGTHS), "s2": s2, "s2_lengths": np.array(other), "labels": labels}
    write_case(name, "NLINet", config, p, inputs, run, "classifier on " + encoder)


def classification_case():
    config = {"bsize": 4, "dpout_model": 0.0, "dpout_fc": 0.0, "enc_lstm_dim": 1, "pool_type": "max", "version": 2,
              "word_emb_dim": I, "encoder_type": "InferSent", "fc_dim": 5, "n_classes": 2, "nonlinear_fc": 0}
    sent, labels = rounded(sentences(LENGTHS)), np.array([1, 0, 1])
    p = with_prefix(parameters("InferSent", config), "encoder.")
    p.update(classifier_parameters([2, 512, 2], [0, 1]))

    def run(q):
        u = encode("InferSent", config, without_prefix(q, "encoder."), sent, LENGTHS)
        x = u
        for n in range(2):
            x = x @ q["classifier.%d.weight" % n].T + q["classifier.%d.bias" % n]
        return {"embedding": u, "logits": x, "loss": cross_entropy(x, labels)}

    inputs = {"sent": sent, "lengths": np.array(LENGTHS), "labels": labels}
    write_case("classification", "ClassificationNet", config, p, inputs, run, "one sentence, two linear layers")


encoder_case("lstm_last", "LSTMEncoder", "last state")
encoder_case("gru_last", "GRUEncoder", "last state")
encoder_case("mean", "InferSent", "sum over time divided by the length", pool_type="mean")
encoder_case("v1_long_padding", "InferSent", "max up to the longest sentence: padding beyond it is not seen")
encoder_case("blstmproj_mean", "BLSTMprojEncoder", "row b divided by the b-th largest length", pool_type="mean")
encoder_case("blstmproj_mean_fixed", "BLSTMprojEncoder", "row b divided by its length", pool_type="mean", fixed=True)
encoder_case("naacl", "InnerAttentionNAACLEncoder", "one query, temperature 2 twice")
encoder_case("mila", "InnerAttentionMILAEncoder", "four views, queries 0 1 1 1 of a table of two")
encoder_case("mila_fixed", "InnerAttentionMILAEncoder", "four views, four queries", fixed=True)
nli_case("nlinet_convnet", "ConvNetEncoder", 8, nonlinear_fc=1)
nli_case("nlinet_lstm", "LSTMEncoder", 1)
classification_case()
