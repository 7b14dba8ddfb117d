# A part of AnsibleModule: programs, and texts made fit to be shown.
from __future__ import absolute_import

import os
import re
import select
import shlex
import signal
import subprocess
import threading
import traceback

from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.common.process import get_bin_path
from ansible.module_utils.common.text.converters import to_bytes, to_native, to_text
from ansible.module_utils.six import PY2, PY3, binary_type, text_type
from ansible.module_utils.six.moves import shlex_quote

PASSWD_ARG_RE = re.compile(r'^[-]{0,2}pass[-]?(word|wd)?')
_STARS = '*' * 8


def heuristic_log_sanitize(data, no_log_values=None):
    """The text without what looks like the password in an address, and without the values that are to be hidden."""
    text = to_native(data)
    end, first = len(text), True
    while True:
        at = text.rfind('@', 0, end)
        begin = text.rfind('://', 0, at) if at >= 0 else -1
        if at < 0 or begin < 0 and not first:
            break
        # user:password before the "@"; without a colon all after the scheme.
        colon = text.find(':', begin + 3 if begin >= 0 else text.rfind('@', 0, at) + 1, at)
        if colon < 0:
            colon = begin
        if colon < 0:
            break
        text = text[:colon + 1] + _STARS + text[at:]
        if begin < 0:
            break
        end, first = begin, False
    return remove_values(text, no_log_values) if no_log_values else text


