#!/usr/bin/env python3
"""Makes a golden case from a PyTorch model of your own, so that `aesop parity CASE_DIR` can compare a port with it.

You write a Python file with a function build():

    import torch

    CLASS = "BertModel"               # the row of `aesop list models` that is the port
    CONFIG = {"hidden_size": 32, ...} # written to config.json for it

    def build():
        module = MyBert(CONFIG)
        inputs = {"input_ids": torch.randint(1, 100, (2, 9)), "attention_mask": torch.ones(2, 9, dtype=torch.int64)}
        return module, inputs, {"last_hidden_state": "loss_weight"}

and run

    make_case.py my_bert.py CASE_DIR
    aesop parity CASE_DIR

build() is called after the seed is set and returns three things:

module   a torch.nn.Module. Its parameters' names are the names in the case, so they must be those of the checkpoints
         that the port reads. It is put into eval mode: no dropout.
inputs   {name: tensor}. Those that module.forward has a parameter for are given to it; the others (labels, weights of
         the loss) are stored for the loss. Floats must be float32.
loss     one of
         - a function loss(outputs, inputs) that returns a tensor of one element;
         - {output: weight}: the loss is the sum over these outputs of sum(output * weight), where each weight is a
           random tensor stored among the inputs under the name given here, zero in rows (B,T) where attention_mask is 0. It
           reaches every element of the output, which a mean or a cross-entropy may not;
         - None: no loss and no gradients.

What forward returns names the outputs: a dict (or anything with items()) by its keys; a tensor is "output", a tuple
"output.0", "output.1", ... A tuple or list inside a dict, such as hidden_states, becomes hidden_states.0, ...

CASE_DIR gets config.json, model.safetensors (a tensor that has several names is stored under its first one; meta.json
lists the groups), inputs.safetensors, expected.safetensors (outputs, loss, grad.<parameter>; zeros for a parameter that
the loss does not reach) and meta.json. Then two checks run: the files alone must reproduce the outputs to the bit, in a
module built anew from another seed; and a run in float64 says how much of the tolerance the rounding of the reference
itself takes, which should be well below 1.

Exit status: 0 made; 1 made, but a check failed; 2 usage, or a file that cannot be used.
"""
import argparse
import importlib.util
import inspect
import json
import os
import struct
import sys

TOLERANCE = {"rtol": 1e-4, "scale_rtol": 2e-5, "atol": 1e-6}
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class Unusable(Exception):
    """What the user must be told; the message is all there is to say."""


# ---- safetensors ----------------------------------------------------------------------------------------------------


def write_safetensors(path, tensors):
    """Writes {name: (dtype, shape, bytes)}: widest dtype first, so that every tensor is aligned."""
    header, blocks, at = {}, [], 0
    for name, (dtype, shape, data) in sorted(tensors.items(), key=lambda item: -WIDTHS[item[1][0]]):
        count = 1
        for extent in shape:
            count *= extent
        if len(data) != count * WIDTHS[dtype]:
            raise Unusable(f"{path}: {name} {list(shape)} of {dtype} must have {count * WIDTHS[dtype]} bytes, "
                           f"it has {len(data)}")
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        blocks.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for data in blocks:
            f.write(data)


def read_safetensors(path):
    """{name: (dtype, shape, bytes)} of a file that write_safetensors made."""
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    return {name: (t["dtype"], tuple(t["shape"]), data[t["data_offsets"][0] : t["data_offsets"][1]])
            for name, t in header.items()}


# ---- torch ----------------------------------------------------------------------------------------------------------


def import_torch():
    try:
        import torch
    except ImportError as e:
        raise Unusable(f"PyTorch is needed and cannot be imported ({e}); on Debian: apt install python3-torch, "
                       "elsewhere: pip install torch; then run this with the python3 that has it") from e
    return torch


def dtype_names(torch):
    return {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64", torch.int32: "I32", torch.int16: "I16",
            torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}


