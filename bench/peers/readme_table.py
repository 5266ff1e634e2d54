#!/usr/bin/env python3
"""Writes README's tables of speeds from the results of compare.py, each between the two markers that README has for it.

  readme_table.py                     rewrites README.md from build/peers/results.json
  readme_table.py --print             prints the tables instead

Parts that the results lack, as after --only moe, leave their tables as they are.
"""

import argparse
import json
import math
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = {
    'train_step': 'training step',
    'gradient': 'gradient',
    'hvp_from_scratch': 'Hessian-vector product from scratch',
    'hvp_kept_graph': 'Hessian-vector product on a kept graph',
    'inference': 'inference',
}


def time_text(seconds):
    if seconds < 0.001:
        return f'{1e6 * seconds:.1f} µs'
    return f'{1000 * seconds:.1f} ms' if seconds < 0.1 else f'{seconds:.3g} s'


def turns_text(turns):
    return f'medians of {len(turns)} turns' if len(turns) > 1 else 'one turn'


def bytes_text(count):
    return f'{count / 2**20:,.0f} MiB'


def ratio_text(ratio):
    return f'{ratio:.2f}x' if ratio < 10 else f'{ratio:.0f}x'


def peer_cells(row, peer):
    """(time, ratio, mode) of a peer at a kind of work."""
    entry = row['peers'].get(peer, {})
    if 'mode' not in entry:
        return ['-', '-', '-']
    return [time_text(entry['seconds']), ratio_text(entry['ratio']), f'`{entry["mode"]}`']


def memory_cells(row, peer):
    theirs = row['peers'].get(peer, {}).get('peak_resident_bytes')
    if not theirs:
        return ['-', '-', '']
    return [bytes_text(theirs), ratio_text(theirs / row['peak_resident_bytes']), '']


def label(row, largest_batch):
    name = WORK[row['work']]
    return name if row['batch'] == largest_batch else f'{name}, batch {row["batch"]}'


def remarks(results, batch):
    """Sentences below the table: a Hessian-vector product in gradients, and what the convolutions alone need."""
    ours = {row['work']: row['seconds'] for row in results['rows'] if row['batch'] == batch}
    said = []
    if {'gradient', 'hvp_from_scratch', 'hvp_kept_graph'} <= ours.keys():
        scratch, kept = (ours[work] / ours['gradient'] for work in ('hvp_from_scratch', 'hvp_kept_graph'))
        said.append(f'Our Hessian-vector product costs {scratch:.1f} gradients from scratch and {kept:.1f} on a kept '
                    'graph.')
    if results.get('convolutions'):
        bound = results['convolutions']['train_step_bound_seconds']
        said.append(f"oneDNN's direct convolutions alone, in the faster of two layouts, need {bound:.3g} s a step.")
    return ['', ' '.join(said)] if said else []


def table(results):
    """Lines of Markdown: a sentence on the setting, a row for each kind of work, remarks."""
    peers = list(results['peers'])
    largest = max(row['batch'] for row in results['rows'])
    order = {work: place for place, work in enumerate(WORK)}
    rows = sorted(results['rows'], key=lambda row: (order[row['work']], -row['batch']))
    backbone = {'resnet18': 'ResNet-18', 'small': 'The small backbone'}[
        results['model'].get('backbone', {}).get('name', 'resnet18')]
    versions = ' and '.join(f'{peer} {entry["version"]} ({entry["source"]})' for peer, entry in results['peers'].items())
    lines = [f'{backbone}, {results["model"]["head"]["name"]} head, float32, batch {largest}, {results["threads"]} '
             f'threads on {results["machine"]["cpu"]}; Switchyard with oneDNN {results["machine"]["onednn"]} beside '
             f'{versions}; {turns_text(rows[0]["turns"])}.', '']
    lines.append('| | Switchyard |' + ''.join(f' {peer} | ratio | its fastest mode |' for peer in peers))
    lines.append('|---|---|' + '---|---|---|' * len(peers))
    for row in rows:
        cells = [label(row, largest), time_text(row['seconds'])]
        lines.append('| ' + ' | '.join(sum((peer_cells(row, peer) for peer in peers), cells)) + ' |')
        if row['work'] == 'train_step' and row.get('peak_resident_bytes'):
            cells = ['its peak resident memory', bytes_text(row['peak_resident_bytes'])]
            lines.append('| ' + ' | '.join(sum((memory_cells(row, peer) for peer in peers), cells)) + ' |')
    return lines + remarks(results, largest)


def moe_label(row):
    kind, dtype = row['work'].split('_')
    what = {'training': 'experts, forward and backward', 'slots': 'gate logits to slots',
            'routing': 'gate logits to slots, rows there and sums back'}[kind]
    return f'{what}, {dtype}, {row["experts"]} experts, {row["distribution"]}'


def moe_cells(row):
    """Ours with its variant, the peer's fastest mode, the ratio, and what came of the peer's other modes."""
    ours = f'{time_text(row["seconds"])} (`{row["variant"]}`)' if 'seconds' in row else '-'
    theirs = f'{time_text(row["peer_seconds"])} (`{row["mode"]}`)' if 'peer_seconds' in row else '-'
    ratio = ratio_text(row['ratio']) if 'ratio' in row else '-'
    others = [f'`{entry["mode"]}` ' + (time_text(entry['seconds']) if 'seconds' in entry else 'failed')
              for entry in row['tried'] if entry['mode'] != row['mode']]
    return [ours, theirs, ratio, ', '.join(others) or '-']


