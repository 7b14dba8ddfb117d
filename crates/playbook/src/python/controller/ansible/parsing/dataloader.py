"""Files of the controller."""
import os

from imgbuild import Trusted, ask_value

from imgbuild.variables import Variables


def _as_templates(value):
    if isinstance(value, dict):
        return {key: _as_templates(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_templates(item) for item in value]
    return Trusted(value) if isinstance(value, str) else value


class DataLoader:
    def __init__(self):
        self._basedir = None
        self._made = set()

    def get_basedir(self):
        return self._basedir or str(Variables().get("playbook_dir", os.getcwd()))

    def set_basedir(self, basedir):
        self._basedir = basedir

    def path_dwim(self, given):
        given = os.path.expanduser(given)
        return given if os.path.isabs(given) else os.path.abspath(os.path.join(self.get_basedir(), given))

    def path_dwim_relative(self, path, dirname, source, is_role=False):
        return self.path_dwim_relative_stack([path], dirname, source, is_role) or self.path_dwim(source)

    def path_dwim_relative_stack(self, paths, dirname, source, is_role=False):
        source = os.path.expanduser(source)
        if os.path.isabs(source):
            return source if os.path.exists(source) else None
        for path in list(paths) + [self.get_basedir()]:
            above = os.path.dirname(path) if os.path.basename(path) == "tasks" else path
            for candidate in (os.path.join(above, dirname, source), os.path.join(path, dirname, source), os.path.join(path, source)):
                if os.path.exists(candidate):
                    return os.path.abspath(candidate)
        return None

    def path_exists(self, path):
        return os.path.exists(self.path_dwim(path))

    def is_file(self, path):
        return os.path.isfile(self.path_dwim(path)) or self.path_dwim(path) == os.devnull

    def is_directory(self, path):
        return os.path.isdir(self.path_dwim(path))

    def list_directory(self, path):
        return os.listdir(self.path_dwim(path))

    def is_executable(self, path):
        return os.access(self.path_dwim(path), os.X_OK)

    def _get_file_contents(self, file_name):
        text = ask_value({"file": self.path_dwim(file_name)})
        return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"), True

    get_text_file_contents = staticmethod(lambda file_name, encoding=None: ask_value({"file": file_name}))

    def load(self, data, file_name="<string>", show_content=True, json_only=False, trusted_as_template=False):
        loaded = self._load(data)
        return _as_templates(loaded) if trusted_as_template else loaded

    def _load(self, data):
        return ask_value({"yaml": data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")})

    def load_from_file(self, file_name, cache="all", unsafe=False, json_only=False, trusted_as_template=False):
        return self.load(self._get_file_contents(file_name)[0], file_name, trusted_as_template=trusted_as_template)

    def get_real_file(self, file_path, decrypt=True):
        """The file itself, or a copy of it out of its vault, for this process alone."""
        path = self.path_dwim(file_path)
        if decrypt:
            with open(path, "rb") as file:
                vaulted = file.read(14) == b"$ANSIBLE_VAULT"
            if vaulted:
                import tempfile
                handle, copy = tempfile.mkstemp()
                with os.fdopen(handle, "wb") as file:
                    file.write(self._get_file_contents(path)[0])
                self._made.add(copy)
                return copy
        return path

    def cleanup_tmp_file(self, file_path):
        if file_path in self._made:
            self._made.discard(file_path)
            os.unlink(file_path)

    def cleanup_all_tmp_files(self):
        for path in list(self._made):
            self.cleanup_tmp_file(path)

    def find_vars_files(self, path, name, extensions=None, allow_dir=True):
        base = os.path.join(path, name)
        return [base + e for e in extensions or ["", ".yml", ".yaml", ".json"] if os.path.isfile(base + e)]
