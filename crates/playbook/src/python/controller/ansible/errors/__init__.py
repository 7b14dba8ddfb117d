"""The error classes that plugins raise and catch."""


class AnsibleError(Exception):
    def __init__(self, message="", obj=None, show_content=True, suppress_extended_error=False, orig_exc=None, **more):
        super().__init__(message)
        self.message = str(message)
        self.orig_exc = orig_exc
        self.obj = obj

    def __str__(self):
        return self.message


class AnsibleAction(AnsibleError):
    """What an action ends with; `result` is what it says besides."""

    def __init__(self, message="", obj=None, result=None, **more):
        super().__init__(message, obj=obj, **more)
        self.result = result or {}


class AnsibleActionFail(AnsibleAction):
    pass


class AnsibleActionSkip(AnsibleAction):
    pass


class _AnsibleActionDone(AnsibleAction):
    pass


class AnsibleRuntimeError(AnsibleError):
    pass


class AnsibleConnectionFailure(AnsibleRuntimeError):
    pass


class AnsibleTemplateError(AnsibleRuntimeError):
    pass


class AnsibleUndefinedVariable(AnsibleTemplateError):
    pass


class AnsibleFilterError(AnsibleTemplateError):
    pass


class AnsibleLookupError(AnsibleTemplateError):
    pass


def _more():
    for name in """AnsibleOptionsError AnsibleRequiredOptionError AnsibleParserError AnsibleInternalError AnsibleAssertionError
            AnsibleFileNotFound AnsibleAuthenticationFailure AnsibleModuleError AnsibleFilterTypeError AnsibleTypeError
            AnsibleValueError AnsibleTemplatePluginError AnsiblePluginError AnsiblePluginRemovedError AnsiblePluginNotFound
            AnsibleCallbackError AnsibleVaultError AnsibleUndefinedConfigEntry AnsibleTemplatePluginRuntimeError
            AnsibleTemplateSyntaxError AnsibleVariableTypeError AnsibleJSONParserError""".split():
        globals()[name] = type(name, (AnsibleError,), {})


_more()
AnsibleFilterTypeError = type("AnsibleFilterTypeError", (AnsibleFilterError, TypeError), {})
