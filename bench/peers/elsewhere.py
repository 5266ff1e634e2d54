#!/usr/bin/env python3
"""Puts kernels of other origins under the X-ray, and ours for the same problems beside them.

usage: elsewhere.py [--program switchyard] [--only NAME] [--columns N] [--keep FOLDER] [--require]

Triton and NVRTC make PTX without a GPU; `switchyard xray --check` runs it on the host, looks for races and compares
the results with numpy's in float64. Prints a table in Markdown (docs/kernels/elsewhere.md shows one). Exit code 1 where
a kernel fails or differs, 77 where nothing could be made. --keep: leave PTX, arguments and commands there.
--require: what cannot be made for want of a package is a failure.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import elsewhere_cases
import elsewhere_ptx

SKIPPED = 77
HEADINGS = ['kernel', 'origin', 'warp instructions', 'sectors', 'of ideal', 'bytes in sectors', 'of compulsory',
            'shared turns', 'of ideal', 'barriers', 'flops', 'tensor-core flops']


def argument_text(argument, stem, whole=''):
    """An argument as --arg takes it; arrays go to files that begin with `stem`.

    Whole numbers are written with the type `whole`: none where the parameter has its own. In a structure they have 64
    bits unless numpy says otherwise.
    """
    if isinstance(argument, list):
        parts = [argument_text(part, f'{stem}-{number}', 'i64:') for number, part in enumerate(argument)]
        return '{' + ', '.join(parts) + '}'
    if isinstance(argument, np.ndarray):
        np.save(stem + '.npy', argument)
        return stem + '.npy'
    if isinstance(argument, np.int32):
        return f'i32:{argument}'
    return f'f32:{argument!r}' if isinstance(argument, float) else f'{whole}{argument}'


def command_of(case, ptx, program, folder):
    """The command that runs a case whose files lie in `folder`."""
    path = os.path.join(folder, 'kernel.ptx')
    with open(path, 'w') as file:
        file.write(ptx.text)
    command = [program, 'xray', path, '--kernel', ptx.kernel, '--grid', ','.join(map(str, case.grid)),
               '--block', str(ptx.threads), '--shared', str(ptx.shared_bytes)]
    for position, argument in enumerate(case.arguments):
        command += ['--arg', argument_text(argument, os.path.join(folder, f'argument{position}'))]
    command += ['--arg', 'i64:0'] * ptx.hidden_arguments
    for name, array in case.expected.items():
        expected = os.path.join(folder, f'expected{name}.npy')
        np.save(expected, array)
        command += ['--expect', f'{name}={expected}']
    return command + ['--tolerance', str(case.tolerance), '--check', '--json']


def ratio(value, ideal):
    return f'{value / ideal:.2f}x' if ideal else '-'


def row_of(case, total, least):
    memory, shared = total['global'], total['shared']
    moved = 32 * memory['sectors']
    return [case.name, case.origin, f'{total["warp_instructions"]:,}', f'{memory["sectors"]:,}',
            ratio(memory['sectors'], memory['ideal_sectors']), f'{moved:,}', ratio(moved, least),
            f'{shared["turns"]:,}', ratio(shared['turns'], shared['ideal_turns']), f'{total["barriers"]:,}',
            f'{total["flops"]:,}', f'{total["tensor_flops"]:,}' if total['tensor_flops'] else '-']


def run_rung(rung, options):
    """The row of a rung of the program; None where the program has none. Raises RuntimeError where it failed."""
    done = subprocess.run(rung.command(options.program), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0 and 'holds no compiled kernels' in done.stderr:
        print(f'elsewhere: skipped: {rung.origin}: the program was built without nvcc', file=sys.stderr)
        return None
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f'exit code {done.returncode}')
    run = json.loads(done.stdout)['ladder'][0]
    if run['status'] != 'ran':
        raise RuntimeError(run['reason'])
    return row_of(rung, run['total'], run['compulsory']['bytes'])


def run_case(case, number, options, folder):
    """The row of a case; None where it could not be made. Raises RuntimeError where it failed."""
    if isinstance(case, elsewhere_cases.Rung):
        return run_rung(case, options)
    folder = os.path.join(folder, f'{number:02d}-{case.name.split(",")[0]}')
    os.makedirs(folder, exist_ok=True)
    try:
        ptx = case.make()
    except (ImportError, elsewhere_ptx.Missing) as missing:
        print(f'elsewhere: skipped: {case.name} of {case.origin}: {missing}', file=sys.stderr)
        return None
    command = command_of(case, ptx, options.program, folder)
    with open(os.path.join(folder, 'command'), 'w') as file:
        file.write(subprocess.list2cmdline(command) + '\n')
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f'exit code {done.returncode}')
    return row_of(case, json.loads(done.stdout)['ladder'][0]['total'], case.compulsory_bytes())


def run_all(options, folder):
    """The table's rows, and how many cases failed or could not be made."""
    rows, failed, missing = [], 0, 0
    for number, case in enumerate(elsewhere_cases.all_cases()):
        if options.only and options.only not in case.name:
            continue
        try:
            row = run_case(case, number, options, folder)
        except RuntimeError as error:
            print(f'elsewhere: {case.name} of {case.origin}: {error}', file=sys.stderr)
            failed += 1
            continue
        if row:
            rows.append(row)
        else:
            missing += 1
    return rows, failed, missing


def table(rows):
    lines = [HEADINGS, ['---'] * 2 + ['---:'] * (len(HEADINGS) - 2), *rows]
    return ''.join('| ' + ' | '.join(line) + ' |\n' for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--program', default=os.path.join(elsewhere_ptx.ROOT, 'build', 'release', 'switchyard'))
    parser.add_argument('--only', help='only kernels with this in their name')
    parser.add_argument('--columns', type=int, choices=range(1, 1025), metavar='N', default=elsewhere_cases.COLUMNS,
                        help='columns of the kernels that work on rows, at most 1024 (default: %(default)s)')
    parser.add_argument('--keep', help='leave PTX, arguments and commands in this folder')
    parser.add_argument('--require', action='store_true', help='fail where a package is missing')
    options = parser.parse_args()
    elsewhere_cases.COLUMNS = options.columns
    if not shutil.which(options.program):
        sys.exit(f"elsewhere: there is no program {options.program}: './run build' makes it")
    with tempfile.TemporaryDirectory() as temporary:
        rows, failed, missing = run_all(options, options.keep or temporary)
    print(table(rows), end='')
    if failed or (missing and options.require):
        return 1
    return 0 if rows else SKIPPED


if __name__ == '__main__':
    sys.exit(main())
