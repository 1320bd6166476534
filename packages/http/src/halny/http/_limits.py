"""Every limit on what a peer may make grow while a message is read: its name, its default and its reason."""

from __future__ import annotations

from typing import NamedTuple, final

KIB = 1024
MIB = 1024 * KIB


@final
class Limits(NamedTuple):
    """How much of a message is accepted. What goes beyond is refused with the status that each one names.

    Limits don't change: `DEFAULT_LIMITS._replace(max_body_size=2**20)` makes others.
    """

    max_header_size: int = 64 * KIB
    """Bytes of a head, the start line included; more is answered with 431. Large enough for the cookies that
    browsers keep for a site, small enough that a thousand connections which never finish theirs cost 64 MiB."""

    max_header_count: int = 256
    """Header lines of a message; more are answered with 431. Applications look headers up by name, so a count
    that no client comes near costs nobody anything and bounds what a head can be made to cost."""

    max_target_size: int = 32 * KIB
    """Bytes of the request target; more is answered with 414. Twice what browsers send, half of a head."""

    max_body_size: int = 100 * MIB
    """Bytes of a body after its transfer coding is taken off; more is answered with 413. A route may ask for
    another limit."""

    max_chunk_line_size: int = 1 * KIB
    """Bytes of a chunk-size line with its extensions, which nobody uses; more is answered with 400."""

    max_chunk_extensions_size: int = 16 * KIB
    """Bytes of chunk extensions in a body beyond its bytes of content; more is answered with 400. Else a body within
    its limit could be sent with a thousand times as much around it, all of which has to be read."""

    max_trailer_size: int = 8 * KIB
    """Bytes of the trailer section, which is read and dropped; more is answered with 400."""

    max_empty_lines: int = 4
    """Empty lines that are skipped before a request line (RFC 9112, section 2.2); more are answered with 400."""

    max_interim_responses: int = 10
    """Responses with a status of 100 to 199 that a client takes before the final one; a server sends one or two, and
    with more it would keep a client busy for ever. Counting them is the client's business."""


DEFAULT_LIMITS = Limits()
"""The limits that hold where nobody sets others."""
