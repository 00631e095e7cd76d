#!/usr/bin/env python3
"""Makes the cases composed_*: composed models with options that the cases uer_* leave at their defaults.

usage: CASE=<name> UER_PY=<checkout of dbiir/UER-py> make_case.py make_composed.py tests/golden/composed_<name>

Needs PyTorch (the cases in the tree were made with 1.13) and, for all but the packed ones, UER-py at commit 5743050,
whose modules are run as they are. The packed cases are written here with torch's own packed sequences.
"""
import argparse
import os
import sys

import torch
from torch import nn

V = 31
SMALL = {"vocab_size": V, "emb_size": 12, "hidden_size": 12, "dropout": 0.1, "max_seq_length": 16}
TRANSFORMER = {**SMALL, "encoder": "transformer", "layers_num": 2, "heads_num": 3, "feedforward_size": 20,
               "hidden_act": "gelu", "mask": "fully_visible", "embedding": ["word", "pos", "seg"]}
RNN = {**SMALL, "embedding": ["word"], "remove_embedding_layernorm": True, "layers_num": 2}

CASES = {
    "prefix": {**TRANSFORMER, "mask": "causal_with_prefix", "target": ["lm"], "prefix_lm_loss": True,
               "has_lmtarget_bias": True, "label_smoothing": 0.1, "layernorm_positioning": "pre"},
    "t5": {**TRANSFORMER, "embedding": ["word"], "remove_embedding_layernorm": True, "target": ["mlm"],
           "layernorm": "t5", "layernorm_positioning": "pre", "relative_position_embedding": True,
           "relative_attention_buckets_num": 8, "remove_attention_scale": True, "remove_transformer_bias": True,
           "feed_forward": "gated", "hidden_act": "gelu_fast", "attention_head_size": 5, "max_seq_length": 80,
           "tie_weights": True},
    "relative_scaled": {**TRANSFORMER, "embedding": ["word"], "target": ["mlm"], "hidden_act": "silu",
                        "relative_position_embedding": True},
    "realformer": {**TRANSFORMER, "target": ["mlm"], "has_residual_attention": True, "layers_num": 3},
    "realformer_causal": {**TRANSFORMER, "target": ["lm"], "has_residual_attention": True, "mask": "causal",
                          "parameter_sharing": True},
    "sinusoidal": {**TRANSFORMER, "embedding": ["word", "sinusoidalpos"], "target": ["mlm", "cls"], "labels_num": 3,
                   "hidden_act": "relu", "pooling": "first"},
    "rnn_last": {**RNN, "encoder": "rnn", "target": ["cls"], "labels_num": 2, "pooling": "last"},
    "gru_max": {**RNN, "encoder": "gru", "bidirectional": True, "target": ["cls"], "labels_num": 3, "pooling": "max"},
    "lstm_both": {**RNN, "encoder": "lstm", "bidirectional": True, "target": ["mlm"], "emb_size": 10,
                  "hidden_act": "relu"},
    "bigru": {**RNN, "encoder": "bigru", "target": ["cls"], "labels_num": 3, "pooling": "mean"},
    "birnn": {**RNN, "encoder": "birnn", "target": ["bilm"]},
    "packed_lstm": {**RNN, "encoder": "lstm", "target": ["cls"], "num_labels": 3, "pooling": "mean"},
    "packed_bilstm": {**RNN, "encoder": "bilstm", "target": ["cls"], "num_labels": 3, "pooling": "max"},
    "packed_siamese": {**RNN, "encoder": "gru", "bidirectional": True, "target": ["siamese"], "num_labels": 3,
                       "pooling": "last"},
}
NAME = os.environ.get("CASE", "prefix")
CONFIG = CASES[NAME]
CLASS = "Composed" if NAME.startswith("packed_") else "uer.model_builder.build_model"
PAIRS = NAME == "prefix"
LENGTHS = [9, 12, 6]
LONG = NAME == "t5"


