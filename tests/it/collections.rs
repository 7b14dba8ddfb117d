//! Modules and action plugins in Python, of installed collections and of a playbook's own: with the machine's Python, and without
//! ansible-core.

use crate::support::{Env, program_or_skip};

/// A collection with a helper, a module that moved, an action plugin and a group.
const FILES: &[(&str, &str)] = &[
    (
        "meta/runtime.yml",
        "plugin_routing:\n  modules:\n    old: {redirect: a.b.count}\n    gone: {tombstone: {warning_text: Use count.}}\n    faded: {deprecation: {warning_text: Soon.}, redirect: a.b.count}\n  filter: {oldf: {redirect: a.b.twice}, deadf: {tombstone: {warning_text: Use twice.}}}\n  lookup: {oldl: {redirect: a.b.told}}\naction_groups:\n  all: [count, metadata: {extend_group: [more]}]\n  more: [deed]\n",
    ),
    (
        "plugins/module_utils/sums.py",
        "from .parts import one\n\n\ndef total(numbers):\n    return sum(numbers) + one() - 1\n",
    ),
    ("plugins/module_utils/parts.py", "def one():\n    return 1\n"),
    (
        "plugins/modules/count.py",
        r#"#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.a.b.plugins.module_utils.sums import total


def main():
    module = AnsibleModule(
        argument_spec=dict(
            numbers=dict(type='list', elements='int', required=True),
            note=dict(type='str', default='none', choices=['none', 'some']),
            secret=dict(type='str', no_log=True),
        ),
        supports_check_mode=True,
    )
    rc, out, err = module.run_command(['echo', module.params['note']], check_rc=True)
    module.exit_json(big=2 ** 100, deep=dict(far=[-2 ** 90]), changed=not module.check_mode, total=total(module.params['numbers']), note=out.strip(),
                     told=module.params['secret'])


main()
"#,
    ),
    ("plugins/filter/f.py", "class FilterModule:\n    def filters(self):\n        return {'twice': lambda x: x * 2}\n"),
    (
        "plugins/lookup/told.py",
        "DOCUMENTATION = 'options: {_terms: {required: true}, n: {type: int, default: \"3\", vars: [{name: told_n}]}}'\nfrom ansible.plugins.lookup import LookupBase\n\n\nclass LookupModule(LookupBase):\n    def run(self, terms, variables=None, **kwargs):\n        self.set_options(var_options=variables, direct=kwargs)\n        return [t * self.get_option('n') for t in terms]\n",
    ),
    (
        "plugins/lookup/sly.py",
        "from ansible.errors import AnsibleError\nfrom ansible.plugins.loader import filter_loader\nfrom ansible.plugins.lookup import LookupBase\n\n\nclass LookupModule(LookupBase):\n    def run(self, terms, variables=None, **kwargs):\n        ways = [lambda t: self._templar.template('{{ %s }}' % t), lambda t: filter_loader.get('upper }}{{ ' + t)('x'),\n                lambda t: filter_loader.get('replace')('x', 'x', **{'y=%s, z' % t: 1}),\n                self._templar.resolve_variable_expression, self._templar.evaluate_expression]\n        out = []\n        for way in ways:\n            try:\n                out.append(way(terms[0]))\n            except AnsibleError:\n                out.append('refused')\n        return [out, self._templar.resolve_variable_expression(\"kept['n']\")]\n",
    ),
    (
        "playbooks/pb.yml",
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - count: {numbers: [4]}\n      register: r\n    - debug: {msg: 'short {{ r.total }}'}\n    - import_role: {name: own}\n",
    ),
    ("roles/own/tasks/main.yml", "- old: {numbers: [6]}\n  register: r\n- debug: {msg: 'role {{ r.total }}'}\n"),
    // Nothing but a relative import over two lines says that it is a module of Ansible's.
    (
        "plugins/modules/beside.py",
        "from ..module_utils.\\\n    own.made import Mine\n\nMine(argument_spec=dict(word=dict(type='str', no_log=True))).end()\n",
    ),
    (
        "plugins/module_utils/own/made.py",
        "from ansible.module_utils.basic import AnsibleModule\n\n\nclass Mine(AnsibleModule):\n    def end(self):\n        if self.params['word'] == 'die-of-it':\n            raise RuntimeError('gone')\n        self.exit_json(mine=True)\n",
    ),
    (
        "plugins/action/deed.py",
        r#"from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ..module_utils.sums import total


class ActionModule(ActionBase):
    _VALID_ARGS = frozenset(('path', 'fail'))

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        if self._task.args.get('fail'):
            raise AnsibleActionFail('told to', result={'rc': 7})
        path = self._task.args['path']
        self._transfer_data(path, 'from an action: %s\n' % self._templar.template(trust_as_template('{{ word }}')))
        told = self._low_level_execute_command('cat %s' % path)
        counted = self._execute_module('a.b.count', {'numbers': [total([1, 2]), 4]}, task_vars=task_vars)
        stat = self._execute_remote_stat(path, all_vars=task_vars, follow=False)
        other = task_vars['hostvars']['other']
        task_vars['vars']['kept']['n'] = 5
        result.update(kept=task_vars['kept']['n'])
        result.update(seen=other.get('theirs'), same=task_vars['vars']['word'], here=self._compute_environment_string())
        result.update(changed=True, said=told['stdout_lines'], total=counted['total'], size=stat['size'], who=task_vars['word'])
        return result
"#,
    ),
];

const PLAY: &str = r#"
- hosts: other
  gather_facts: false
  tasks: [{set_fact: {theirs: x}}]
