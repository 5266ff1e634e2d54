"""A peer's processes as compare.py sees them: see worker.py for what they say."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Peer:
    """A peer by name; `modes` {work: [mode]} is empty where it is not installed."""

    def __init__(self, name, script, environment):
        self.name, self.environment = name, environment
        self.command = [sys.executable, os.path.join(HERE, script)]
        done = subprocess.run(self.command + ['--list'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment, text=True)
        self.version, self.modes = None, {}
        if done.returncode == 0:
            listed = json.loads(done.stdout)
            self.version, self.modes = listed['version'].split('+')[0], listed['modes']
        else:
            reason = (done.stderr.strip().splitlines() or ['no reason given'])[-1]
            print(f'{name}: not here ({reason})', flush=True)


class Worker:
    """One mode at one kind of work, in a process of its own that waits between its turns."""

    def __init__(self, peer, work, mode, directory, options):
        """`options` has threads, limit (the seconds that the worker may take to be ready) and device."""
        self.mode, self.limit, self.buffer = mode, options.limit, b''
        device = [] if options.device == 'cpu' else ['--device', options.device]
        self.process = subprocess.Popen(
            peer.command + ['--problem', directory, '--work', work, '--mode', mode, '--threads', str(options.threads)]
            + device,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=peer.environment,
            start_new_session=True)

    def ready(self, tolerance):
        """{"error": e} where the mode computes what the program computes, else {"failed": why}."""
        said = self.read()
        if not said.get('error', 0.0) <= tolerance:
            return {'failed': f'DIFFERS from the program: error {said["error"]:.1e}, '
                              f'at most {tolerance:g} is right'}
        return said

    def times(self, repeats):
        self.process.stdin.write(b'%d\n' % repeats)
        self.process.stdin.flush()
        said = self.read()
        if 'seconds' not in said:
            sys.exit(f'compare.py: {self.mode}: {said["failed"]}')
        return said

    def read(self):
        """The next line, or {"failed": why}."""
        end = time.monotonic() + self.limit
        while b'\n' not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return {'failed': f'not ready after {self.limit} s'}
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return {'failed': f'ended with exit code {self.process.wait()} and no result'}
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return json.loads(line)

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # with the compilers that it may have started
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
