"""What plugins tell the user."""
import sys

import imgbuild
from imgbuild import ask


class Display:
    verbosity = 0
    columns = 79

    def __init__(self, *args, **kwargs):
        pass

    def warning(self, text, *args, **kwargs):
        if imgbuild.told is not None:
            imgbuild.told.setdefault("warnings", []).append(str(text))
        else:
            ask({"warning": str(text)})

    error = error_as_warning = warning

    def deprecated(self, msg, version=None, removed=False, date=None, collection_name=None, **kwargs):
        if imgbuild.told is not None:
            note = {"msg": str(msg), "version": version, "date": date, "collection_name": collection_name}
            imgbuild.told.setdefault("deprecations", []).append(note)
        else:
            self.warning(msg)

    def display(self, text, *args, **kwargs):
        if imgbuild.told is not None:
            ask({"display": str(text)})
        else:
            print(text, file=sys.stderr)

    banner = system = display

    def vvv(self, text, *args, **kwargs):
        pass

    v = vv = vvvv = vvvvv = vvvvvv = verbose = debug = vvv
