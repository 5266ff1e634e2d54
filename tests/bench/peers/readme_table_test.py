"""Python's standard library alone: README's table out of results, and the text around it."""

import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, 'bench', 'peers'))
import readme_table  # noqa: E402


def peer(seconds, ratio, mode, memory=None):
    return {'seconds': seconds, 'ratio': ratio, 'mode': mode, 'peak_resident_bytes': memory, 'tried': []}


RESULTS = {
    'machine': {'cpu': 'Some CPU', 'onednn': '2.6.3'}, 'threads': 2,
    'model': {'backbone': {'name': 'resnet18'}, 'head': {'name': 'dense'}},
    'peers': {'PyTorch': {'version': '2.15.0', 'source': 'PyPI'}, 'JAX': {'version': '0.10.2', 'source': 'PyPI'}},
    'rows': [
        {'work': 'inference', 'batch': 1, 'seconds': 0.0031, 'turns': [0.003, 0.0031, 0.004],
         'peers': {'PyTorch': peer(0.0042, 1.4, 'frozen contiguous'), 'JAX': {'tried': [{'failed': 'no'}]}}},
        {'work': 'train_step', 'batch': 128, 'seconds': 0.8, 'turns': [0.8, 0.8, 0.8], 'peak_resident_bytes': 2**30,
         'peers': {'PyTorch': peer(1.0, 1.25, 'compile channels_last', 2**31), 'JAX': peer(9.0, 11.25, 'nhwc', 2**30)}},
    ],
}


ESTIMATES = {'eigenvalue': 101.26, 'eigenvalue_error': 0.0712, 'trace': 1234.5, 'trace_error': 56.0, 'products': 21,
             'seconds': 4.0}
CURVATURE = dict(RESULTS, rows=[], curvature_packages={'curvlinops': '3.0.1'}, curvature=[
    {'backbone': 'small', 'images': 64, 'ours': ESTIMATES, 'turns': [(4.0, 10.0)], 'mode': 'retain contiguous',
     'ratio': 2.5, 'peer_seconds': 10.0, 'product': {'seconds': 0.2, 'tried': [
         {'mode': 'retain contiguous', 'seconds': 0.5}, {'mode': 'curvlinops contiguous', 'seconds': 2.0}]},
     'tried': [dict(ESTIMATES, mode='retain contiguous', seconds=9.0),
               dict(ESTIMATES, mode='curvlinops contiguous', seconds=44.0, trace_error=None),
               {'mode': 'PyHessian contiguous', 'failed': 'DIFFERS'}]}])


class CurvatureTable(unittest.TestCase):
    def test_rows(self):
        rows = readme_table.tables(CURVATURE)['curvature'][4:]
        self.assertEqual(rows, [
            '| small backbone, 64 images | Switchyard | 101.260 ± 0.071 | 1234 ± 56 | 21 | 4 s |  | 0.2 s |',
            '|  | `retain contiguous` | 101.260 ± 0.071 | 1234 ± 56 | 21 | 10 s | 2.50x | 0.5 s |',
            '|  | `curvlinops contiguous` | 101.260 ± 0.071 | 1234 | 21 | 44 s | 11x | 2 s |',
            '|  | `PyHessian contiguous` | - | - | - | DIFFERS | - | - |'])

    def test_no_more_digits_than_mean_anything(self):
        self.assertEqual(readme_table.value_text(15.0065, 0.000004), '15.0065 ± 4e-06')
        self.assertEqual(readme_table.value_text(1234.0, 0.0), '1234.00 ± 0e+00')
        self.assertEqual(readme_table.value_text(0.0, 0.5), '0.00 ± 0.50')

    def test_setting(self):
        self.assertIn('curvlinops 3.0.1', readme_table.curvature_table(CURVATURE)[0])


