"""Python's standard library alone: which of our rows moe_compare.py takes, and what it makes of them."""

import os
import sys
import types
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, 'bench', 'peers'))
import moe_compare  # noqa: E402


def entry(variant, real_time, stage='layer', **more):
    return {'variant': variant, 'stage': stage, 'real_time': real_time, **more}


class OurRows(unittest.TestCase):
    def test_the_fastest_comes_first_and_wrong_ones_not_at_all(self):
        rows = moe_compare.our_rows({'benchmarks': [entry('mask_loop', 9.0), entry('fused', 2.0),
                                                    entry('broken', 0.0, error_occurred=True)]}, 'training_float32')
        self.assertEqual([row['variant'] for row in rows], ['fused', 'mask_loop'])

    def test_of_the_routing_the_stage_that_answers(self):
        document = {'benchmarks': [entry('gate_threads', 1.0, 'gate'), entry('one_kernel', 1.5, 'route'),
                                   entry('default', 2.0, 'slots_and_back')]}
        for work, variant in (('routing_float32', 'default'), ('slots_float32', 'one_kernel')):
            rows = moe_compare.our_rows(document, work)
            self.assertEqual([row['variant'] for row in rows], [variant])

    def test_no_benchmarks(self):
        self.assertEqual(moe_compare.our_rows({}, 'training_float32'), [])


class Rows(unittest.TestCase):
    def case(self):
        options = types.SimpleNamespace(quick=True)
        return moe_compare.Case(types.SimpleNamespace(options=options), 8, 'zipf')

    def test_the_ratio_is_the_median_of_the_turns(self):
        row = self.case().row('training_float32', [entry('fused', 1e9)], 'grouped_mm', [],
                              [(1.0, 2.0), (1.0, 3.0), (2.0, 8.0)])
        self.assertEqual(row['ratio'], 3.0)
        self.assertIn('3.00x', moe_compare.text_of(row))

    def test_a_side_that_is_not_there(self):
        row = self.case().row('training_bfloat16', [], 'grouped_mm', [], [(None, 2.0)])
        self.assertNotIn('ratio', row)
        self.assertIn('grouped_mm', moe_compare.text_of(row))
        row = self.case().row('training_float32', [entry('fused', 1e9)], None, [], [(1.0, None)])
        self.assertNotIn('ratio', row)
        moe_compare.text_of(row)


if __name__ == '__main__':
    unittest.main()
