# The errors that the checks of arguments find.


class AnsibleFallbackNotFound(Exception):
    """A fallback (an environment variable) has no value."""


class AnsibleValidationError(Exception):
    def __init__(self, message):
        super(AnsibleValidationError, self).__init__(message)
        self.error_message = message

    @property
    def msg(self):
        return self.args[0]


class AnsibleValidationErrorMultiple(AnsibleValidationError):
    """Several errors; its message is that of the first."""

    def __init__(self, errors=None):
        self.errors = list(errors or [])

    def __getitem__(self, key):
        return self.errors[key]

    def __setitem__(self, key, value):
        self.errors[key] = value

    def __delitem__(self, key):
        del self.errors[key]

    @property
    def msg(self):
        return self.errors[0].args[0]

    @property
    def messages(self):
        return [error.msg for error in self.errors]

    def append(self, error):
        self.errors.append(error)

    def extend(self, errors):
        self.errors.extend(errors)


class AliasError(AnsibleValidationError):
    """The spec names aliases in a way that can't be."""


class ArgumentTypeError(AnsibleValidationError):
    """A value can't be turned into the type of its option."""


class ArgumentValueError(AnsibleValidationError):
    """A value is none of the choices."""


class DeprecationError(AnsibleValidationError):
    """The spec names deprecations in a way that can't be."""


class ElementError(AnsibleValidationError):
    """An element of a list can't be turned into the type of the elements."""


class MutuallyExclusiveError(AnsibleValidationError):
    """Options that exclude each other are there."""


class NoLogError(AnsibleValidationError):
    """The values that are to be hidden can't be found."""


class RequiredByError(AnsibleValidationError):
    """An option that another one needs is missing."""


class RequiredDefaultError(AnsibleValidationError):
    """The spec has a default for a required option."""


class RequiredError(AnsibleValidationError):
    """A required option is missing."""


class RequiredIfError(AnsibleValidationError):
    """An option that is required with a value of another one is missing."""


class RequiredOneOfError(AnsibleValidationError):
    """None of several options is there."""


class RequiredTogetherError(AnsibleValidationError):
    """Only some of the options that belong together are there."""


class SubParameterTypeError(AnsibleValidationError):
    """An option with options of its own is no dictionary."""


class UnsupportedError(AnsibleValidationError):
    """An option is none of the spec's."""
