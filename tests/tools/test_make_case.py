"""Tests of tools/make_case.py: its file format against aesop's reader, its messages, and, where PyTorch can be imported, a
whole case that `aesop parity` must pass. Usage: test_make_case.py AESOP_PROGRAM"""
import contextlib
import importlib.util
import io
import os
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "..", "..", "tools", "make_case.py")
AESOP = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "aesop"
HAVE_TORCH = importlib.util.find_spec("torch") is not None

spec = importlib.util.spec_from_file_location("make_case", TOOL)
make_case = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_case)


def run_tool(*args, without_torch=False):
    """(exit status, standard output, standard error)."""
    code = ("import runpy, sys; " + ("sys.modules['torch'] = None; " if without_torch else "") +
            f"sys.argv = {['make_case.py', *args]!r}; runpy.run_path({TOOL!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Format(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "t.safetensors")

    def tearDown(self):
        self.folder.cleanup()

    def test_comes_back_as_it_went(self):
        tensors = {
            "flags": ("BOOL", (3,), b"\1\0\1"),
            "x": ("F32", (2, 2), struct.pack("<4f", 1, -2, 0.5, 4)),
            "ids": ("I64", (1,), struct.pack("<q", -7)),
            "nothing": ("F32", (0, 5), b""),
            "scalar": ("F64", (), struct.pack("<d", 3.25)),
        }
        make_case.write_safetensors(self.path, tensors)
        self.assertEqual(make_case.read_safetensors(self.path), tensors)

    def test_aesop_reads_it(self):
        make_case.write_safetensors(self.path, {
            "encoder.ids": ("I64", (2,), struct.pack("<2q", 5, 6)),
            "encoder.odd": ("BOOL", (3,), b"\1\0\1"),
            "encoder.weight": ("F32", (2, 3), struct.pack("<6f", *range(6))),
        })
        done = subprocess.run([AESOP, "inspect", self.path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("encoder.ids", "encoder.odd", "encoder.weight", "[2,3]"):
            self.assertIn(word, done.stdout)

    def test_wrong_length(self):
        with self.assertRaises(make_case.Unusable) as e:
            make_case.write_safetensors(self.path, {"x": ("F32", (2,), b"1234")})
        self.assertTrue(str(e.exception).endswith("x [2] of F32 must have 8 bytes, it has 4"))


class Messages(unittest.TestCase):
    def test_help_without_torch(self):
        status, out, _ = run_tool("--help", without_torch=True)
        self.assertEqual(status, 0)
        for word in ("def build():", "CLASS", "CONFIG", "Exit status", "--seed"):
            self.assertIn(word, out)

    def test_torch_is_missing(self):
        status, _, err = run_tool("any.py", "nowhere", without_torch=True)
        self.assertEqual(status, 2)
        self.assertIn("make_case: PyTorch is needed and cannot be imported", err)
        self.assertIn("apt install python3-torch", err)
        self.assertFalse(os.path.exists("nowhere"))

    def test_files_that_cannot_be_used(self):
        with tempfile.TemporaryDirectory() as folder:
            missing, empty = os.path.join(folder, "missing.py"), os.path.join(folder, "empty.py")
            with open(empty, "w", encoding="utf-8") as f:
                f.write("CLASS = 'BertModel'\n")
            for path, message in ((missing, "there is no such file"), (empty, "it must define build()")):
                with self.assertRaises(make_case.Unusable) as e:
                    make_case.load_user_file(path)
                self.assertIn(message, str(e.exception))


@unittest.skipUnless(HAVE_TORCH, "needs PyTorch")
class WithTorch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.case = os.path.join(self.folder.name, "case")

    def tearDown(self):
        self.folder.cleanup()

    def refused(self, text, message):
        path = os.path.join(self.folder.name, "user.py")
        with open(path, "w", encoding="utf-8") as f:
            f.write("import torch\nCLASS = 'X'\n" + text)
        with self.assertRaises(make_case.Unusable) as e:
            make_case.make_case(path, self.case, 1, None)
        self.assertIn(message, str(e.exception))

    def test_a_bert_passes_parity(self):
        with contextlib.redirect_stdout(io.StringIO()):
            status = make_case.make_case(os.path.join(HERE, "tiny_bert.py"), self.case, 1, None)
        self.assertEqual(status, 0)
        done = subprocess.run([AESOP, "parity", self.case], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("45 tensors compared, 0 failed", done.stdout)

    def test_tied_weights_are_stored_once(self):
        import torch

        module = torch.nn.Module()
        module.first = torch.nn.Linear(2, 3)
        module.second = torch.nn.Linear(2, 3)
        module.second.weight = module.first.weight
        weights, tied = make_case.weights_of(module)
        self.assertEqual(list(weights), ["first.weight", "first.bias", "second.bias"])
        self.assertEqual(tied, [["first.weight", "second.weight"]])

    def test_what_build_may_not_return(self):
        linear = "def build():\n    return torch.nn.Linear(2, 2), "
        self.refused("def build():\n    return 3\n", "must return (module, inputs, loss)")
        self.refused("def build():\n    return 3, {}, None\n", "it must be a torch.nn.Module")
        self.refused(linear + "{}, None\n", "a dict of input tensors")
        self.refused(linear + "{'input': 3}, None\n", "the input input is a int; it must be a tensor")
        self.refused(linear + "{'input': torch.ones(2)}, 3\n", "must be a function, a dict")
        self.refused(linear + "{'x': torch.ones(2)}, None\n", "forward(input) has none of the inputs x")
        self.refused(linear + "{'input': torch.ones(2)}, {'y': 'w'}\n", "names the output y; there are output")
        self.refused(linear + "{'input': torch.ones(2)}, lambda o, i: o['output']\n", "a tensor of one element")


if __name__ == "__main__":
    unittest.main()
