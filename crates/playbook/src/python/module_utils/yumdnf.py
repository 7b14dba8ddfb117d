# What the modules yum and dnf have in common.
from __future__ import absolute_import

from abc import ABCMeta, abstractmethod

from ansible.module_utils.six import with_metaclass

_YES, _NO = dict(type='bool', default=True), dict(type='bool', default=False)
_LIST = dict(type='list', elements='str', default=[])
yumdnf_argument_spec = dict(
    argument_spec=dict(
        allow_downgrade=_NO, allowerasing=_NO, autoremove=_NO, best=dict(type='bool'), bugfix=dict(_NO, required=False),
        cacheonly=_NO, conf_file=dict(type='str'), disable_excludes=dict(type='str', default=None), disable_gpg_check=_NO,
        disable_plugin=_LIST, disablerepo=_LIST, download_only=_NO, download_dir=dict(type='str', default=None),
        enable_plugin=_LIST, enablerepo=_LIST, exclude=_LIST, installroot=dict(type='str', default='/'),
        install_repoquery=_YES, install_weak_deps=_YES, list=dict(type='str'),
        name=dict(type='list', elements='str', aliases=['pkg'], default=[]), nobest=dict(type='bool'),
        releasever=dict(default=None),
        security=_NO, skip_broken=_NO, sslverify=_YES,
        state=dict(type='str', default=None, choices=['absent', 'installed', 'latest', 'present', 'removed']),
        update_cache=dict(type='bool', default=False, aliases=['expire-cache']), update_only=dict(_NO, required=False),
        validate_certs=_YES, lock_timeout=dict(type='int', default=30)),
    required_one_of=[['name', 'list', 'update_cache']], mutually_exclusive=[['name', 'list'], ['best', 'nobest']],
    supports_check_mode=True)


class YumDnf(with_metaclass(ABCMeta, object)):
    def __init__(self, module):
        self.module = module
        for name in yumdnf_argument_spec['argument_spec']:
            setattr(self, {'name': 'names'}.get(name, name), module.params.get(name))
        for name in ('names', 'disable_plugin', 'disablerepo', 'enable_plugin', 'enablerepo', 'exclude'):
            setattr(self, name, self.listify_comma_sep_strings_in_list(getattr(self, name) or []))
        self.update_only = self.module.params.get('update_only')
        if self.state is None:
            self.state = 'absent' if self.autoremove else 'present'
        if self.autoremove and self.state != 'absent':
            self.module.fail_json(msg='Autoremove should be used alone or with state=absent', results=[])

    def listify_comma_sep_strings_in_list(self, some_list):
        """["a, b", "c"] means three."""
        return [part.strip() for one in some_list for part in one.split(',') if part.strip()]

    @abstractmethod
    def run(self):
        raise NotImplementedError
