"""The base of callbacks, for plugins that borrow its ways; no callback of theirs is run."""
import difflib
import json

from ansible.utils.display import Display


class CallbackBase:
    def __init__(self, display=None, options=None):
        self._display = display or Display()
        self._options = options or {}

    def get_option(self, name):
        return self._options.get(name)

    def _dump_results(self, result, indent=None, sort_keys=True, keep_invocation=False, serialize=True):
        shown = {k: v for k, v in result.items() if not k.startswith("_ansible_") and (keep_invocation or k != "invocation")}
        return json.dumps(shown, indent=indent, sort_keys=sort_keys, default=str, ensure_ascii=False)

    def _get_diff(self, difflist):
        """The difference as `--diff` shows it."""
        out = []
        for one in difflist if isinstance(difflist, list) else [difflist]:
            if "prepared" in one:
                out.append(one["prepared"])
            if "before" not in one or "after" not in one:
                continue
            sides = []
            for side in ("before", "after"):
                text = one[side]
                if not isinstance(text, str):
                    text = json.dumps(text, sort_keys=True, indent=4, separators=(",", ": ")) + "\n"
                header = one.get(side + "_header")
                sides.append((text.splitlines(True), "%s: %s" % (side, header) if header else side))
            (before, was), (after, now) = sides
            lines = list(difflib.unified_diff(before, after, fromfile=was, tofile=now, lineterm="\n", n=3))
            # Nothing stands after the name, and the last line ends.
            out.extend(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)
            if lines:
                out.append("\n")
        return "".join(out)