class Table(unittest.TestCase):
    def test_names_setting_versions_and_turns(self):
        sentence = readme_table.table(RESULTS)[0]
        for part in ('ResNet-18', 'batch 128', '2 threads on Some CPU', 'PyTorch 2.15.0 (PyPI)', 'JAX 0.10.2',
                     'oneDNN 2.6.3', '3 turns'):
            self.assertIn(part, sentence)

    def test_rows_in_the_order_of_the_work_with_memory_below_the_step(self):
        rows = readme_table.table(RESULTS)[4:]
        self.assertEqual(rows[0], '| training step | 0.8 s | 1 s | 1.25x | `compile channels_last` '
                                  '| 9 s | 11x | `nhwc` |')
        self.assertEqual(rows[1], '| its peak resident memory | 1,024 MiB | 2,048 MiB | 2.00x |  '
                                  '| 1,024 MiB | 1.00x |  |')
        self.assertEqual(rows[2], '| inference, batch 1 | 3.1 ms | 4.2 ms | 1.40x | `frozen contiguous` | - | - | - |')

    def test_every_line_has_as_many_cells(self):
        cells = {line.count('|') for line in readme_table.table(RESULTS)[2:]}
        self.assertEqual(len(cells), 1)

    def test_remarks_need_their_numbers(self):
        rows = [{'work': work, 'batch': 8, 'seconds': seconds, 'turns': [seconds], 'peers': {}}
                for work, seconds in (('gradient', 2.0), ('hvp_from_scratch', 6.2), ('hvp_kept_graph', 4.0))]
        full = dict(RESULTS, rows=rows, convolutions={'train_step_bound_seconds': 0.85})
        self.assertEqual(readme_table.table(full)[-1], 'Our Hessian-vector product costs 3.1 gradients from scratch '
                         "and 2.0 on a kept graph. oneDNN's direct convolutions alone, in the faster of two layouts, "
                         'need 0.85 s a step.')


MOE = dict(RESULTS, rows=[], device='cpu', moe_sizes={'tokens': 4096, 'width': 512, 'hidden': 2048, 'k': 2}, moe=[
    {'work': 'training_float32', 'experts': 8, 'distribution': 'zipf', 'mode': 'grouped_mm', 'turns': [(0.1, 0.3)] * 3,
     'variant': 'fused', 'seconds': 0.1, 'peer_seconds': 0.3, 'ratio': 3.0, 'tried': [
         {'mode': 'mask_loop', 'seconds': 1.5}, {'mode': 'grouped_mm', 'seconds': 0.3},
         {'mode': 'sorted', 'failed': 'no'}]},
    {'work': 'training_bfloat16', 'experts': 64, 'distribution': 'balanced', 'mode': 'mask_loop', 'turns': [(None, 2.0)],
     'peer_seconds': 2.0, 'tried': [{'mode': 'mask_loop', 'seconds': 2.0}]},
    {'work': 'routing_float32', 'experts': 64, 'distribution': 'balanced', 'mode': None, 'turns': [(0.001, None)],
     'variant': 'default', 'seconds': 0.001, 'tried': []},
])


class MoeTable(unittest.TestCase):
    def test_names_sizes_and_versions(self):
        sentence = readme_table.moe_table(MOE)[0]
        for part in ('4096 tokens of 512', '2048 hidden units', 'k = 2', '2 threads on Some CPU', 'PyTorch 2.15.0 (PyPI)',
                     '3 turns'):
            self.assertIn(part, sentence)

    def test_a_row_for_each_work_with_the_other_modes(self):
        rows = readme_table.moe_table(MOE)[4:]
        self.assertEqual(rows, [
            '| experts, forward and backward, float32, 8 experts, zipf | 0.1 s (`fused`) | 0.3 s (`grouped_mm`) | 3.00x '
            '| `mask_loop` 1.5 s, `sorted` failed |',
            '| experts, forward and backward, bfloat16, 64 experts, balanced | - | 2 s (`mask_loop`) | - | - |',
            '| gate logits to slots, rows there and sums back, float32, 64 experts, balanced | 1.0 ms (`default`) | - | - | - |'])

    def test_results_of_the_layer_alone_leave_the_other_table(self):
        self.assertEqual(list(readme_table.tables(MOE)), ['moe'])
        self.assertEqual(list(readme_table.tables(RESULTS)), ['peers'])
        self.assertEqual(list(readme_table.tables(dict(MOE, rows=RESULTS['rows']))), ['peers', 'moe'])


class Replacing(unittest.TestCase):
    def test_leaves_the_rest(self):
        begin, end = readme_table.markers('moe')
        text = f'before\n{begin}\nold\n{end}\nafter\n'
        new = readme_table.replace_between(text, 'moe', ['new', 'lines'])
        self.assertEqual(new, f'before\n{begin}\nnew\nlines\n{end}\nafter\n')
        self.assertEqual(readme_table.replace_between(new, 'moe', ['new', 'lines']), new)

    def test_refuses_a_text_without_markers(self):
        begin, end = readme_table.markers('peers')
        for text in ('', begin, end + begin, ''.join(readme_table.markers('moe'))):
            with self.assertRaises(ValueError):
                readme_table.replace_between(text, 'peers', [])

    def test_readme_has_the_markers(self):
        with open(os.path.join(ROOT, 'README.md')) as file:
            text = file.read()
        for part in ('peers', 'moe'):
            readme_table.replace_between(text, part, [])


if __name__ == '__main__':
    unittest.main()
