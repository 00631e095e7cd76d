#!/usr/bin/env python3
"""What tools/bench-peers runs in other programs: the same steps, encodings and words, written plainly from the papers.

    python3 tools/bench_peers.py about torch|onnx|quantizer
    python3 tools/bench_peers.py torch ROW PRECISION STEPS THREADS [BATCH SEQ]
    python3 tools/bench_peers.py torch generate PRECISION STEPS THREADS BATCH SEQ [MODEL]
    python3 tools/bench_peers.py torch|onnx encode PRECISION RUNS THREADS LENGTHS [MODEL]

ROW is a key of ROWS below. PRECISION is f32 or bf16 (autocast; generate keeps its weights in bf16), and for encode and
generate int8: the dynamic quantisation of linear layers that the engine brings. Prints one line: tokens a second
(encode: sequences) by the median step, and the peak of resident memory in GiB. BERT: Devlin et al. 2019; GPT-2: Radford
et al. 2019; InferSent: Conneau et al. 2017. Dropout as in aesop's recipes, AdamW with decay and clipping at 1, masked
positions gathered before the projection on the vocabulary; scaled_dot_product_attention and the fused AdamW where this
PyTorch has them. Generation keeps keys and values in room made beforehand, and takes the likeliest word.
"""
import contextlib
import inspect
import os
import re
import resource
import statistics
import sys
import time

ROWS = {  # family, layers, width, heads, vocabulary, dropout, batch, tokens
    'bert-base': ('bert', 12, 768, 12, 30522, 0.1, 32, 128),
    'bert-mini': ('bert', 4, 256, 4, 30522, 0.1, 32, 128),
    'bert-tiny': ('bert', 2, 128, 2, 30522, 0.1, 32, 128),
    'gpt2': ('gpt2', 12, 768, 12, 50257, 0.1, 8, 256),
    'nanogpt': ('gpt2', 4, 128, 4, 65, 0.0, 12, 64),
    'infersent': ('infersent', 1, 2048, 1, 300, 0.0, 64, 40),
}
POSITIONS = {'bert': 512, 'gpt2': 1024}
# On two cores steps of small models were up to seven times slower with it.
OWN_THREADS = (' (with threads beside PyTorch\'s, which slows small models down several times: '
               'Debian\'s libopenblas0-openmp shares them)')


def blas():
    """The linear algebra library that is really loaded, by its file, and whether it brings threads of its own."""
    try:
        with open('/proc/self/maps', encoding='utf-8') as maps:
            files = {os.path.realpath(line.split()[-1]) for line in maps if '/' in line}
    except OSError:
        return 'BLAS unknown'
    names = sorted(os.path.basename(f) for f in files if re.search(r'openblas|mkl_core|blis|libblas', f))
    own = any('openblas-pthread' in f for f in files)
    return (' '.join(names) if names else 'BLAS unknown') + (OWN_THREADS if own else '')


def about(engine):
    if engine == 'quantizer':
        import onnxruntime.quantization
        return 'its quantizer ' + onnxruntime.quantization.quantize_dynamic.__name__
    if engine == 'onnx':
        import onnxruntime
        return 'ONNX Runtime ' + onnxruntime.__version__
    import torch
    torch.ones(64, 64) @ torch.ones(64, 64)
    attention = hasattr(torch.nn.functional, 'scaled_dot_product_attention')
    return 'PyTorch %s, %s%s' % (torch.__version__, blas(), '' if attention else ', no scaled_dot_product_attention')


def peak_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2.0 ** 20