def pack(torch, tensors):
    """Torch tensors as write_safetensors takes them."""
    names = dtype_names(torch)
    result = {}
    for name, t in tensors.items():
        if t.dtype not in names:
            raise Unusable(f"{name} is {t.dtype}; cast it to float32, an integer or bool")
        t = t.detach().contiguous()
        result[name] = (names[t.dtype], tuple(t.shape), t.numpy().tobytes())
    return result


def unpack(torch, tensors):
    dtypes = {name: dtype for dtype, name in dtype_names(torch).items()}
    result = {}
    for name, (dtype, shape, data) in tensors.items():
        flat = torch.frombuffer(bytearray(data), dtype=dtypes[dtype]) if data else torch.empty(0, dtype=dtypes[dtype])
        result[name] = flat.reshape(shape).clone()
    return result


# ---- the user's file ------------------------------------------------------------------------------------------------


def load_user_file(path):
    if not os.path.isfile(path):
        raise Unusable(f"{path}: there is no such file")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("user_model", path)
    if spec is None:
        raise Unusable(f"{path}: its name must end in .py")
    user = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(user)
    if not callable(getattr(user, "build", None)):
        raise Unusable(f"{path}: it must define build(), which returns (module, inputs, loss); see --help")
    return user


def check_built(torch, path, built):
    if not isinstance(built, tuple) or len(built) != 3:
        raise Unusable(f"{path}: build() must return (module, inputs, loss); see --help")
    module, inputs, loss = built
    if not isinstance(module, torch.nn.Module):
        raise Unusable(f"{path}: the first thing that build() returns is a {type(module).__name__}; it must be a "
                       "torch.nn.Module")
    if not isinstance(inputs, dict) or not inputs:
        raise Unusable(f"{path}: the second thing that build() returns must be a dict of input tensors")
    for name, t in inputs.items():
        if not isinstance(t, torch.Tensor):
            raise Unusable(f"{path}: the input {name} is a {type(t).__name__}; it must be a tensor")
    if not (loss is None or callable(loss) or isinstance(loss, dict)):
        raise Unusable(f"{path}: the third thing that build() returns must be a function, a dict {{output: weight}} or "
                       "None")
    return module, dict(inputs), loss


def build(torch, user, path, seed):
    torch.manual_seed(seed)
    module, inputs, loss = check_built(torch, path, user.build())
    return module.eval(), inputs, loss


# ---- running --------------------------------------------------------------------------------------------------------


def flatten(torch, path, value):
    """{name: tensor} of what forward returned."""
    if isinstance(value, torch.Tensor):
        return {"output": value}
    if isinstance(value, (tuple, list)):
        value = {"output": value}
    if not hasattr(value, "items"):
        raise Unusable(f"{path}: forward returned a {type(value).__name__}; it must be a tensor, a tuple or a dict")
    outputs = {}
    for name, part in value.items():
        if isinstance(part, torch.Tensor):
            outputs[name] = part
        elif isinstance(part, (tuple, list)) and all(isinstance(t, torch.Tensor) for t in part):
            outputs.update({f"{name}.{i}": t for i, t in enumerate(part)})
        elif part is not None:
            raise Unusable(f"{path}: the output {name} is a {type(part).__name__}; it must be a tensor or a tuple of "
                           "them")
    return outputs


def call(torch, path, module, inputs):
    parameters = inspect.signature(module.forward).parameters
    anything = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    given = {name: t for name, t in inputs.items() if anything or name in parameters}
    if not given:
        raise Unusable(f"{path}: forward({', '.join(parameters)}) has none of the inputs {', '.join(inputs)}")
    return flatten(torch, path, module(**given))