def moe_table(results):
    """Lines of Markdown about the MoE layer: a sentence on the setting, a row for each work and case."""
    sizes, peer = results['moe_sizes'], results['peers']['PyTorch']
    place = results['machine']['cpu'] if results['device'] == 'cpu' else results['device']
    lines = [f'A token MoE layer, {sizes["tokens"]} tokens of {sizes["width"]} numbers, experts of {sizes["hidden"]} hidden '
             f'units, k = {sizes["k"]}, {results["threads"]} threads on {place}; Switchyard beside PyTorch '
             f'{peer["version"]} ({peer["source"]}), the fastest of each side that agrees with float64; '
             f'{turns_text(results["moe"][0]["turns"])}.', '']
    lines.append('| | Switchyard | PyTorch | ratio | its other modes |')
    lines.append('|---|---|---|---|---|')
    return lines + ['| ' + ' | '.join([moe_label(row)] + moe_cells(row)) + ' |' for row in results['moe']]


def value_text(value, error):
    """With the error's first two digits, and the value to the place of the second, but to six digits at most."""
    if error is None:
        return f'{value:.4g}'
    most = 5 - math.floor(math.log10(abs(value))) if value else 4
    places = max(0, min(1 - math.floor(math.log10(error)) if error > 0.0 else most, most))
    shown = f'{error:.{places}f}'
    return f'{value:.{places}f} ± ' + (shown if float(shown) > 0.0 else f'{error:.0e}')


def curvature_side(name, entry, product_seconds, ratio):
    """The cells of one side of one case; `entry` is an estimate, or why there is none."""
    product = time_text(product_seconds) if product_seconds else '-'
    if 'failed' in entry:
        return [name, '-', '-', '-', entry['failed'], '-', product]
    return [name, value_text(entry['eigenvalue'], entry['eigenvalue_error']),
            value_text(entry['trace'], entry.get('trace_error')), str(entry['products']), time_text(entry['seconds']),
            ratio, product]


def curvature_lines(row):
    """The rows of one model: ours, then every way of PyTorch's with the ratio of its seconds to ours."""
    ours, seconds = row['ours'], {entry['mode']: entry.get('seconds') for entry in row['product']['tried']}
    cells = [curvature_side('Switchyard', ours, row['product']['seconds'], '')]
    for entry in row['tried']:
        ratio = '-'
        if entry['mode'] == row.get('mode'):
            entry, ratio = {**entry, 'seconds': row['peer_seconds']}, ratio_text(row['ratio'])
        elif 'failed' not in entry:
            ratio = ratio_text(entry['seconds'] / ours['seconds'])
        cells.append(curvature_side(f'`{entry["mode"]}`', entry, seconds.get(entry['mode']), ratio))
    name = {'resnet18': 'ResNet-18', 'small': 'small backbone'}[row['backbone']]
    return ['| ' + ' | '.join([f'{name}, {row["images"]} images' if place == 0 else ''] + each) + ' |'
            for place, each in enumerate(cells)]


def curvature_table(results):
    """Lines of Markdown about curvature: a sentence on the setting, a row for each side of each model."""
    packages = ', '.join(f'{name} {version}' for name, version in results['curvature_packages'].items())
    turns = results['curvature'][0]['turns']
    lines = [f'Largest eigenvalue of the Hessian, residual at most 1/1000 of it, and trace by ten vectors, float32, '
             f'{results["threads"]} threads on {results["machine"]["cpu"]}; Switchyard beside PyTorch '
             f'{results["peers"]["PyTorch"]["version"]}, {packages}; ours and the fastest: {turns_text(turns)}.', '']
    lines.append('| | | largest eigenvalue | trace | products | time | ratio | one product |')
    lines.append('|---|---|---|---|---|---|---|---|')
    return lines + [line for row in results['curvature'] for line in curvature_lines(row)]


def tables(results):
    """{part: lines} of what the results hold."""
    made = {'peers': table(results)} if results['rows'] else {}
    if results.get('moe'):
        made['moe'] = moe_table(results)
    if results.get('curvature'):
        made['curvature'] = curvature_table(results)
    return made


def markers(part):
    return f'<!-- {part}: begin (bench/peers/readme_table.py writes this part) -->', f'<!-- {part}: end -->'


def replace_between(text, part, lines):
    """`text` with `lines` between the part's markers; ValueError where they are not there once each and in order."""
    begin, end = markers(part)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f'expected {begin!r} and then {end!r}, once each')
    head, rest = text.split(begin)
    return head + begin + '\n' + '\n'.join(lines) + '\n' + end + rest.split(end)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', nargs='?', default=os.path.join(ROOT, 'build/peers/results.json'))
    parser.add_argument('--readme', default=os.path.join(ROOT, 'README.md'))
    parser.add_argument('--print', action='store_true')
    options = parser.parse_args()
    with open(options.results) as file:
        made = tables(json.load(file))
    if options.print:
        print('\n\n'.join('\n'.join(lines) for lines in made.values()))
        return
    with open(options.readme) as file:
        text = file.read()
    try:
        for part, lines in made.items():
            text = replace_between(text, part, lines)
    except ValueError as error:
        sys.exit(f'readme_table.py: {options.readme}: {error}')
    with open(options.readme, 'w') as file:
        file.write(text)


if __name__ == '__main__':
    main()