def shake(module):
    """Away from zeros and ones, so that every parameter counts."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module


# ---- UER-py ---------------------------------------------------------------------------------------------------------


def segments(lengths):
    seg = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for i, n in enumerate(lengths):
        seg[i, :n] = 1
        if PAIRS:
            seg[i, n // 2:n] = 2
    return seg


class Uer(nn.Module):
    def __init__(self):
        super().__init__()
        root = os.environ["UER_PY"]
        sys.path.insert(0, root)
        os.chdir(root)  # its constants are read from a path relative to this
        from uer.model_builder import build_model
        from uer.opts import model_opts
        parser = argparse.ArgumentParser()
        model_opts(parser)
        args = parser.parse_args([])
        vars(args).update(CONFIG)
        args.decoder = None
        args.data_processor = "x"
        vocab = {"[PAD]": 0, **{f"w{i}": i for i in range(1, V)}}
        args.tokenizer = argparse.Namespace(vocab=vocab)
        model = shake(build_model(args))
        self.embedding, self.encoder, self.target = model.embedding, model.encoder, model.target
        if NAME == "birnn":
            args.hidden_size *= 2  # the target halves it

    def forward(self, src, seg, tgt=None, tgt_mlm=None, tgt_cls=None, tgt_forward=None, tgt_backward=None):
        torch.set_default_dtype(next(self.parameters()).dtype)  # of the zeros that recurrent layers begin with
        emb = self.embedding(src, seg)
        h = self.encoder(emb, seg)
        out = {"embedding": emb, "encoder_output": h}
        names = CONFIG["target"]
        if names == ["bilm"]:
            t, half = self.target.bilm, CONFIG["hidden_size"] // 2
            out["loss_forward"] = t.lm(h[:, :, :half], tgt_forward, seg)[0]
            out["loss_backward"] = t.lm(h[:, :, half:], tgt_backward, seg)[0]
        elif len(names) > 1:
            info = self.target(h, {"mlm": tgt_mlm, "cls": tgt_cls}, seg)
            out["loss_mlm"], out["loss_cls"] = info["mlm"][0], info["cls"][0]
        else:
            info = self.target(h, tgt, seg)
            out["the_loss"], out["correct"] = info[0], info[1].float()
        return out


def uer_loss(out, _):
    return sum(out.pop(k) if k == "the_loss" else out[k]
               for k in list(out) if k == "the_loss" or k.startswith("loss_"))


def build_uer():
    model = Uer()
    lengths = [60, 70, 33] if LONG else LENGTHS
    seg = segments(lengths)
    src = torch.randint(1, V, seg.shape) * (seg > 0)
    inputs = {"src": src, "seg": seg}
    masked = torch.where((torch.rand(seg.shape) < 0.4) & (seg > 0), torch.randint(1, V, seg.shape),
                         torch.zeros_like(seg))
    words = torch.randint(1, V, seg.shape) * (seg > 0)
    classes = torch.randint(0, CONFIG.get("labels_num", 2), (len(lengths),))
    names = CONFIG["target"]
    if names == ["bilm"]:
        inputs.update(tgt_forward=words, tgt_backward=torch.roll(words, 1, 0) * (seg > 0))
    elif len(names) > 1:
        inputs.update(tgt_mlm=masked, tgt_cls=classes)
    else:
        inputs["tgt"] = {"mlm": masked, "lm": words, "cls": classes}[names[0]]
    return model, inputs, uer_loss


# ---- packed ---------------------------------------------------------------------------------------------------------


class Tower(nn.Module):
    """An encoder over packed sequences."""

    def __init__(self):
        super().__init__()
        e, h, n = CONFIG["emb_size"], CONFIG["hidden_size"], CONFIG["layers_num"]
        self.kind = CONFIG["encoder"]
        if self.kind == "bilstm":
            self.rnn_forward = nn.LSTM(e, h // 2, n, batch_first=True)
            self.rnn_backward = nn.LSTM(e, h // 2, n, batch_first=True)
        elif self.kind == "gru":
            self.rnn = nn.GRU(e, h // 2, n, batch_first=True, bidirectional=True)
        else:
            self.rnn = nn.LSTM(e, h, n, batch_first=True)

    @staticmethod
    def run(rnn, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=x.shape[1])[0]

    def forward(self, x, lengths):
        if self.kind != "bilstm":
            return self.run(self.rnn, x, lengths)
        forward = self.run(self.rnn_forward, x, lengths)
        turned = torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths.tolist())])
        backward = self.run(self.rnn_backward, turned, lengths)
        backward = torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(backward, lengths.tolist())])
        return torch.cat([forward, backward], -1)


def pooled(h, lengths):
    real = (torch.arange(h.shape[1])[None] < lengths[:, None])[..., None]
    if CONFIG["pooling"] == "mean":
        return (h * real).sum(1) / lengths[:, None]
    if CONFIG["pooling"] == "max":
        return h.masked_fill(~real, float("-inf")).max(1)[0]
    return h[torch.arange(len(h)), lengths - 1]


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.ModuleDict({"word": nn.ModuleDict({"embedding": nn.Embedding(V, CONFIG["emb_size"])})})
        self.encoder = Tower()
        h, n = CONFIG["hidden_size"], CONFIG["num_labels"]
        if CONFIG["target"] == ["siamese"]:
            self.classifier = nn.Linear(4 * h, n)
        else:
            self.target = nn.ModuleDict({"cls": nn.ModuleDict({"linear_1": nn.Linear(h, h),
                                                               "linear_2": nn.Linear(h, n)})})

    def vector(self, ids, lengths):
        return pooled(self.encoder(self.embedding["word"]["embedding"](ids), lengths), lengths)

    def forward(self, input_ids=None, attention_mask=None, s1_ids=None, s1_lengths=None, s2_ids=None, s2_lengths=None):
        if s1_ids is not None:
            u, v = self.vector(s1_ids, s1_lengths), self.vector(s2_ids, s2_lengths)
            return {"u": u, "v": v, "logits": self.classifier(torch.cat([u, v, (u - v).abs(), u * v], 1))}
        c = self.target["cls"]
        return {"logits": c["linear_2"](torch.tanh(c["linear_1"](self.vector(input_ids, attention_mask.sum(1)))))}


def packed_loss(out, inputs):
    return nn.functional.cross_entropy(out["logits"], inputs["labels"])


def build_packed():
    def ids(lengths):
        mask = segments(lengths)
        return torch.randint(1, V, mask.shape) * mask, mask
    inputs = {"labels": torch.tensor([2, 0, 1])}
    if CONFIG["target"] == ["siamese"]:
        for k, lengths in (("s1", [9, 12, 6]), ("s2", [3, 1, 8])):
            inputs[f"{k}_ids"], inputs[f"{k}_lengths"] = ids(lengths)[0], torch.tensor(lengths)
    else:
        inputs["input_ids"], inputs["attention_mask"] = ids(LENGTHS)
    return shake(Packed()), inputs, packed_loss


def build():
    return build_packed() if NAME.startswith("packed_") else build_uer()
