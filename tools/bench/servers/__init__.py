"""One module per server: `APPS`, a function per application, and `serve`, which runs one.

`halny_apps.py` is `tornado_apps.py` with the imports changed, as a user would move an application.
"""
