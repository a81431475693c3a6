"""xxHash64 of whole columns, bit for bit as Spark's `xxhash64` computes it, so that ties fall alike without Spark.

Collet 2012, https://github.com/Cyan4973/xxHash (the algorithm's description). Spark hashes several columns in turn,
each with the hash so far as its seed, beginning with 42.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from counterpart.numerics.compiled import compiled, compiled_in_place

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)
_SPARK_SEED = 42


def hash_longs(values: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """`xxhash64(seed, value)` of each whole number, both BIGINT."""
    start = _hash_longs(np.array([seed], dtype=np.int64), np.uint64(_SPARK_SEED))[0]
    return np.asarray(_hash_longs(values, np.uint64(start)).view(np.int64))


def hash_texts(values: Any, seed: int) -> npt.NDArray[np.int64]:
    """`xxhash64(seed, value)` of each text (objects that are all str), seed BIGINT."""
    import pyarrow as pa

    column = pa.array(values, type=pa.large_string())
    _, offsets, data = column.buffers()
    start = _hash_longs(np.array([seed], dtype=np.int64), np.uint64(_SPARK_SEED))[0]
    ends = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    return np.asarray(_hash_texts(ends, content, np.uint64(start)).view(np.int64))


@compiled_in_place
def _rotate(value: Any, n: int) -> Any:
    return (value << np.uint64(n)) | (value >> np.uint64(64 - n))


@compiled_in_place
def _mix_long(hashed: Any, value: Any) -> Any:
    return _rotate(hashed ^ (_rotate(value * _P2, 31) * _P1), 27) * _P1 + _P4


@compiled_in_place
def _finish(hashed: Any) -> Any:
    hashed = (hashed ^ (hashed >> np.uint64(33))) * _P2
    hashed = (hashed ^ (hashed >> np.uint64(29))) * _P3
    return hashed ^ (hashed >> np.uint64(32))


@compiled
def _hash_longs(values: Any, seed: Any) -> Any:
    hashes = np.empty(len(values), dtype=np.uint64)
    for i in range(len(values)):
        hashes[i] = _finish(_mix_long(seed + _P5 + np.uint64(8), np.uint64(values[i])))
    return hashes


@compiled_in_place
def _word(content: Any, at: int, n_bytes: int) -> Any:
    word = np.uint64(0)
    for k in range(n_bytes):
        word |= np.uint64(content[at + k]) << np.uint64(8 * k)
    return word


@compiled_in_place
def _start_long_text(content: Any, begin: int, end: int, seed: Any) -> Any:
    """The four lanes of a text of 32 bytes or more."""
    lanes = np.array([seed + _P1 + _P2, seed + _P2, seed, seed - _P1], dtype=np.uint64)
    at = begin
    while at + 32 <= end:
        for k in range(4):
            lanes[k] = _rotate(lanes[k] + _word(content, at + 8 * k, 8) * _P2, 31) * _P1
        at += 32
    hashed = _rotate(lanes[0], 1) + _rotate(lanes[1], 7) + _rotate(lanes[2], 12) + _rotate(lanes[3], 18)
    for k in range(4):
        hashed = (hashed ^ (_rotate(lanes[k] * _P2, 31) * _P1)) * _P1 + _P4
    return hashed


@compiled
def _hash_texts(ends: Any, content: Any, seed: Any) -> Any:
    hashes = np.empty(len(ends) - 1, dtype=np.uint64)
    for i in range(len(hashes)):
        begin, end = ends[i], ends[i + 1]
        n_bytes = end - begin
        hashed = seed + _P5
        if n_bytes >= 32:
            hashed = _start_long_text(content, begin, end, seed)
        hashed += np.uint64(n_bytes)
        at = begin + n_bytes // 32 * 32
        while at + 8 <= end:
            hashed = _mix_long(hashed, _word(content, at, 8))
            at += 8
        if at + 4 <= end:
            hashed = _rotate(hashed ^ (_word(content, at, 4) * _P1), 23) * _P2 + _P3
            at += 4
        while at < end:
            hashed = _rotate(hashed ^ (np.uint64(content[at]) * _P5), 11) * _P1
            at += 1
        hashes[i] = _finish(hashed)
    return hashes
