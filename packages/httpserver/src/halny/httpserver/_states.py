"""What a connection is waiting for."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    """What a connection is waiting for.

    | from | to | when |
    |---|---|---|
    | IDLE | HEAD | a part of a head has come |
    | IDLE, HEAD | ANSWERING | a head is complete, and its body is none, or is streamed |
    | IDLE, HEAD | BODY | a head is complete, and its body is to be collected |
    | BODY | ANSWERING | the body is complete |
    | ANSWERING | IDLE | the response is finished, and so is the body |
    | IDLE, HEAD, BODY, ANSWERING | LINGERING | the connection ends, with a response or without |
    | ANSWERING | DETACHED | the application takes the connection over |
    | any but DETACHED | CLOSED | the transport says so |
    """

    IDLE = auto()
    """The first byte of a request."""
    HEAD = auto()
    """The rest of a head."""
    BODY = auto()
    """The rest of a body that is collected for its endpoint."""
    ANSWERING = auto()
    """The endpoint's response; the request is complete, or its body goes to an `Upload`."""
    LINGERING = auto()
    """The peer's end, after a response that closes the connection."""
    DETACHED = auto()
    """Nothing: the transport belongs to somebody else."""
    CLOSED = auto()
    """Nothing: the connection is gone."""


# By themselves, for a module's name is found ten times as fast as a member of an enumeration.
ANSWERING: Final = State.ANSWERING
BODY: Final = State.BODY
CLOSED: Final = State.CLOSED
DETACHED: Final = State.DETACHED
HEAD: Final = State.HEAD
IDLE: Final = State.IDLE
LINGERING: Final = State.LINGERING
