"""The third stage: a template, those it extends and those it includes become one page.

The page's outline is that of the template at the root of `extends`. A block is replaced by the last one of its name,
counted from the root to the template itself, each read from its beginning to its end with its includes in place.
What stands outside the blocks of a template that extends another is read, for its blocks and its errors, and not put
out.

How a template is found is not known here: the stage is handed a function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ._nodes import Apply, Block, If, Include, Loop, Try

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._nodes import File, Node

MAX_FILES: Final = 1000
"""The limit of templates in one page. The number of the file shares a 32-bit integer with the number of the line, and a
page of a thousand files is a mistake."""


MAX_INCLUDES: Final = 10_000
"""The limit of `include` tags that are followed for one page, repeated ones counted each time. A handful of templates
that include each other twice would ask for billions."""


@dataclass(slots=True)
class Page:
    """A template with all that it extends and includes."""

    files: list[File]
    """The template itself, and then the others; a file's index here is its number in the page's code."""
    root: File
    """The template whose body is the page's outline."""
    blocks: dict[str, tuple[Block, File]] = field(default_factory=dict[str, "tuple[Block, File]"])
    """What takes the place of each block, and the file that it stands in."""
    includes: dict[int, File] = field(default_factory=dict[int, "File"])
    """What takes the place of each `Include`, by its `id`."""
    followed: int = 0
    """How many includes were followed."""


def resolve(file: File, load: Callable[[str, str], File]) -> Page:
    """Puts a page together.

    Args:
        file: The template.
        load: Gives the template of a name, seen from the template of another name. It raises `LookupError`, `OSError`
            or `ValueError` when there is none.

    Raises:
        ParseError: One of the templates can't be found or is wrong, or extends or includes itself.
    """
    chain = [file]
    while (parent := chain[-1].extends) is not None:
        found = _load(load, parent, chain[-1])
        if any(found is known or found.source.name == known.source.name for known in chain):
            raise chain[-1].source.error(f"circular 'extends' of {parent.name!r}", parent.line)
        if len(chain) >= MAX_FILES:
            raise chain[-1].source.error(f"more than {MAX_FILES} templates in one page", parent.line)
        chain.append(found)
    page = Page(list(chain), chain[-1])
    for ancestor in reversed(chain):
        _collect(page, ancestor, load, [])
    return page


def _load(load: Callable[[str, str], File], wanted: Include, file: File) -> File:
    try:
        return load(wanted.name, file.source.name)
    except (LookupError, OSError, ValueError, RecursionError) as error:
        reason = "circular use of templates" if isinstance(error, RecursionError) else str(error)
        raise file.source.error(f"can't load {wanted.name!r}: {reason}", wanted.line) from error


def _collect(page: Page, file: File, load: Callable[[str, str], File], including: list[File]) -> None:
    """Notes the blocks of a file, and those of the files that it includes."""
    for node in _descend(file.body):
        if isinstance(node, Block):
            page.blocks[node.name] = (node, file)
        else:
            included = page.includes.get(id(node)) or _load(load, node, file)
            if included is file or any(included is outer for outer in including):
                raise file.source.error(f"circular 'include' of {node.name!r}", node.line)
            if included.extends is not None:
                raise file.source.error(f"can't include {node.name!r}, which extends another template", node.line)
            page.followed += 1
            if page.followed > MAX_INCLUDES:
                raise file.source.error(f"more than {MAX_INCLUDES} includes in one page", node.line)
            page.includes[id(node)] = included
            if not any(included is known for known in page.files):
                if len(page.files) >= MAX_FILES:
                    raise file.source.error(f"more than {MAX_FILES} templates in one page", node.line)
                page.files.append(included)
            _collect(page, included, load, [*including, file])


def _descend(body: list[Node]) -> Iterator[Block | Include]:
    """All blocks and includes of a body, in the order of the text."""
    waiting = [iter(body)]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
            continue
        if isinstance(node, Block | Include):
            yield node
        if not isinstance(node, Include):
            waiting.extend(iter(inner) for inner in reversed(bodies(node)))


def bodies(node: Node) -> list[list[Node]]:
    """The bodies of a node, in the order of the text."""
    if isinstance(node, Block | Apply):
        return [node.body]
    if isinstance(node, If):
        return [*(body for _, body in node.branches), *([node.otherwise] if node.otherwise else [])]
    if isinstance(node, Loop):
        return [node.body, *([node.otherwise] if node.otherwise else [])]
    if isinstance(node, Try):
        inner = [node.body, *(body for _, body in node.handlers)]
        return [*inner, *(body for body in (node.otherwise, node.final) if body)]
    return []
