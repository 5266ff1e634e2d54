"""Makers of PTX for elsewhere.py, none of which needs a GPU: Triton, NVRTC, and nvcc for this project's own kernels."""

import ctypes
import glob
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import warnings

ARCHITECTURE = 80
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POINTERS = {'float32': '*fp32', 'float16': '*fp16', 'int32': '*i32', 'int64': '*i64'}


class Missing(Exception):
    """A compiler or a package is not here; the message says which."""


class Ptx:
    """PTX text, the kernel in it, and the launch that it was compiled for."""

    def __init__(self, text, kernel, threads, shared_bytes=0, hidden_arguments=0):
        self.text, self.kernel, self.threads = text, kernel, threads
        self.shared_bytes, self.hidden_arguments = shared_bytes, hidden_arguments


def triton_ptx(kernel, arguments, constants, warps=4):
    """PTX of a @triton.jit function, specialised as a launch with `arguments` would be.

    `arguments`: numpy arrays and numbers by the order of the parameters that are not in `constants` ({name: value}).
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    constants, signature, attributes, rest = dict(constants), {}, {}, list(arguments)
    for position, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name] = 'constexpr'
            continue
        value = rest.pop(0)
        if hasattr(value, 'dtype'):
            signature[name] = POINTERS[str(value.dtype)]
        else:
            signature[name] = 'fp32' if isinstance(value, float) else 'i32'
        # What Triton's launcher finds out: addresses and whole numbers that 16 divides.
        if hasattr(value, 'dtype') or (isinstance(value, int) and value % 16 == 0):
            attributes[(position,)] = [['tt.divisibility', 16]]
    source = ASTSource(kernel, signature=signature, constexprs=constants, attrs=attributes)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        made = triton.compile(source, target=GPUTarget('cuda', ARCHITECTURE, 32), options={'num_warps': warps})
    # Sources by their place in the tree or in a package; .loc says all that the sections for debuggers do.
    text = re.sub(r'"/[^"]*/site-packages/', '"', made.asm['ptx'].replace(ROOT + os.sep, ''))
    text = text.split('\t.section\t.debug_')[0]
    # Behind the parameters of the source come two pointers to memory that these kernels do not use.
    return Ptx(text, made.metadata.name, 32 * warps, made.metadata.shared, hidden_arguments=2)


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise Missing(f'no Python package {package} here') from None


def nvrtc_library():
    """NVRTC of a toolkit or of the package nvidia-cuda-nvrtc."""
    places = [os.path.join(os.environ.get('CUDA_HOME', '/usr/local/cuda'), 'lib64')]
    package = importlib.util.find_spec('nvidia')
    for folder in package.submodule_search_locations if package else []:
        places += glob.glob(os.path.join(folder, '*', 'lib'))
    for place in places:
        for path in sorted(glob.glob(os.path.join(place, 'libnvrtc.so*'))):
            try:
                return ctypes.CDLL(path)
            except OSError:
                continue
    raise Missing('no NVRTC here, neither of a CUDA toolkit nor of the Python package nvidia-cuda-nvrtc')


def nvrtc_ptx(path, kernel, threads):
    """PTX that NVRTC makes of a .cu file."""
    nvrtc = nvrtc_library()
    nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(name, *arguments):
        status = getattr(nvrtc, name)(*arguments)
        if status != 0:
            raise RuntimeError(f'{path}: {name}: {nvrtc.nvrtcGetErrorString(status).decode()}')

    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    with open(path, 'rb') as file:
        call('nvrtcCreateProgram', ctypes.byref(program), file.read(), path.encode(), 0, None, None)
    options = [b'--gpu-architecture=compute_%d' % ARCHITECTURE, b'--generate-line-info']
    call('nvrtcCompileProgram', program, len(options), (ctypes.c_char_p * len(options))(*options))
    call('nvrtcGetPTXSize', program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    call('nvrtcGetPTX', program, text)
    call('nvrtcDestroyProgram', ctypes.byref(program))
    return Ptx(text.value.decode(), kernel, threads)


def nvcc_ptx(source, kernel, threads, shared_bytes=0):
    """PTX that nvcc makes of one of this project's kernel files, compiled as the build compiles it."""
    nvcc = os.path.join(os.environ.get('CUDA_HOME', '/usr/local/cuda'), 'bin', 'nvcc')
    command = [nvcc if os.path.exists(nvcc) else 'nvcc', '-ptx', '-lineinfo', '-std=c++20', f'-arch=sm_{ARCHITECTURE}',
               '--expt-relaxed-constexpr', '-I', ROOT, '-o', '/dev/stdout', os.path.join(ROOT, source)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise Missing('no nvcc here') from None
    if done.returncode != 0:
        raise RuntimeError(f'{source}: nvcc: {done.stderr.strip()[-500:]}')
    return Ptx(done.stdout, kernel, threads, shared_bytes)
