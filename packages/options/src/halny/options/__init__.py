"""Typed command-line and configuration-file options, and readable coloured logs.

```python
from halny.options import define, options, parse_command_line

define("port", default=8888, help="the port to listen on")
define("debug", default=False)

parse_command_line()
print(options.port)
```
"""

from ._errors import Error
from ._parser import OptionParser
from ._shared import add_parse_callback, define, options, parse_command_line, parse_config_file, print_help
from ._version import __version__ as __version__
from .log import define_logging_options

__all__ = [
    "Error",
    "OptionParser",
    "add_parse_callback",
    "define",
    "define_logging_options",
    "options",
    "parse_command_line",
    "parse_config_file",
    "print_help",
]

# Tracebacks and pickles name an exception by the module that it is imported from, not by the private one that it is in.
Error.__module__ = __name__
