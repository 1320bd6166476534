"""Static files: small, middle and large; the large one with nginx beside."""

from __future__ import annotations

from tools.bench._load import CONNECTIONS, Load
from tools.bench._requests import Answer, Request
from tools.bench._site import STATIC_SIZES

LARGE_CONNECTIONS = 8
"""With more, the clients' buffers of a 10 MiB file measure the memory and not the server."""


def _case(size: str, connections: int) -> Load:
    length = STATIC_SIZES[size]

    def is_whole(answer: Answer, number: int) -> bool:
        return len(answer.body) == length

    return Load(
        f"static-{size}",
        f"A static file of {size[:-1]} {'KiB' if size.endswith('k') else 'MiB'}",
        "static",
        Request(f"/static/{size}.bin?n={{n}}"),
        is_whole,
        connections,
        length,
        also=("nginx",),
    )


CASES = tuple(_case(size, LARGE_CONNECTIONS if size == "10m" else CONNECTIONS) for size in STATIC_SIZES)