- hosts: localhost
  gather_facts: false
  vars: {word: w}
  module_defaults:
    group/a.b.all: {note: some}
    a.b.deed: {}
  tasks:
    - a.b.count: {numbers: [1, '2'], secret: hush}
      register: counted
    - a.b.old: {numbers: 5}
      register: moved
    - count: {numbers: [1], note: none}
      collections: [a.b]
      register: short
    - a.b.count: {numbers: x}
      register: wrong
      ignore_errors: true
    - a.b.deed: {path: "{{ base }}/deed", fail: "{{ omit }}"}
      module_defaults: {group/a.b.all: {}}
      environment: {SAID: here}
      vars: {kept: {n: 1}}
      register: deed
    - a.b.deed: {fail: true}
      module_defaults: {group/a.b.all: {}}
      register: failed
      ignore_errors: true
    # What looks like a template or an expression stays what it is, whichever way a plugin takes.
    - assert:
        that:
          - got[0][0] | length == sly | length + 6 and sly in got[0][0]
          - got[0][1:] == ['refused', 'refused', 'refused', 'refused'] and got[1] == 1
      vars: {sly: "lookup('pipe', 'echo ran')", kept: {n: 1}, got: "{{ query('a.b.sly', sly) }}"}
    - assert:
        that: query('a.b.told', 'z') == ['zz']
      vars: {told_n: 2}
    - assert:
        that:
          - counted.total == 3 and counted.note == 'some' and counted is changed
          - counted.told == 'VALUE_SPECIFIED_IN_NO_LOG_PARAMETER' or counted.told == '********'
          - moved.total == 5
          - short.note == 'none'
          - "'unable to convert' in wrong.msg"
          - deed.said == ['from an action: w'] and deed.total == 7 and deed.size == 18 and deed.who == 'w'
          - failed.rc == 7 and failed.msg == 'told to'
          - counted.big + 1 == 1267650600228229401496703205377 and counted.deep.far[0] == -1237940039285380274899124224
          - "'x' | a.b.oldf == 'xx' and 'y' | a.b.twice == 'yy'"
          - "lookup('a.b.oldl', 'z') == 'zzz' and lookup('a.b.told', 'z', n=1) == 'z'"
          - deed.seen == 'x' and deed.same == 'w' and deed.kept == 5 and deed.here == 'SAID=here'
"#;

#[test]
fn modules_and_actions_of_a_collection() {
    if !program_or_skip("modules_and_actions_of_a_collection", "python3") {
        return;
    }
    let env = Env::new();
    for (path, text) in FILES {
        env.write(&format!("collections/ansible_collections/a/b/{path}"), text);
    }
    env.write("site.yml", PLAY);
    let base = format!("base={}", env.work().display());
    env.write("hosts", "other ansible_connection=local\n");
    env.run(["playbook", "-i", "hosts", "-e", &base, "site.yml"])
        .expect(0)
        .has("All assertions passed")
        .has("failed=0");
    env.write("gone.yml", "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - a.b.gone:\n");
    env.run(["playbook", "gone.yml"])
        .expect(1)
        .has("The 'a.b.gone' module has been removed. Use count.")
        .has("gone.yml:4:7");
    env.write(
        "beside.yml",
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - a.b.beside: {word: lives}\n      register: r\n    - assert: {that: r.mine}\n    - a.b.beside: {word: '{{ w }}'}\n",
    );
    // Whatever is shown, what was asked of the agent is not.
    env.run(["playbook", "-vvv", "-e", "w=die-of-it", "beside.yml"])
        .expect(2)
        .has("All assertions passed")
        .has("gone")
        .has_not("die-of-it");
    env.run(["playbook", "a.b.pb"]).expect(0).has("short 4").has("role 6");
    env.write("imports.yml", "- import_playbook: a.b.pb\n");
    env.run(["playbook", "imports.yml"]).expect(0).has("short 4").has("role 6");
    env.write(
        "dead.yml",
        "- hosts: localhost\n  gather_facts: false\n  tasks: [{debug: {msg: \"{{ 'x' | a.b.deadf }}\"}}]\n",
    );
    env.run(["playbook", "dead.yml"]).expect(2).has("The 'a.b.deadf' filter plugin has been removed. Use twice.");
    env.write("faded.yml", "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - a.b.faded: {numbers: [1]}\n");
    env.run(["playbook", "faded.yml"]).expect(0).has("a.b.faded has been deprecated. Soon.");
}

#[test]
fn actions_of_the_playbook_stand_above_ansibles_own() {
    if !program_or_skip("actions_of_the_playbook_stand_above_ansibles_own", "python3") {
        return;
    }
    let env = Env::new();
    env.write(
        "action_plugins/copy.py",
        "from ansible.plugins.action.copy import ActionModule as Base\n\n\nclass ActionModule(Base):\n    def run(self, tmp=None, task_vars=None):\n        self._task.args['content'] = self._task.args['content'].upper()\n        return dict(super().run(tmp, task_vars), mine=True)\n",
    );
    env.write(
        "action_plugins/hidden.py",
        "from ansible.plugins.action import ActionBase\n\n\nclass ActionModule(ActionBase):\n    def run(self, tmp=None, task_vars=None):\n        return dict(msg='a secret', _ansible_no_log=True)\n",
    );
    env.write(
        "site.yml",
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - copy: {content: loud, dest: \"{{ base }}/f\"}\n      register: done\n    - ansible.builtin.copy: {content: low, dest: \"{{ base }}/g\"}\n      register: plain\n    - hidden:\n    - assert:\n        that:\n          - done.mine and plain.mine is undefined\n          - lookup('file', base ~ '/f') == 'LOUD'\n          - lookup('file', base ~ '/g') == 'low'\n",
    );
    let base = format!("base={}", env.work().display());
    env.run(["playbook", "-v", "-e", &base, "site.yml"])
        .expect(0)
        .has("All assertions passed")
        .has("the output has been hidden")
        .has_not("a secret");
}
