"""Templates, rendered where the plugin was called."""
import contextlib
import re
import types

from imgbuild import Trusted, ask_value, pack

from imgbuild.variables import Variables


VARIABLE = re.compile(r"""[A-Za-z_]\w*(\.\w+|\[(\w+|'[\w.-]*'|"[\w.-]*")\])*\Z""")


class _Functions:
    """Filters or tests by name, as Jinja's environment holds them."""

    def __init__(self, kind):
        self._kind = kind

    def __getitem__(self, name):
        from ansible.plugins.filter import asked
        return asked(self._kind, name)

    def __contains__(self, name):
        return True

    def get(self, name, default=None):
        return self[name]


class Templar:
    def __init__(self, loader=None, variables=None, shared_loader_obj=None):
        self._loader = loader
        self._search = []
        self._variables = Variables() if variables is None else variables
        self.environment = types.SimpleNamespace(
            newline_sequence="\n", trim_blocks=True, lstrip_blocks=False, variable_start_string="{{", variable_end_string="}}",
            block_start_string="{%", block_end_string="%}", comment_start_string="{#", comment_end_string="#}", searchpath=None,
            filters=_Functions("filter"), tests=_Functions("test"))

    @property
    def available_variables(self):
        return self._variables

    @available_variables.setter
    def available_variables(self, variables):
        self._variables = variables

    _available_variables = available_variables

    def set_available_variables(self, variables):
        self._variables = variables

    def template(self, variable, convert_bare=False, preserve_trailing_newlines=True, escape_backslashes=True,
                 fail_on_undefined=None, overrides=None, convert_data=True, static_vars=None, cache=True, disable_lookups=False):
        return self._ask(variable, dict(overrides or {}), text=bool(overrides) and isinstance(variable, str))

    def do_template(self, data, preserve_trailing_newlines=True, escape_backslashes=True, fail_on_undefined=None,
                    overrides=None, disable_lookups=False, convert_data=False, **more):
        return self._ask(data, dict(overrides or {}), text=True)

    def _ask(self, value, overrides, text=False):
        if not _trusted(value):
            return value
        question = {"template": pack(value), "text": text, "overrides": pack(overrides), "search": list(self._search)}
        more = self._variables.added() if isinstance(self._variables, Variables) else dict(self._variables or {})
        if more:
            question["with"] = pack(more)
        return ask_value(question)

    def evaluate_expression(self, expression, local_variables=None, **more):
        """An expression that the plugin says is one; others are an error, as in ansible-core 2.19."""
        if not isinstance(expression, Trusted):
            from ansible.errors import AnsibleTemplateError
            raise AnsibleTemplateError("Encountered untrusted template or expression.")
        question = {"template": pack(Trusted("{{ %s }}" % expression)), "text": False, "overrides": {"!map": []}}
        more = self._variables.added() if isinstance(self._variables, Variables) else dict(self._variables or {})
        question["with"] = pack(dict(more, **(local_variables or {})))
        return ask_value(question)

    def resolve_variable_expression(self, expression, local_variables=None, **more):
        """A variable and what is in it. It may come from anywhere, so that is all that it may be."""
        if not VARIABLE.match(expression):
            from ansible.errors import AnsibleError
            raise AnsibleError("Invalid variable expression: %s" % expression)
        return self.evaluate_expression(Trusted(expression), local_variables)

    def is_template(self, data):
        return is_template(data)

    def copy_with_new_env(self, environment_class=None, **kwargs):
        made = Templar(self._loader, kwargs.get("available_variables", self._variables))
        made.environment = types.SimpleNamespace(**vars(self.environment))
        made._search = kwargs.get("searchpath") or self._search
        return made

    @contextlib.contextmanager
    def set_temporary_context(self, **kwargs):
        before = self._variables, self._search
        self._search = kwargs.get("searchpath") or self._search
        if kwargs.get("available_variables") is not None:
            self._variables = kwargs["available_variables"]
        try:
            yield
        finally:
            self._variables, self._search = before


def _trusted(value):
    if hasattr(value, "items"):
        return any(_trusted(k) or _trusted(v) for k, v in value.items())
    return isinstance(value, Trusted) or isinstance(value, (list, tuple)) and any(_trusted(item) for item in value)


def is_template(data, *args):
    if isinstance(data, str):
        return "{{" in data or "{%" in data or "{#" in data
    if hasattr(data, "items"):
        return any(is_template(k) or is_template(v) for k, v in data.items())
    return isinstance(data, (list, tuple)) and any(is_template(item) for item in data)


def generate_ansible_template_vars(path, fullpath=None, dest_path=None, include_ansible_managed=True):
    import os
    shown = Trusted("{{ ansible_managed | default('Ansible managed') }}")
    managed = ask_value({"template": pack(shown), "text": True, "overrides": {"!map": []}})
    return {"template_path": path, "template_fullpath": os.path.abspath(fullpath or path), "template_destpath": dest_path,
            "ansible_managed": managed}


def trust_as_template(value):
    """Text of the plugin's own is rendered only if it says so, as in ansible-core 2.19: what comes from hosts never is."""
    return Trusted(value) if isinstance(value, str) else value
