"""`python -m halny.autoreload`: the same as `python -m halny.ioloop.autoreload`."""

from halny.ioloop.autoreload import main

if __name__ == "__main__":
    main()
