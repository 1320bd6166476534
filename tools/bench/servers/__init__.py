"""One module per server: `APPS`, a function per application, and `serve`, which runs one.

`halny.py` is `tornado.py` with the imports changed, as a user would move an application.
"""