class Commands(object):
    def get_bin_path(self, arg, required=False, opt_dirs=None):
        try:
            return get_bin_path(arg, opt_dirs)
        except ValueError as error:
            if required:
                self.fail_json(msg=to_text(error))
            return None

    def _clean_args(self, args):
        """The words of a command, without passwords, as one text."""
        if isinstance(args, (binary_type, text_type)):
            args = shlex.split(to_native(args))
        out, hide = [], False
        for word in (to_native(one) for one in args):
            if hide:
                word, hide = _STARS, False
            elif PASSWD_ARG_RE.match(word):
                at = word.find('=')
                if at >= 0:
                    word = '%s=%s' % (word[:at], _STARS)
                else:
                    hide = True
            out.append(shlex_quote(heuristic_log_sanitize(word, self.no_log_values)))
        return ' '.join(out)

    def run_command(self, args, check_rc=False, close_fds=True, executable=None, data=None, binary_data=False,
                    path_prefix=None, cwd=None, use_unsafe_shell=False, prompt_regex=None, environ_update=None, umask=None,
                    encoding='utf-8', errors='surrogate_or_strict', expand_user_and_vars=True, pass_fds=None,
                    before_communicate_callback=None, ignore_invalid_cwd=True, handle_exceptions=True):
        """Runs a program: (its status, its standard output, its standard error)."""
        if not isinstance(args, (list, binary_type, text_type)):
            self.fail_json(rc=257, cmd=args, msg="Argument 'args' to run_command must be list or string")
        shell = False
        if use_unsafe_shell:
            if isinstance(args, list):
                args = ' '.join(shlex_quote(to_native(one)) for one in args)
            args = to_bytes(args, errors='surrogate_or_strict')
            if executable:
                args = [to_bytes(executable, errors='surrogate_or_strict'), b'-c', args]
            else:
                shell = True
        else:
            if not isinstance(args, list):
                args = shlex.split(to_bytes(args) if PY2 else to_text(args, errors='surrogateescape'))
            words = (to_native(one, errors='surrogate_or_strict') for one in args if one is not None)
            args = [to_bytes(os.path.expanduser(os.path.expandvars(one)) if expand_user_and_vars else one,
                             errors='surrogate_or_strict') for one in words]
        prompt = None
        if prompt_regex:
            if isinstance(prompt_regex, text_type):
                prompt_regex = to_bytes(prompt_regex, errors='surrogateescape' if PY3 else 'strict')
            if isinstance(prompt_regex, binary_type):
                prompt_regex = [prompt_regex]
            try:
                prompt = [re.compile(to_bytes(one), re.MULTILINE) for one in prompt_regex]
            except re.error:
                self.fail_json(msg='invalid prompt regular expression given to run_command')
        env = dict(os.environ, **self.run_command_environ_update)
        env.update(environ_update or {})
        if path_prefix:
            env['PATH'] = os.pathsep.join([path_prefix, env['PATH']] if env.get('PATH') else [path_prefix])
        options = dict(
            executable=to_bytes(executable) if executable and shell else None, shell=shell, close_fds=close_fds, env=env,
            stdin=subprocess.PIPE if data else None, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if PY2:
            # Python ignores this signal, programs count on it.
            options['preexec_fn'] = lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        elif pass_fds:
            options['pass_fds'] = pass_fds
        if cwd:
            cwd = to_bytes(os.path.abspath(os.path.expanduser(cwd)), errors='surrogate_or_strict')
            if os.path.isdir(cwd):
                options['cwd'] = cwd
            elif not ignore_invalid_cwd:
                self.fail_json(msg='Provided cwd is not a valid directory: %s' % to_native(cwd))
        mask = os.umask(umask) if umask is not None else None
        try:
            process = subprocess.Popen(args, **options)
            if before_communicate_callback:
                before_communicate_callback(process)
            if data and not binary_data:
                data = to_bytes(data) + b'\n'
            rc, out, err = self._talk(process, to_bytes(data) if data else None, prompt if not data else None)
        except (IOError, OSError) as error:
            if not handle_exceptions:
                raise
            self.fail_json(rc=error.errno, stdout='', stderr='', msg='Error executing command.', cmd=self._clean_args(args),
                           exception=error)
        except Exception as error:
            if not handle_exceptions:
                raise
            self.fail_json(rc=257, stdout='', stderr='', msg='Error executing command.', cmd=self._clean_args(args),
                           exception=to_text(traceback.format_exc()) or error)
        finally:
            if mask is not None:
                os.umask(mask)
        if rc is None:
            message = 'A prompt was encountered while running a command, but no input data was specified'
            rc, err = 257, to_bytes(message)
        if check_rc and rc != 0:
            self.fail_json(cmd=self._clean_args(args), rc=rc, stdout=to_native(out), stderr=to_native(err),
                           msg=heuristic_log_sanitize(to_native(err).rstrip(), self.no_log_values))
        if encoding is not None:
            return rc, to_native(out, encoding=encoding, errors=errors), to_native(err, encoding=encoding, errors=errors)
        return rc, out, err

    @staticmethod
    def _talk(process, data, prompt):
        """What the program writes until it has ended; no status if it asks for something."""
        if data is not None:
            # Beside the reading: the program may write before it has read everything.
            def feed():
                try:
                    process.stdin.write(data)
                    process.stdin.close()
                except (IOError, OSError):
                    pass
            feeder = threading.Thread(target=feed)
            feeder.daemon = True
            feeder.start()
        poller, texts = select.poll(), {}
        for pipe in (process.stdout, process.stderr):
            poller.register(pipe.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
            texts[pipe.fileno()] = b''
        left = set(texts)
        while left:
            try:
                ready = poller.poll(1000)
            except select.error as error:
                if error.args[0] == 4:  # interrupted
                    continue
                raise
            for at, _ in ready:
                part = os.read(at, 65536)
                texts[at] += part
                if not part:
                    poller.unregister(at)
                    left.discard(at)
            if prompt and any(one.search(texts[process.stdout.fileno()]) for one in prompt) and process.poll() is None:
                process.kill()
                process.wait()
                return None, texts[process.stdout.fileno()], b''
            # A daemon that it started may hold the pipes open for ever.
            if not ready and process.poll() is not None:
                break
        out, err = texts[process.stdout.fileno()], texts[process.stderr.fileno()]
        process.stdout.close()
        process.stderr.close()
        return process.wait(), out, err
