"""A small BERT written in torch, under the names of BertModel, for trying tools/make_case.py."""
import math

import torch
from torch import nn

CLASS = "BertModel"
CONFIG = {
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 3, "intermediate_size": 40, "max_position_embeddings": 16, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0, "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


class Part(nn.Module):
    """A holder of named children, for checkpoint names with dots."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, f, eps = c["hidden_size"], c["intermediate_size"], c["layer_norm_eps"]
        own = Part(query=nn.Linear(h, h), key=nn.Linear(h, h), value=nn.Linear(h, h))
        self.heads = c["num_attention_heads"]
        self.add_module("attention", Part(output=Part(dense=nn.Linear(h, h), LayerNorm=nn.LayerNorm(h, eps))))
        self.attention.add_module("self", own)
        self.intermediate = Part(dense=nn.Linear(h, f))
        self.output = Part(dense=nn.Linear(f, h), LayerNorm=nn.LayerNorm(h, eps))

    def forward(self, x, bias):
        b, t, h = x.shape
        own = getattr(self.attention, "self")

        def split(y):
            return y.view(b, t, self.heads, h // self.heads).transpose(1, 2)

        q, k, v = split(own.query(x)), split(own.key(x)), split(own.value(x))
        p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(h // self.heads) + bias, -1)
        a = self.attention.output.dense((p @ v).transpose(1, 2).reshape(b, t, h))
        x = self.attention.output.LayerNorm(x + a)
        y = self.output.dense(nn.functional.gelu(self.intermediate.dense(x)))
        return self.output.LayerNorm(x + y)


class TinyBert(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.embeddings = Part(
            word_embeddings=nn.Embedding(c["vocab_size"], h, padding_idx=0),
            position_embeddings=nn.Embedding(c["max_position_embeddings"], h),
            token_type_embeddings=nn.Embedding(c["type_vocab_size"], h),
            LayerNorm=nn.LayerNorm(h, c["layer_norm_eps"]),
        )
        self.encoder = Part(layer=nn.ModuleList([Layer(c) for _ in range(c["num_hidden_layers"])]))
        self.pooler = Part(dense=nn.Linear(h, h))

    def forward(self, input_ids, attention_mask, token_type_ids):
        e = self.embeddings
        x = e.word_embeddings(input_ids) + e.position_embeddings.weight[: input_ids.shape[1]]
        x = e.LayerNorm(x + e.token_type_embeddings(token_type_ids))
        bias = (1 - attention_mask[:, None, None, :].to(x.dtype)) * -1e30
        states = [x]
        for layer in self.encoder.layer:
            states.append(layer(states[-1], bias))
        pooled = torch.tanh(self.pooler.dense(states[-1][:, 0]))
        return {"last_hidden_state": states[-1], "pooler_output": pooled, "hidden_states": states}


def build():
    mask = torch.ones(3, 9, dtype=torch.int64)
    mask[1, 6:] = 0
    inputs = {
        "input_ids": torch.randint(1, CONFIG["vocab_size"], (3, 9)) * mask,
        "attention_mask": mask,
        "token_type_ids": torch.randint(0, 2, (3, 9)),
    }
    return TinyBert(CONFIG), inputs, {"last_hidden_state": "loss_weight", "pooler_output": "loss_weight_pooled"}
