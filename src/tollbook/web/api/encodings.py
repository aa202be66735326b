"""Request bodies that come compressed, made plain within bounds: a small body must not become a large one."""

import zlib

import zstandard

from tollbook.errors import Invalid
from tollbook.web.intake import LARGEST_BODY, TooLarge

_LARGEST_WINDOW = 8 * 1024 * 1024
_PIECE, _STEP = 256 * 1024, 16 * 1024
MOST_PARTS = 1_000
"""Members of gzip, frames of zstd. A million empty ones fit into a body, and each costs time."""

_FRAME, _SKIPPABLE = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"  # RFC 8878; of skippable frames, the bytes that all begin with
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
    """All members of a gzip file, one after another. In small steps, since zlib copies what a step leaves over."""
    out, rest = bytearray(), memoryview(body)
    for _ in range(MOST_PARTS):
        if not rest:
            return bytes(out)
        rest = rest[_gunzip_member(rest, out) :]
    raise EOFError("it has too many parts")


def _gunzip_member(rest: memoryview, out: bytearray) -> int:
    """Unpack one member onto `out`; how many bytes it took."""
    unpacker, place = zlib.decompressobj(wbits=31), 0
    while not unpacker.eof:
        step = rest[place : place + _STEP]
        piece = unpacker.decompress(step, _PIECE)
        place += len(step) - len(unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail)
        if not step and not piece:
            raise EOFError("it ends too early")
        out += piece
        if len(out) > LARGEST_BODY:
            raise TooLarge
    return place


def _unzstd(body: bytes) -> bytes:
    if body.count(_FRAME) + body.count(_SKIPPABLE) > MOST_PARTS:
        raise EOFError("it has too many parts")
    out = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(body, read_across_frames=True)
    while piece := reader.read(_PIECE):
        out += piece
        if len(out) > LARGEST_BODY:
            raise TooLarge
    return bytes(out)
