#!/usr/bin/env python3
"""Makes the cases optim_torch_*: rules of torch.optim with options that the other cases leave at their defaults.

usage: make_optim_cases.py FOLDER     (needs PyTorch; the cases in the tree were made with 1.13)
"""
import json
import os
import struct
import sys

import torch

SHAPES = {"w": (7, 5), "bias": (5,), "conv": (4, 3, 6), "zero": (3, 4)}
AFTER = [1, 2, 3, 6, 12]
CASES = {
    "sgd_dampening": (torch.optim.SGD, dict(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.02)),
    "sgd_nesterov_decay": (torch.optim.SGD, dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.02)),
    "adam_l2": (torch.optim.Adam, dict(lr=0.01, betas=[0.8, 0.95], eps=1e-3, weight_decay=0.05)),
    "adamw_amsgrad": (torch.optim.AdamW, dict(lr=0.01, weight_decay=0.05, amsgrad=True)),
    "adamax_l2": (torch.optim.Adamax, dict(lr=0.01, betas=[0.8, 0.95], weight_decay=0.05)),
    "adagrad_decay": (torch.optim.Adagrad, dict(lr=0.1, lr_decay=0.2, initial_accumulator_value=0.5,
                                                weight_decay=0.03)),
    "adadelta_l2": (torch.optim.Adadelta, dict(lr=0.7, rho=0.8, eps=1e-4, weight_decay=0.03)),
    "rmsprop_centered": (torch.optim.RMSprop, dict(lr=0.01, alpha=0.9, centered=True, momentum=0.7,
                                                   weight_decay=0.03)),
    "asgd": (torch.optim.ASGD, dict(lr=0.05, lambd=0.1, alpha=0.6, t0=3, weight_decay=0.03)),
}


def write(path, tensors):
    header, body = {}, b""
    for name, t in tensors.items():
        raw = struct.pack("<%df" % t.numel(), *t.detach().reshape(-1).tolist())
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def main():
    for name, (cls, options) in CASES.items():
        torch.manual_seed(7)
        params = {k: torch.nn.Parameter(torch.randn(s)) for k, s in SHAPES.items()}
        grads = {k: torch.randn((12,) + s) * (0 if k == "zero" else 1) for k, s in SHAPES.items()}
        folder = os.path.join(sys.argv[1], "optim_torch_" + name)
        os.makedirs(folder, exist_ok=True)
        write(folder + "/model.safetensors", {k: p.clone() for k, p in params.items()})
        write(folder + "/inputs.safetensors", {"grad." + k: g for k, g in grads.items()})
        optimizer, expected = cls(list(params.values()), **options), {}
        for t in range(1, 13):
            for k, p in params.items():
                p.grad = grads[k][t - 1].clone()
            optimizer.step()
            for k, p in params.items() if t in AFTER else ():
                expected["step%d.%s" % (t, k)] = p.clone()
        if cls is torch.optim.ASGD:
            expected.update({"mean." + k: optimizer.state[p]["ax"].clone() for k, p in params.items()})
        write(folder + "/expected.safetensors", expected)
        with open(folder + "/meta.json", "w") as f:
            json.dump({"kind": "optimizer", "torch": torch.__version__, "source_repo": "torch.optim",
                       "tolerance": {"rtol": 1e-5, "scale_rtol": 2e-6, "atol": 1e-7},
                       "optimizer": dict(options, cls=cls.__name__)}, f, indent=1)
            f.write("\n")


main()
