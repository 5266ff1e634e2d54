"""Python's standard library alone: which modes curvature_compare.py goes on with, and what it makes of their times."""

import os
import sys
import types
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, 'bench', 'peers'))
import curvature_compare  # noqa: E402


def estimates(seconds, **more):
    return {'eigenvalue': 10.0, 'eigenvalue_error': 0.01, 'trace': 50.0, 'trace_error': 2.0, 'products': 20,
            'seconds': seconds, **more}


class Modes(unittest.TestCase):
    def test_each_package_in_its_fastest_layout_and_the_fastest_of_pytorch(self):
        tried = [{'mode': 'curvlinops contiguous', 'seconds': 3.0}, {'mode': 'curvlinops channels_last', 'seconds': 2.0},
                 {'mode': 'retain channels_last', 'seconds': 1.0}, {'mode': 'linearize compile contiguous', 'seconds': 0.5},
                 {'mode': 'PyHessian contiguous', 'failed': 'not installed'}]
        self.assertEqual(curvature_compare.best_modes(tried), ['linearize compile contiguous', 'curvlinops channels_last'])

    def test_none(self):
        self.assertEqual(curvature_compare.best_modes([{'mode': 'jvp contiguous', 'failed': 'no'}]), [])


class Rows(unittest.TestCase):
    def test_our_products_include_the_residual(self):
        document = {'largest_eigenvalue': {'value': 4.0, 'residual': 0.002, 'iterations': 9, 'converged': True},
                    'trace': {'mean': 7.0, 'standard_error': 0.5, 'samples': 10, 'products': 10}}
        ours = curvature_compare.our_estimates(document)
        self.assertEqual(ours['products'], 20)
        self.assertEqual((ours['eigenvalue'], ours['eigenvalue_error']), (4.0, 0.002))

    def test_the_ratio_is_the_median_of_the_turns_against_the_fastest_that_agrees(self):
        tried = [dict(estimates(5.0), mode='slow contiguous'), dict(estimates(2.0), mode='fast contiguous'),
                 {'mode': 'wrong contiguous', 'failed': 'DIFFERS', 'seconds': 0.1}]
        row = curvature_compare.estimates_row(estimates(9.0), tried, [(1.0, 2.0), (1.0, 3.0), (2.0, 8.0)])
        self.assertEqual((row['mode'], row['ratio'], row['ours']['seconds']), ('fast contiguous', 3.0, 1.0))

    def test_no_ratio_where_nothing_agrees(self):
        self.assertNotIn('ratio', curvature_compare.estimates_row(estimates(1.0), [{'mode': 'a b', 'failed': 'x'}], []))
        self.assertNotIn('ratio', curvature_compare.product_row({'tried': [{'mode': 'a b', 'failed': 'x'}], 'seconds': 1}))

    def test_the_product_of_the_fastest_mode(self):
        row = curvature_compare.product_row({'seconds': 0.5, 'tried': [{'mode': 'a b', 'seconds': 2.0},
                                                                       {'mode': 'c d', 'seconds': 1.0}]})
        self.assertEqual((row['mode'], row['ratio']), ('c d', 2.0))

    def test_text_says_what_is_not_stated(self):
        text = curvature_compare.estimates_text(estimates(1.0, trace_error=None, remark='tolerance 1e-05'))
        self.assertIn('not stated', text)
        self.assertIn('tolerance 1e-05', text)


class Cases(unittest.TestCase):
    def options(self, **more):
        return types.SimpleNamespace(**{'model_given': False, 'model': '{}', 'images': None, 'quick': False, **more})

    def test_both_backbones_or_the_one_that_was_named(self):
        names = [model['backbone']['name'] for model, _, _ in curvature_compare.cases_of(self.options())]
        self.assertEqual(names, list(curvature_compare.CASES))
        model = '{"backbone": {"name": "small"}, "head": {"name": "soft_moe"}}'
        cases = curvature_compare.cases_of(self.options(model_given=True, model=model, images=7))
        self.assertEqual([(case[0]['head']['name'], case[1]) for case in cases], [('soft_moe', 7)])


if __name__ == '__main__':
    unittest.main()
