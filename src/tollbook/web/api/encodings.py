"""Request bodies that come compressed, made plain within bounds: a small body must not become a large one."""

import zlib

import zstandard

from tollbook.errors import Invalid
from tollbook.web.intake import LARGEST_BODY, TooLarge

_LARGEST_WINDOW = 8 * 1024 * 1024
_PIECE = 256 * 1024
TAKEN = ("identity", "gzip", "zstd")


def plain(body: bytes, encoding: str) -> bytes:
    """The body without its encoding, one of `TAKEN`. Raises Invalid, and TooLarge for a body of more than
    `LARGEST_BODY` bytes once it is plain; never holds more than it may."""
    if encoding == "identity":
        return body
    try:
        return _gunzipped(body) if encoding == "gzip" else _unzstd(body)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Invalid(f"The body is not {encoding}, or not all of it: {error}.") from None


def _gunzipped(body: bytes) -> bytes:
    """All members of a gzip file, one after another."""
    out = bytearray()
    while body:
        unpacker = zlib.decompressobj(wbits=31)
        while body and not unpacker.eof:
            out += unpacker.decompress(body, _PIECE)
            if len(out) > LARGEST_BODY:
                raise TooLarge
            body = unpacker.unconsumed_tail
            if not body and not unpacker.eof:
                out += unpacker.flush(_PIECE)
                if len(out) > LARGEST_BODY:
                    raise TooLarge
        if not unpacker.eof:
            raise EOFError("it ends too early")
        body = unpacker.unused_data
    return bytes(out)


def _unzstd(body: bytes) -> bytes:
    out = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(body, read_across_frames=True)
    while piece := reader.read(_PIECE):
        out += piece
        if len(out) > LARGEST_BODY:
            raise TooLarge
    return bytes(out)
