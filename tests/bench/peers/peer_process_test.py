"""Python's standard library alone: what compare.py makes of a peer that is wrong, fails, hangs or is not there."""

import contextlib
import io
import os
import sys
import tempfile
import types
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, 'bench', 'peers'))
from peer_process import Peer, Worker  # noqa: E402

TOLERANCE = 1e-3
TIMES = '''
import sys
for line in sys.stdin:
    print('{"seconds": [' + ', '.join(['0.5'] * int(line)) + ']}', flush=True)
'''


class Workers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def worker(self, program, limit=30):
        """A worker that runs `program`, Python source, in place of a peer."""
        path = os.path.join(self.folder.name, 'worker.py')
        with open(path, 'w') as file:
            file.write(program)
        peer = types.SimpleNamespace(command=[sys.executable, path], environment=dict(os.environ))
        worker = Worker(peer, 'gradient', 'some mode', self.folder.name,
                        types.SimpleNamespace(threads=2, limit=limit, device='cpu'))
        self.addCleanup(worker.stop)
        return worker

    def test_agreement_then_times(self):
        worker = self.worker('''print('{"error": 1e-5}', flush=True)''' + TIMES)
        self.assertEqual(worker.ready(TOLERANCE), {'error': 1e-5})
        self.assertEqual(worker.times(3)['seconds'], [0.5, 0.5, 0.5])
        self.assertEqual(worker.times(1)['seconds'], [0.5])

    def test_disagreement_and_infinite_error(self):
        for error in ('2e-3', 'Infinity', 'NaN'):
            worker = self.worker(f'''print('{{"error": {error}}}', flush=True)''' + TIMES)
            said = worker.ready(TOLERANCE)
            self.assertIn('DIFFERS', said['failed'])
            self.assertNotIn('error', said)

    def test_failure_keeps_its_reason(self):
        worker = self.worker('''print('{"failed": "RuntimeError: no compiler"}')''')
        self.assertEqual(worker.ready(TOLERANCE), {'failed': 'RuntimeError: no compiler'})

    def test_death_and_hang(self):
        self.assertIn('exit code 3', self.worker('import sys; sys.exit(3)').ready(TOLERANCE)['failed'])
        self.assertIn('not ready', self.worker('import time; time.sleep(60)', limit=0.3).ready(TOLERANCE)['failed'])


class Absence(unittest.TestCase):
    def test_a_peer_that_cannot_be_imported_has_no_modes(self):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            peer = Peer('Nobody', 'no_such_worker.py', dict(os.environ))
        self.assertFalse(peer.modes)
        self.assertIn('Nobody: not here', said.getvalue())


if __name__ == '__main__':
    unittest.main()
