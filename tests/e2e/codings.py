"""tests/e2e/codings.py: what undoes brotli, zstd and gzip, piece by piece: by the libraries that leat needs anyway."""
import ctypes
import zlib


class Gzip:
    def __init__(self):
        self.inner = zlib.decompressobj(31)

    def feed(self, data):
        return self.inner.decompress(data)

    @property
    def ended(self):
        return self.inner.eof and not self.inner.unused_data


class Br:
    lib = None

    def __init__(self):
        if not Br.lib:
            lib = ctypes.CDLL("libbrotlidec.so.1")
            lib.BrotliDecoderCreateInstance.restype = ctypes.c_void_p
            lib.BrotliDecoderCreateInstance.argtypes = [ctypes.c_void_p] * 3
            lib.BrotliDecoderDecompressStream.argtypes = [ctypes.c_void_p] * 6
            lib.BrotliDecoderDestroyInstance.argtypes = [ctypes.c_void_p]
            Br.lib = lib
        self.state = Br.lib.BrotliDecoderCreateInstance(None, None, None)
        self.ended = False

    def feed(self, data):
        out = b""
        source = ctypes.create_string_buffer(data, len(data))
        left, at = ctypes.c_size_t(len(data)), ctypes.c_void_p(ctypes.addressof(source))
        room = ctypes.create_string_buffer(1 << 16)
        while True:
            free, to = ctypes.c_size_t(1 << 16), ctypes.c_void_p(ctypes.addressof(room))
            result = Br.lib.BrotliDecoderDecompressStream(
                self.state, ctypes.addressof(left), ctypes.addressof(at), ctypes.addressof(free),
                ctypes.addressof(to), None)
            out += room.raw[:(1 << 16) - free.value]
            assert result != 0, "not brotli"
            if result != 3:  # no more output for now
                break
        self.ended = result == 1
        assert left.value == 0, "bytes behind the end"
        return out

    def __del__(self):
        Br.lib.BrotliDecoderDestroyInstance(self.state)


class Zstd:
    lib = None

    class Buffer(ctypes.Structure):
        _fields_ = [("bytes", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]

    def __init__(self):
        if not Zstd.lib:
            lib = ctypes.CDLL("libzstd.so.1")
            lib.ZSTD_createDStream.restype = ctypes.c_void_p
            lib.ZSTD_decompressStream.argtypes = [ctypes.c_void_p] * 3
            lib.ZSTD_decompressStream.restype = ctypes.c_size_t
            lib.ZSTD_isError.argtypes = [ctypes.c_size_t]
            lib.ZSTD_freeDStream.argtypes = [ctypes.c_void_p]
            Zstd.lib = lib
        self.state = Zstd.lib.ZSTD_createDStream()
        self.ended = False

    def feed(self, data):
        out = b""
        source = ctypes.create_string_buffer(data, len(data))
        room = ctypes.create_string_buffer(1 << 16)
        given = Zstd.Buffer(ctypes.addressof(source), len(data), 0)
        while True:
            taken = Zstd.Buffer(ctypes.addressof(room), 1 << 16, 0)
            result = Zstd.lib.ZSTD_decompressStream(self.state, ctypes.addressof(taken), ctypes.addressof(given))
            assert not Zstd.lib.ZSTD_isError(result), "not zstd"
            out += room.raw[:taken.pos]
            if given.pos == given.size and taken.pos < taken.size:
                self.ended = result == 0
                return out

    def __del__(self):
        Zstd.lib.ZSTD_freeDStream(self.state)


DECODERS = {"br": Br, "zstd": Zstd, "gzip": Gzip}


def decode(coding, data):
    """The whole of it, which must be just one body."""
    decoder = DECODERS[coding]()
    out = decoder.feed(data)
    assert decoder.ended, f"{coding} without its end"
    return out
