# Keys of SSH hosts.
from __future__ import absolute_import

import base64
import hashlib
import hmac
import os
import re

from ansible.module_utils.six.moves.urllib.parse import urlparse


def is_ssh_url(url):
    """Whether it is reached over SSH: ssh://..., or user@host:path."""
    return '@' in url and '://' not in url or any(url.startswith(one) for one in ('ssh://', 'git+ssh://', 'ssh+git://'))


def get_fqdn_and_port(repo_url):
    """(host, port) of an address of a repository."""
    ipv6 = re.compile(r'(\[[^]]*\])(?::([0-9]+))?')
    if '@' in repo_url and '://' not in repo_url:
        rest = repo_url.split('@', 1)[1]
        found = ipv6.match(rest)
        return (found.group(1) if found else rest.split(':')[0].split('/')[0]), None
    if '://' not in repo_url:
        return None, None
    netloc = urlparse(repo_url)[1].rsplit('@', 1)[-1]
    found = ipv6.match(netloc)
    if found:
        return found.groups()
    host, _, port = netloc.partition(':')
    return host or None, port or None


def _files(user_host_file):
    return [os.path.expanduser(user_host_file), '/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2',
            '/etc/openssh/ssh_known_hosts']


def not_in_host_file(module, host):
    """Whether no file of known hosts has it, in plain or hashed."""
    name = os.environ.get('USER')
    home = os.path.expanduser('~%s/.ssh/known_hosts' % name if name else '~/.ssh/known_hosts')
    for path in _files(home):
        try:
            with open(path) as file:
                lines = file.read().split('\n')
        except (IOError, OSError):
            continue
        for line in lines:
            words = line.split()
            if not words:
                continue
            if words[0].startswith('|1|'):
                salt, kept = (base64.b64decode(part) for part in words[0][3:].split('|')[:2])
                if hmac.new(salt, host.encode('utf-8'), hashlib.sha1).digest() == kept:
                    return False
            elif host in words[0]:
                return False
    return True


def add_host_key(module, fqdn, port=22, key_type='rsa', create_dir=False):
    """Asks the host for its key and adds it: (status, output, errors)."""
    folder = os.path.expanduser('~/.ssh')
    if not os.path.exists(folder):
        if not create_dir:
            module.fail_json(msg='%s does not exist' % folder)
        os.makedirs(folder, 0o700)
    elif not os.path.isdir(folder):
        module.fail_json(msg='%s is not a directory' % folder)
    scan = [module.get_bin_path('ssh-keyscan', True), '-t', key_type] + (['-p', str(port)] if port else []) + [fqdn]
    rc, out, err = module.run_command(scan)
    if rc != 0 or not out:
        module.fail_json(msg='failed to retrieve hostkey. "%s" returned no matches.' % ' '.join(scan), rc=rc, stdout=out,
                         stderr=err)
    with open(os.path.join(folder, 'known_hosts'), 'a') as file:
        file.write(out)
    return rc, out, err


def add_git_host_key(module, url, accept_hostkey=True, create_dir=True):
    """Makes the host of a repository known, or ends the module if it must not."""
    if not is_ssh_url(url):
        return
    fqdn, port = get_fqdn_and_port(url)
    if fqdn and not_in_host_file(module, fqdn):
        if not accept_hostkey:
            module.fail_json(msg='%s has an unknown hostkey. Set accept_hostkey to True or manually add the hostkey prior to '
                                 'running the git module' % fqdn)
        rc, out, err = add_host_key(module, fqdn, port=port, create_dir=create_dir)
        if rc != 0:
            module.fail_json(msg='failed to add %s hostkey: %s' % (fqdn, out + err))
