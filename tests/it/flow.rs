//! How failures, facts and handlers go from task to task and play to play, as ansible-core 2.19.14 has it.

use crate::support::Env;

/// A playbook on hosts that are all this machine.
fn on(hosts: &str, text: &str, code: i32) -> crate::support::Output {
    let env = Env::new();
    env.write("site.yml", text);
    env.run(["playbook", "-i", hosts, "-c", "local", "site.yml"]).expect(code)
}

#[test]
fn end_play_forgets_no_failure() {
    let text = "- hosts: h1,h2\n  gather_facts: false\n  tasks:\n    - fail: msg=x\n      when: inventory_hostname == 'h1'\n    - meta: end_play\n- hosts: h1,h2\n  gather_facts: false\n  tasks: [{debug: {msg: 'second {{ inventory_hostname }}'}}]\n";
    on("h1,h2,", text, 2).has("second h2").has_not("second h1");
}

#[test]
fn max_fail_percentage_counts_all_tasks_of_the_batch() {
    let fail = |host: &str| format!("    - {{fail: {{msg: y}}, when: \"inventory_hostname == '{host}'\"}}\n");
    let text = format!(
        "- hosts: h1,h2,h3\n  gather_facts: false\n  max_fail_percentage: 50\n  tasks:\n{}    - debug: msg=between\n{}    - debug: msg=after\n- hosts: h3\n  gather_facts: false\n  tasks: [{{debug: {{msg: second}}}}]\n",
        fail("h1"),
        fail("h2")
    );
    on("h1,h2,h3,", &text, 2).has("between").has("NO MORE HOSTS LEFT").has_not("\"after\"").has_not("\"second\"");
}

#[test]
fn smart_gathering_asks_for_facts_that_nobody_gathered() {
    let env = Env::new();
    let text = "- hosts: h\n  gather_facts: false\n  tasks:\n    - setup: {gather_subset: ['!all', '!min', local]}\n    - set_fact: {x: 1, cacheable: true}\n- hosts: h\n  tasks: [{debug: {msg: 'on {{ ansible_kernel | default(\"none\") }}'}}]\n- hosts: h\n  tasks: [{debug: {msg: third}}]\n";
    env.write("site.yml", text);
    env.write("ansible.cfg", "[defaults]\ngathering = smart\n");
    let ran = env.run(["playbook", "-i", "h,", "-c", "local", "site.yml"]).expect(0).has_not("on none").has("third");
    assert_eq!(ran.stdout.matches("TASK [Gathering Facts]").count(), 1, "{}", ran.stdout);
}

#[test]
fn a_handler_that_flushes_fails_only_when_it_is_notified() {
    let text = "- hosts: h\n  gather_facts: false\n  tasks: [{debug: {msg: x}, changed_when: true, notify: NAME}]\n  handlers:\n    - {name: one, debug: {msg: handled}}\n    - {name: flush, meta: flush_handlers}\n";
    on("h,", &text.replace("NAME", "one"), 0).has("handled");
    on("h,", &text.replace("NAME", "flush"), 1).has("flush_handlers cannot be used as a handler");
}

#[test]
fn dependencies_see_the_variables_of_the_entry_that_brings_them() {
    let env = Env::new();
    env.write("roles/a/meta/main.yml", "dependencies:\n  - role: b\n    vars: {bx: 'from {{ an }}'}\n");
    env.write("roles/a/vars/main.yml", "both: role\n");
    env.write("roles/b/tasks/main.yml", "- debug: msg=\"{{ bx }}, {{ an }}, {{ both }}\"\n");
    env.write("site.yml", "- hosts: h\n  gather_facts: false\n  roles: [{role: a, vars: {an: entry, both: entry}}]\n");
    env.run(["playbook", "-i", "h,", "-c", "local", "site.yml"]).expect(0).has("from entry, entry, role");
}

