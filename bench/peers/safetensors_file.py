"""Reading and writing safetensors with numpy alone: a header length, a JSON header, the data."""

import json

import numpy as np

TO_NAME = {'float32': 'F32', 'float64': 'F64', 'int64': 'I64', 'int32': 'I32', 'uint8': 'U8'}
TO_DTYPE = {name: dtype for dtype, name in TO_NAME.items()}


def write(path, arrays):
    header, chunks, offset = {}, [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {'dtype': TO_NAME[str(array.dtype)], 'shape': list(array.shape),
                        'data_offsets': [offset, offset + len(data)]}
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(len(text).to_bytes(8, 'little') + text + b''.join(chunks))


def read_metadata(path):
    """What a file says of itself: {name: text}."""
    with open(path, 'rb') as file:
        return json.loads(file.read(int.from_bytes(file.read(8), 'little'))).get('__metadata__', {})


def read(path):
    with open(path, 'rb') as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), 'little')))
        data = file.read()
    header.pop('__metadata__', None)
    arrays = {}
    for name, entry in header.items():
        begin, end = entry['data_offsets']
        arrays[name] = np.frombuffer(data[begin:end], TO_DTYPE[entry['dtype']]).reshape(entry['shape'])
    return arrays