def draw_probes(torch, path, outputs, inputs, loss, seed):
    """The random weights of a loss {output: weight}, added to inputs."""
    generator = torch.Generator().manual_seed(seed + 1)
    for output, weight in loss.items() if isinstance(loss, dict) else ():
        if output not in outputs:
            raise Unusable(f"{path}: the loss names the output {output}; there are {', '.join(outputs)}")
        if weight not in inputs:
            inputs[weight] = torch.randn(outputs[output].shape, generator=generator)
            mask = inputs.get("attention_mask")
            if mask is not None and mask.shape == inputs[weight].shape[:2]:
                inputs[weight][mask == 0] = 0


def loss_of(torch, path, outputs, inputs, loss):
    if loss is None:
        return None
    if isinstance(loss, dict):
        return sum((outputs[output] * inputs[weight]).sum() for output, weight in loss.items())
    value = loss(outputs, inputs)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise Unusable(f"{path}: the loss must be a tensor of one element; it is {value!r:.80}")
    return value


def run(torch, path, module, inputs, loss):
    """Everything expected: outputs, loss, gradients; and the parameters that the loss does not reach."""
    module.zero_grad(set_to_none=True)
    outputs = call(torch, path, module, inputs)
    value = loss_of(torch, path, outputs, inputs, loss)
    expected = dict(outputs)
    unreached = []
    if value is not None:
        value.backward()
        expected["loss"] = value.reshape(())
        for name, p in module.named_parameters():
            if p.grad is None:
                unreached.append(name)
            expected[f"grad.{name}"] = torch.zeros_like(p) if p.grad is None else p.grad
    return {name: t.detach().clone() for name, t in expected.items()}, unreached


# ---- names ----------------------------------------------------------------------------------------------------------


def weights_of(module):
    """The tensors of the state dict, each under its first name, and the groups of names that share one."""
    first, groups, weights = {}, {}, {}
    for name, t in module.state_dict(keep_vars=True).items():
        key = (t.data_ptr(), tuple(t.shape), tuple(t.stride())) if t.numel() else name
        if key in first:
            groups.setdefault(first[key], [first[key]]).append(name)
        else:
            first[key] = name
            weights[name] = t.detach()
    return weights, list(groups.values())


def padding_indices(torch, module):
    return {name: m.padding_idx for name, m in module.named_modules()
            if isinstance(m, torch.nn.Embedding) and m.padding_idx is not None}


def padded_rows(inputs, expected):
    mask = inputs.get("attention_mask")
    if mask is None or mask.dim() != 2 or bool(mask.bool().all()):
        return None
    tensors = [name for name, t in expected.items()
               if not name.startswith("grad.") and t.dim() >= 2 and t.shape[:2] == mask.shape]
    return {"mask": "attention_mask", "tensors": tensors, "note": "rows where the mask is 0 are not compared"}


# ---- checks ---------------------------------------------------------------------------------------------------------


def reload_check(torch, user, path, case_dir, seed, expected):
    """Runs a module that knows nothing but the files; the name of the first tensor that differs, or None."""
    module, _, loss = build(torch, user, path, seed + 12345)
    state = unpack(torch, read_safetensors(os.path.join(case_dir, "model.safetensors")))
    inputs = unpack(torch, read_safetensors(os.path.join(case_dir, "inputs.safetensors")))
    with open(os.path.join(case_dir, "meta.json"), encoding="utf-8") as f:
        for group in json.load(f)["tied"]:
            state.update({name: state[group[0]] for name in group[1:]})
    module.load_state_dict(state)
    again, _ = run(torch, path, module, inputs, loss)
    for name, t in expected.items():
        if name not in again or not torch.equal(t, again[name]):
            return name
    return None


def float64_check(torch, path, module, inputs, loss, expected):
    """How much of the tolerance the rounding of float32 takes, at worst, and in which tensor."""
    wide = {name: t.double() if t.is_floating_point() else t for name, t in inputs.items()}
    truth, _ = run(torch, path, module.double(), wide, loss)
    worst, where = 0.0, None
    for name, want in truth.items():
        if not want.is_floating_point() or not want.numel():
            continue
        allowed = TOLERANCE["atol"] + TOLERANCE["rtol"] * want.abs() + TOLERANCE["scale_rtol"] * want.abs().max()
        fraction = float(((expected[name].double() - want).abs() / allowed).max())
        if fraction > worst or where is None:
            worst, where = fraction, name
    return {"worst_fraction_of_tolerance": round(worst, 4), "tensor": where}


