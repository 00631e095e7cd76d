"""Writes print_cases.txt: arrays and what NumPy's str() makes of them (made with NumPy 1.24).

A case is a line "dtype shape values", the expected text, and a line "--". Values are "range start step" or a list in
hexadecimal floats; a shape of "-" is a scalar. Run: /usr/bin/python3 print_cases.py > print_cases.txt
"""
import numpy as np

TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i8": np.int8, "u8": np.uint8, "i32": np.int32,
         "i64": np.int64, "bool": np.bool_}


def value_text(v, dtype):
    return float(v).hex() if dtype.startswith("f") else str(int(v))


def emit(dtype, a, spec=None):
    a = np.asarray(a, dtype=TYPES[dtype])
    shape = "x".join(map(str, a.shape)) or "-"
    print(dtype, shape, spec or " ".join(value_text(v, dtype) for v in a.ravel()))
    print(str(a))
    print("--")


def emit_range(dtype, shape, start, step):
    n = int(np.prod(shape))
    a = (start + step * np.arange(n)).astype(TYPES[dtype]).reshape(shape)
    emit(dtype, a, f"range {start} {step}")


np.seterr(all="ignore")
r = np.random.RandomState(1)
FLOATS = ("f32", "f64", "f16")
lists = [
    [1.0], [0.0], [-0.0], [1, 2, 3], [1.5, -2.25, 3.125], [0.1, 0.2, 0.3], [1 / 3, 2 / 3, 1], [1e-4, 1], [1e-4],
    [9e-5], [1e-5, 1], [1e8], [99999999.0], [1e8 - 1, 1], [1e7, 1e5], [1000, 1], [1001, 1], [1000.1, 1], [999.9, 1],
    [123456.789, 0.5], [np.nan], [np.inf], [-np.inf], [np.nan, 1], [np.inf, -1.5], [-np.inf, 1], [np.nan, 1e10],
    [np.nan, -np.inf, np.inf], [-np.inf, 1e-10, np.nan], [1e100, 1], [1e-45], [1e-310, 1], [0.5, 0.25, 0.125],
    [1e-8, 0], [0.00012345678901], [0.999999999, 1], [2.5e-9, 5e-9, 1.5], [1.000000005], [5e-324], [65504, 6e-8],
    [123456789.123], [0.1 + 0.2], [-1e-5, -1e5], [1e16, 1e15], [3e38, 1e-38], [0, 0, 0], [-0.0, 0.0, 1.0], [100.0],
    [0.000123, 0.1], [12345678.0, 12345.678], [1.23456789012345, 100], [7e-5, 7e-2], [0.30000001192092896],
    [0.0001, 0.1], [0.001, 1], [0.001, 1.0001], [0.00099, 1],
]
for dtype in FLOATS:
    for values in lists:
        emit(dtype, values)
    for scale in (1, 1e-3, 1e3, 1e-6, 1e6):
        emit(dtype, r.randn(3, 4) * scale)
        emit(dtype, r.randn(30) * scale)
        emit(dtype, r.rand(2, 3, 2) * scale)
    emit(dtype, 10.0 ** r.randint(-4, 4, size=(5, 5)))
    emit(dtype, np.where(r.rand(4, 6) < 0.2, np.nan, r.randn(4, 6)))
    emit(dtype, np.where(r.rand(4, 6) < 0.2, -np.inf, r.randn(4, 6) * 1e5))
    for scalar in (0, -0.0, 1, 1.5, 0.1, 1 / 3, 1e-4, 9.9e-5, 1e-5, 1.5e-5, 1e15, 1e16, 1.5e16, 123456789.125, 1e22,
                   1e300, 1e-300, np.nan, np.inf, -np.inf, -2.5e-7, 65504, 100):
        emit(dtype, scalar)
    for shape in ((0,), (0, 3), (3, 0), (1, 0, 2)):
        emit(dtype, np.zeros(shape))
    for shape in ((1000,), (1001,), (40, 40), (7, 7, 7, 7), (1, 1001), (1001, 1), (6, 200), (3, 3, 200), (2000, 1, 1)):
        emit_range(dtype, shape, -3, 0.5)
    emit_range(dtype, (25, 41), 0, 0.001953125)
    emit(dtype, np.arange(24).reshape(1, 2, 3, 4))
    emit(dtype, np.arange(2).reshape(1, 1, 2, 1, 1))
    emit(dtype, r.randn(1, 12) * 1e3)
    emit(dtype, r.randn(2, 8) * 1e-5)
for dtype in ("i32", "i64", "i8", "u8"):
    low = 0 if dtype == "u8" else -100
    for values in ([0], [1, 2, 3], [100, 1, 22], [low, 5], [[1, 2], [3, 44]], 7, 0, low):
        emit(dtype, values)
    emit(dtype, np.zeros((0,)))
    emit(dtype, r.randint(low, 100, size=(4, 30)))
    emit(dtype, r.randint(low, 100, size=(2, 3, 3)))
    emit(dtype, np.arange(60) % 100)
emit_range("i64", (2000,), -1000, 1)
emit_range("i32", (50, 50), 0, 1000)
emit("i64", [-2 ** 62, 2 ** 62])
emit("i32", [-2 ** 31, 2 ** 31 - 1])
for values in ([True], [True, False], [[False, False], [True, False]], True, False, r.rand(40) < 0.5,
               r.rand(3, 20) < 0.5):
    emit("bool", values)
emit("bool", np.zeros((0, 2)))
