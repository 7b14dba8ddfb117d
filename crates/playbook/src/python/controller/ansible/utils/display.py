"""What plugins tell the user."""
import sys

from imgbuild import ask


class Display:
    verbosity = 0
    columns = 79

    def __init__(self, *args, **kwargs):
        pass

    def warning(self, text, *args, **kwargs):
        ask({"warning": str(text)})

    deprecated = error = error_as_warning = warning

    def display(self, text, *args, **kwargs):
        print(text, file=sys.stderr)

    banner = system = display

    def vvv(self, text, *args, **kwargs):
        pass

    v = vv = vvvv = vvvvv = vvvvvv = verbose = debug = vvv
