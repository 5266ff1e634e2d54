"""What elsewhere.py makes of arguments and counts; needs numpy, and no Triton."""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, 'bench', 'peers'))
try:
    import elsewhere
    import elsewhere_cases
    import elsewhere_ptx
    import numpy as np
except ImportError as missing:
    raise unittest.SkipTest(f'not here: {missing.name}')


class Arguments(unittest.TestCase):
    def test_take_the_forms_of_the_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            stem = os.path.join(folder, 'a')
            self.assertEqual(elsewhere.argument_text(7, stem), '7')
            self.assertEqual(elsewhere.argument_text(0.5, stem), 'f32:0.5')
            self.assertEqual(elsewhere.argument_text(np.zeros(2, 'int32'), stem), stem + '.npy')
            self.assertEqual(elsewhere.argument_text([np.ones(2, 'float32'), 3, np.int32(4)], stem),
                             '{' + stem + '-0.npy, i64:3, i32:4}')
            np.testing.assert_array_equal(np.load(stem + '-0.npy'), [1, 1])

    def test_command_names_every_buffer_and_result(self):
        x = np.ones(4, 'float32')
        case = elsewhere_cases.Case('twice', 'here', None, (2, 3), [x, 4], {'0': 2 * x}, 1e-3)
        ptx = elsewhere_ptx.Ptx('// ptx', 'twice', 32, 64, hidden_arguments=1)
        with tempfile.TemporaryDirectory() as folder:
            command = elsewhere.command_of(case, ptx, 'switchyard', folder)
            text = ' '.join(command).replace(folder, 'F')
            self.assertEqual(text, 'switchyard xray F/kernel.ptx --kernel twice --grid 2,3 --block 32 --shared 64 '
                                   '--arg F/argument0.npy --arg 4 --arg i64:0 --expect 0=F/expected0.npy '
                                   '--tolerance 0.001 --check --json')
            np.testing.assert_array_equal(np.load(os.path.join(folder, 'expected0.npy')), 2 * x)


class Bytes(unittest.TestCase):
    def test_each_array_crosses_memory_once_unless_it_is_updated(self):
        x, y = np.zeros(8, 'float32'), np.zeros(4, 'float32')
        self.assertEqual(elsewhere_cases.Case('', '', None, (1,), [y, x, 8], {'0': y}).compulsory_bytes(), 48)
        self.assertEqual(elsewhere_cases.Case('', '', None, (1,), [[x, y, 8]], {'0.2': y}).compulsory_bytes(), 48)
        both = elsewhere_cases.Case('', '', None, (1,), [x], {'0': x}, updates=('0',))
        self.assertEqual(both.compulsory_bytes(), 64)


class Rungs(unittest.TestCase):
    def run_rung(self, script):
        """The row of a rung, from a program that is this shell script."""
        rung = elsewhere_cases.Rung('matmul', 'matmul', 'fast_tf32', 'float32', {'m': 2, 'n': 3})
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, 'program')
            with open(program, 'w') as file:
                file.write('#!/bin/sh\n' + script)
            os.chmod(program, 0o700)
            return elsewhere.run_rung(rung, argparse.Namespace(program=program))

    def test_take_sizes_and_type(self):
        rung = elsewhere_cases.Rung('moe', 'moe_forward', 'fused', 'bfloat16', {'tokens': 64, 'k': 2})
        self.assertEqual(rung.origin, 'Switchyard, fused, bfloat16')
        self.assertEqual(rung.command('p'), ['p', 'xray', 'moe_forward:fused', 'tokens=64', 'k=2', '--dtype', 'bfloat16',
                                             '--check', '--json'])

    def test_row_is_of_the_programs_counts_and_compulsory_bytes(self):
        total = {'warp_instructions': 1000, 'global': {'sectors': 30, 'ideal_sectors': 20},
                 'shared': {'turns': 0, 'ideal_turns': 0}, 'barriers': 4, 'flops': 5, 'tensor_flops': 0}
        document = {'ladder': [{'status': 'ran', 'total': total, 'compulsory': {'bytes': 320.0}}]}
        row = self.run_rung(f"echo '{json.dumps(document)}'")
        self.assertEqual(row, ['matmul', 'Switchyard, fast_tf32', '1,000', '30', '1.50x', '960', '3.00x', '0', '-',
                               '4', '5', '-'])

    def test_failure_is_one_and_a_program_without_kernels_is_none(self):
        with self.assertRaisesRegex(RuntimeError, 'a race'):
            self.run_rung('echo a race >&2; exit 1')
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.assertIsNone(self.run_rung('echo "xray: ... and holds no compiled kernels" >&2; exit 2'))
        self.assertIn('built without nvcc', told.getvalue())


class References(unittest.TestCase):
    def test_slots_of_the_moe_problem_fill_blocks_of_one_expert_each(self):
        p = elsewhere_cases.MoeProblem()
        self.assertEqual(p.slots.size, p.BLOCK * p.block_expert.size)
        real = p.slots[p.slots < p.TOKENS * p.K]
        self.assertEqual(sorted(real), list(range(p.TOKENS * p.K)))
        self.assertNotIn(p.EXPERTS - 1, p.block_expert)  # the one without tokens


if __name__ == '__main__':
    unittest.main()