def build(row):
    """The module of a row; called with a batch it gives the loss, and without labels the encoding."""
    import torch
    from torch import nn
    from torch.nn import functional as F
    family, layers, width, heads, vocabulary, dropout, _, _ = ROWS[row]

    def attend(q, k, v, mask, causal, rate):
        if hasattr(F, 'scaled_dot_product_attention'):
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=rate, is_causal=causal)
        scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5)
        if mask is not None:
            scores = scores.masked_fill(~mask, float('-inf'))
        if causal:
            length = q.shape[-2]
            scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float('-inf'))
        return F.dropout(scores.softmax(-1), rate) @ v

    class Memory:
        """One layer's keys and values of what has been read, in room for all that will be."""

        def __init__(self, batch, room, dtype):
            self.kept = torch.zeros(2, batch, heads, room, width // heads, dtype=dtype)
            self.length = 0

        def extend(self, k, v):
            begin, self.length = self.length, self.length + k.shape[2]
            self.kept[0, :, :, begin:self.length] = k
            self.kept[1, :, :, begin:self.length] = v
            return self.kept[:, :, :, :self.length]

    class Block(nn.Module):
        """One Transformer layer; norms before (GPT-2) or after (BERT) each half."""

        def __init__(self):
            super().__init__()
            self.before = family == 'gpt2'
            self.joined, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            eps = 1e-5 if self.before else 1e-12
            self.first, self.second = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)

        def attention(self, x, mask, memory):
            b, t, _ = x.shape
            q, k, v = self.joined(x).view(b, t, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            if memory is not None:
                k, v = memory.extend(k, v)
            causal = self.before and (memory is None or t > 1)  # one word more sees all that was read
            y = attend(q, k, v, mask, causal, dropout if self.training else 0.0)
            return F.dropout(self.output(y.transpose(1, 2).reshape(b, t, width)), dropout, self.training)

        def feed_forward(self, x):
            y = F.gelu(self.inner(x), approximate='tanh') if self.before else F.gelu(self.inner(x))
            return F.dropout(self.outer(y), dropout, self.training)

        def forward(self, x, mask, memory=None):
            if self.before:
                x = x + self.attention(self.first(x), mask, memory)
                return x + self.feed_forward(self.second(x))
            x = self.first(x + self.attention(x, mask, memory))
            return self.second(x + self.feed_forward(x))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(POSITIONS[family], width)
            self.types = nn.Embedding(2, width) if family == 'bert' else None
            self.norm = nn.LayerNorm(width, 1e-12 if family == 'bert' else 1e-5)
            self.blocks = nn.ModuleList([Block() for _ in range(layers)])
            if family == 'bert':
                self.pooler, self.next = nn.Linear(width, width), nn.Linear(width, 2)
                self.transform, self.last = nn.Linear(width, width), nn.LayerNorm(width, 1e-12)
                self.bias = nn.Parameter(torch.zeros(vocabulary))
            self.apply(self.init)
            if family == 'gpt2':
                self.head = nn.Linear(width, vocabulary, bias=False)
                self.head.weight = self.words.weight

        @staticmethod
        def init(m):
            if isinstance(m, (nn.Linear, nn.Embedding)):
                nn.init.normal_(m.weight, std=0.02)
            if isinstance(m, nn.Linear):
                nn.init.zeros_(m.bias)

        def encode(self, ids, mask=None, memories=None):
            begin = memories[0].length if memories else 0
            x = self.words(ids) + self.positions(torch.arange(begin, begin + ids.shape[1]))
            if family == 'bert':
                x = self.norm(x + self.types.weight[0])
            x = F.dropout(x, dropout, self.training)
            wide = None if mask is None else mask[:, None, None, :].bool()
            for i, block in enumerate(self.blocks):
                x = block(x, wide, memories[i] if memories else None)
            return x if family == 'bert' else self.norm(x)

        def generate(self, ids, count):
            """Yields each of the likeliest next words when it is known."""
            memories = [Memory(ids.shape[0], ids.shape[1] + count, self.norm.weight.dtype) for _ in self.blocks]
            for _ in range(count):
                ids = self.head(self.encode(ids, memories=memories)[:, -1]).argmax(-1, keepdim=True)
                yield ids

        def forward(self, ids, labels=None, following=None, mask=None):
            x = self.encode(ids, mask)
            if labels is None:
                return x, torch.tanh(self.pooler(x[:, 0]))
            if family == 'gpt2':
                logits = self.head(x[:, :-1])
                return F.cross_entropy(logits.reshape(-1, vocabulary).float(), labels[:, 1:].reshape(-1))
            place = labels.reshape(-1).ge(0).nonzero()[:, 0]
            hidden = self.last(F.gelu(self.transform(x.reshape(-1, width)[place])).float())
            words = F.linear(hidden, self.words.weight, self.bias).float()
            relation = self.next(torch.tanh(self.pooler(x[:, 0]))).float()
            return F.cross_entropy(words, labels.reshape(-1)[place]) + F.cross_entropy(relation, following)

    class InferSent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(vocabulary, width, bidirectional=True)
            self.classifier = nn.Sequential(nn.Linear(8 * width, 512), nn.Linear(512, 512), nn.Linear(512, 3))

        def forward(self, first, second, labels):
            u, v = (self.lstm(x)[0].max(0)[0] for x in (first, second))
            return F.cross_entropy(self.classifier(torch.cat([u, v, (u - v).abs(), u * v], 1)).float(), labels)

    return InferSent() if family == 'infersent' else Transformer()


def made_up(row, batch, length):
    """A batch of random tokens or vectors."""
    import torch
    family, _, _, _, vocabulary, _, _, _ = ROWS[row]
    if family == 'infersent':
        return (0.3 * torch.randn(length, batch, vocabulary), 0.3 * torch.randn(length, batch, vocabulary),
                torch.randint(3, (batch,)))
    ids = torch.randint(vocabulary, (batch, length))
    if family == 'gpt2':
        return ids, torch.randint(vocabulary, (batch, length))
    labels = torch.randint(vocabulary, (batch, length)).masked_fill(torch.rand(batch, length) >= 0.15, -100)
    return ids, labels, torch.randint(2, (batch,))


def optimizer_of(model):
    import torch
    plain = [p for p in model.parameters() if p.ndim < 2]
    groups = [{'params': [p for p in model.parameters() if p.ndim > 1], 'weight_decay': 0.01},
              {'params': plain, 'weight_decay': 0.0}]
    try:
        return torch.optim.AdamW(groups, lr=1e-4, fused=True)
    except (TypeError, RuntimeError):
        return torch.optim.AdamW(groups, lr=1e-4)


def autocast(precision):
    import torch
    return torch.autocast('cpu', dtype=torch.bfloat16) if precision == 'bf16' else contextlib.nullcontext()


def timed(run, times):
    """The median of some runs' seconds, after one that is not counted."""
    seconds = []
    for _ in range(times + 1):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def train(row, precision, steps, batch, length):
    import torch
    batch, length = batch or ROWS[row][6], length or ROWS[row][7]
    model = build(row).train()
    optimizer = optimizer_of(model)
    inputs = made_up(row, batch, length)

    def step():
        with autocast(precision):
            loss = model(*inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    tokens = batch * length * (2 if row == 'infersent' else 1)
    return tokens / timed(step, steps)


def quantized(model):
    """Linear layers in bytes, their inputs rounded as they come."""
    import torch
    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def generate(precision, steps, batch, length, row):
    """The median time between words; the first generation is not counted."""
    import torch
    model = build(row).eval()
    model = {'f32': lambda m: m, 'bf16': lambda m: m.to(torch.bfloat16), 'int8': quantized}[precision](model)
    ids = torch.randint(ROWS[row][4], (batch, length))
    with torch.no_grad():
        for _ in range(2):
            known = [time.perf_counter() for _ in model.generate(ids, steps + 1)]
    return batch / statistics.median(b - a for a, b in zip(known, known[1:]))


def batches_of(lengths):
    """Sorted by length, 32 a batch, each padded to its longest: made when it is its turn."""
    import torch
    ordered = sorted(lengths, reverse=True)
    for at in range(0, len(ordered), 32):
        part = torch.tensor(ordered[at:at + 32])
        places = torch.arange(int(part[0]))
        mask = places[None, :] < part[:, None]
        yield torch.where(mask, places[None, :] * 7919 % 30522, torch.tensor(0)), mask.long()


def onnx_session(model, threads, precision):
    """The encoder, exported once and opened in ONNX Runtime; for int8 its own quantizer has rewritten it."""
    import tempfile

    import onnxruntime
    import torch
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'encoder.onnx')
        sizes = {0: 'batch', 1: 'length'}
        sample = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
        model.forward = lambda ids, mask: type(model).forward(model, ids, mask=mask)
        # The exporter by traces: the other one, the default of later versions, needs packages of its own.
        traced = {'dynamo': False} if 'dynamo' in inspect.signature(torch.onnx.export).parameters else {}
        torch.onnx.export(model, sample, path, input_names=['ids', 'mask'], output_names=['states', 'pooled'],
                          dynamic_axes={'ids': sizes, 'mask': sizes, 'states': sizes}, opset_version=14, **traced)
        if precision == 'int8':
            from onnxruntime.quantization import QuantType, quantize_dynamic
            quantize_dynamic(path, path + '.int8', weight_type=QuantType.QInt8)
            path += '.int8'
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def encode(engine, precision, runs, threads, path, row):
    import torch
    with open(path, encoding='utf-8') as file:
        lengths = [int(line) for line in file]
    model = build(row).eval()
    session = onnx_session(model, threads, precision) if engine == 'onnx' else None
    model = quantized(model) if precision == 'int8' and not session else model

    def run():
        with torch.no_grad(), autocast(precision):
            for ids, mask in batches_of(lengths):
                if session:
                    session.run(None, {'ids': ids.numpy(), 'mask': mask.numpy()})
                else:
                    model(ids, mask=mask)

    return len(lengths) / timed(run, runs)


def main():
    words = sys.argv[1:]
    if len(words) == 2 and words[0] == 'about':
        print(about(words[1]))
        return 0
    rows = list(ROWS) + ['encode', 'generate']
    if len(words) < 5 or words[0] not in ('torch', 'onnx') or words[1] not in rows:
        sys.stderr.write(__doc__)
        return 2
    engine, row, precision, times, threads = words[0], words[1], words[2], int(words[3]), int(words[4])
    import torch
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    if row == 'encode':
        rate = encode(engine, precision, times, threads, words[5], words[6] if len(words) > 6 else 'bert-base')
    elif row == 'generate':
        rate = generate(precision, times, int(words[5]), int(words[6]), words[7] if len(words) > 7 else 'gpt2')
    else:
        sizes = [int(w) for w in words[5:7]] or [0, 0]
        rate = train(row, precision, times, *sizes)
    print('%.4f %.2f' % (rate, peak_gib()))
    return 0


if __name__ == '__main__':
    sys.exit(main())
