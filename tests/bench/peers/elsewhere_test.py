"""What elsewhere.py makes of arguments and counts; needs numpy, and no Triton."""

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


class References(unittest.TestCase):
    def test_slots_of_the_moe_problem_fill_blocks_of_one_expert_each(self):
        p = elsewhere_cases.MoeProblem()
        self.assertEqual(p.slots.size, p.BLOCK * p.block_expert.size)
        real = p.slots[p.slots < p.TOKENS * p.K]
        self.assertEqual(sorted(real), list(range(p.TOKENS * p.K)))
        self.assertNotIn(p.EXPERTS - 1, p.block_expert)  # the one without tokens


if __name__ == '__main__':
    unittest.main()