# ---- the case -------------------------------------------------------------------------------------------------------


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def describe_loss(loss):
    if isinstance(loss, dict):
        return " + ".join(f"sum({output} * {weight})" for output, weight in loss.items())
    return "none" if loss is None else f"{loss.__name__}(outputs, inputs)"


def make_case(path, case_dir, seed, class_name):
    torch = import_torch()
    torch.set_num_threads(1)
    user = load_user_file(path)
    class_name = class_name or getattr(user, "CLASS", None)
    if not class_name:
        raise Unusable(f"{path}: it must define CLASS, the model's name in `aesop list models` (or give --class)")
    module, inputs, loss = build(torch, user, path, seed)
    with torch.no_grad():
        draw_probes(torch, path, call(torch, path, module, inputs), inputs, loss, seed)
    expected, unreached = run(torch, path, module, inputs, loss)
    weights, tied = weights_of(module)
    rows = padded_rows(inputs, expected)
    meta = {
        "class": class_name, "torch": torch.__version__, "seed": seed, "loss": describe_loss(loss),
        "inputs": {name: [list(t.shape), str(t.dtype).replace("torch.", "")] for name, t in inputs.items()},
        "mode": "eval (dropout off); grad.* after loss.backward() from zero grads",
        "grad_none_stored_as_zeros": unreached, "tied": tied, "tolerance": TOLERANCE,
        "tolerance_rule": "|a-b| <= atol + rtol*|b| + scale_rtol*max|b| elementwise",
        "embedding_padding_idx": padding_indices(torch, module),
    }
    if rows:
        meta["padded_rows"] = rows
    os.makedirs(case_dir, exist_ok=True)
    meta_path = os.path.join(case_dir, "meta.json")
    write_json(os.path.join(case_dir, "config.json"), getattr(user, "CONFIG", {}))
    write_safetensors(os.path.join(case_dir, "model.safetensors"), pack(torch, weights))
    write_safetensors(os.path.join(case_dir, "inputs.safetensors"), pack(torch, inputs))
    write_safetensors(os.path.join(case_dir, "expected.safetensors"), pack(torch, expected))
    write_json(meta_path, meta)
    differs = reload_check(torch, user, path, case_dir, seed, expected)
    meta["reload_check"] = f"{differs} differs" if differs else "ok"
    meta["float64_check"] = float64_check(torch, path, module, inputs, loss, expected)
    write_json(meta_path, meta)
    return report(case_dir, meta, len(weights), len(expected))


def report(case_dir, meta, weights, expected):
    check = meta["float64_check"]
    print(f"{case_dir}: {weights} weights, {expected} expected tensors; the reference's own rounding takes "
          f"{100 * check['worst_fraction_of_tolerance']:.1f} % of the tolerance ({check['tensor']})")
    if meta["reload_check"] != "ok":
        print(f"make_case: the files do not reproduce the case: {meta['reload_check']}; does build() draw something "
              "that is neither a parameter, nor a buffer, nor an input?", file=sys.stderr)
        return 1
    if check["worst_fraction_of_tolerance"] > 1:
        print("make_case: rounding alone exceeds the tolerance; use smaller weights or sizes", file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(prog="make_case.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE.py", help="your file with build()")
    parser.add_argument("case_dir", metavar="CASE_DIR", help="the folder to write; files of an older case are replaced")
    parser.add_argument("--seed", type=int, default=1, help="of everything that build() draws (1)")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="instead of CLASS in the file")
    args = parser.parse_args()
    try:
        return make_case(args.file, args.case_dir, args.seed, args.class_name)
    except Unusable as e:
        print(f"make_case: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