#[test]
fn free_words_where_none_belong_fail_where_they_are_reached() {
    let text = "- hosts: h\n  gather_facts: false\n  tasks:\n    - debug: msg=in never\n      when: SAYS\n";
    on("h,", &text.replace("SAYS", "false"), 0).has("skipping: [h]").has("site.yml:4:7");
    on("h,", &text.replace("SAYS", "true"), 2).has("Action 'ansible.builtin.debug' does not support raw params.");
}

#[test]
fn playbooks_of_collections_and_retry_files() {
    let env = Env::new();
    env.write(
        "collections/ansible_collections/a/b/playbooks/pb.yml",
        "- hosts: all\n  gather_facts: false\n  tasks: [{fail: {msg: told}, when: \"inventory_hostname == 'h2'\"}]\n",
    );
    env.write("ansible.cfg", "[defaults]\nretry_files_enabled = true\nretry_files_save_path = kept/here\n");
    env.run(["playbook", "-i", "h1,h2,", "-c", "local", "a.b.pb"])
        .expect(2)
        .has("told")
        .has("to retry, use: --limit @");
    let kept = std::fs::read_to_string(env.work().join("kept/here/pb.retry")).unwrap();
    assert_eq!(kept, "h2\n");
    env.run(["playbook", "a.b.none"]).expect(1).has("the playbook: a.b.none could not be found");
}

#[test]
fn what_playbooks_and_roles_bring_along_serves_the_whole_run() {
    let env = Env::new();
    let module = "#!/bin/sh\n# WANT_JSON\necho '{\"changed\": false, \"w\": \"NAME\"}'\n";
    env.write("library/tm", &module.replace("NAME", "top"));
    env.write("sub/library/sm", &module.replace("NAME", "sub"));
    env.write("roles/ra/library/ma", &module.replace("NAME", "ra"));
    env.write("roles/ra/tasks/main.yml", "- ma:\n");
    env.write("roles/rb/tasks/main.yml", "- ma:\n  register: r\n- debug: msg=\"rb {{ r.w }}\"\n");
    env.write("more.yml", "- ma:\n  register: r\n- debug: msg=\"more {{ r.w }}\"\n");
    env.write("sub/s.yml", "- hosts: h\n  gather_facts: false\n  tasks: [{sm: {}, register: s}, {tm: {}, register: t}, {debug: {msg: 'both {{ s.w }} {{ t.w }}'}}]\n");
    env.write(
        "site.yml",
        "- import_playbook: sub/s.yml\n- hosts: h\n  gather_facts: false\n  roles: [ra]\n- hosts: h\n  gather_facts: false\n  roles: [rb]\n  tasks: [{sm: {}}, {include_tasks: more.yml}, {include_role: {name: rb}}]\n",
    );
    env.run(["playbook", "-i", "h,", "-c", "local", "site.yml"])
        .expect(0)
        .has("both sub top")
        .has("rb ra")
        .has("more ra")
        .has("failed=0");
}

#[test]
fn names_of_a_plays_hosts_keep_the_inventorys_order() {
    let text = "- hosts: all\n  order: sorted\n  gather_facts: false\n  tasks: [{debug: {msg: '{{ ansible_play_hosts | join }} {{ ansible_play_batch | join }}'}, run_once: true}]\n";
    on("h3,h1,h2,", text, 0).has("h3h1h2 h1h2h3");
}

#[test]
fn what_is_hidden_is_each_hosts_affair() {
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: 'text of {{ inventory_hostname }}'}\n      no_log: \"{{ inventory_hostname == 'h1' }}\"\n    - debug: {msg: plain}\n      no_log: false\n    - debug: {msg: default}\n";
    on("h1,h2,", text, 0).has("text of h2").has_not("text of h1").has("\"plain\"").has("\"default\"");
    let env = Env::new();
    env.write("site.yml", text);
    env.write("ansible.cfg", "[defaults]\nno_log = true\n");
    let ran = env.run(["playbook", "-i", "h1,h2,", "-c", "local", "site.yml"]).expect(0);
    ran.has("text of h2").has_not("text of h1").has("\"plain\"").has_not("\"default\"");
}
