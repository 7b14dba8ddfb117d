//! Exit codes of `ansible-playbook`: what ansible-core 2.19.14 gives for each of these, as recorded from runs of it. Where the
//! program differs on purpose, the row says so.

use crate::support::Env;

/// A play on localhost with these lines below it.
fn play(rest: &str) -> String {
    format!("- hosts: localhost\n  gather_facts: false\n{}", rest.replace("\n\n", "\n"))
}

fn tasks(list: &str) -> String {
    let list: String = list.lines().map(|line| format!("    {line}\n")).collect();
    play(&format!("  tasks:\n{list}"))
}

/// Files that the playbooks name.
fn files(env: &Env) {
    for (name, text) in [
        ("right", "right\n"),
        ("wrong", "wrong\n"),
        ("bad.yml", "a: {\n"),
        ("secret.yml", "v: 1\n"),
        ("secret_tasks.yml", "- debug: msg=1\n"),
        ("secret_play.yml", "- hosts: localhost\n  tasks: []\n"),
        ("roles/ok/tasks/main.yml", "- debug: msg=1\n"),
        ("roles/secret/tasks/main.yml", "- debug: msg=1\n"),
        ("roles/secret/vars/main.yml", "v: 1\n"),
        ("roles/bad_meta/meta/main.yml", "dependencies: {\n"),
        ("roles/bad_tasks/tasks/main.yml", "- debug: {\n"),
        ("roles/bad_defaults/defaults/main.yml", "a: {\n"),
        ("roles/needs/meta/main.yml", "dependencies: [nosuch]\n"),
        ("groups/group_vars/all.yml", "v: 1\n"),
        ("groups_bad/group_vars/all.yml", "a: {\n"),
        ("groups_list/group_vars/all.yml", "[a]\n"),
        ("inc/import_role.yml", "- import_role: {name: nosuch}\n"),
        ("inc/import_tasks.yml", "- import_tasks: nosuch.yml\n"),
        ("inc/import_undefined.yml", "- import_tasks: '{{ nosuch }}.yml'\n"),
        ("inc/import_secret.yml", "- import_tasks: ../secret_tasks.yml\n"),
        ("inc/two_loops.yml", "- debug: msg=1\n  loop: [1]\n  with_items: [1]\n"),
        ("inc/keyword.yml", "- debug: msg=1\n  nosuch: 1\n"),
        ("inc/no_list.yml", "a: 1\n"),
        ("inc/no_action.yml", "- name: x\n"),
        ("inc/empty.yml", ""),
        ("inc/filter.yml", "- debug: msg={{ 1 | nosuch }}\n"),
        ("inc/module.yml", "- nosuch_module: {}\n"),
        ("inc/collection.yml", "- a.b.nosuch_module: {}\n"),
        ("inc/role_option.yml", "- include_role: {name: ok, nosuch: 1}\n"),
    ] {
        env.write(name, text);
    }
    for name in ["groups", "groups_bad", "groups_list"] {
        env.write(&format!("{name}/site.yml"), &tasks("- debug: msg=1"));
    }
    let vaults = [
        "secret.yml",
        "secret_tasks.yml",
        "secret_play.yml",
        "roles/secret/vars/main.yml",
        "groups/group_vars/all.yml",
    ];
    env.run([&["vault", "encrypt", "--vault-password-file", "right"], &vaults[..]].concat()).expect(0);
}

#[test]
fn of_what_can_not_be_loaded() {
    let env = Env::new();
    files(&env);
    let missing_role = play("  roles: [nosuch]\n");
    let vars_files = |file: &str| play(&format!("  vars_files: [{file}]\n  tasks:\n    - debug: msg=1\n"));
    let none: &[&str] = &[];
    let wrong = &["--vault-password-file", "wrong"][..];
    let rows: &[(&str, String, &[&str], i32)] = &[
        ("missing role", missing_role.clone(), none, 1),
        ("missing role, syntax", missing_role.clone(), &["--syntax-check"], 1),
        ("missing role, list", missing_role, &["--list-tasks"], 1),
        ("missing dependency", play("  roles: [needs]\n"), none, 1),
        ("role without a name", play("  roles: [{nam: ok}]\n"), none, 1),
        ("import_role, missing", tasks("- import_role: {name: nosuch}"), none, 1),
        ("import_role, no such tasks", tasks("- import_role: {name: ok, tasks_from: nosuch}"), none, 4),
        ("import_role, no such vars", tasks("- include_role: {name: ok, vars_from: nosuch}"), none, 0),
        ("import_tasks, missing", tasks("- import_tasks: nosuch.yml"), none, 1),
        ("import_tasks, undefined", tasks("- import_tasks: '{{ nosuch }}.yml'"), none, 4),
        ("import_playbook, missing", "- import_playbook: nosuch.yml\n".into(), none, 1),
        ("role with a broken meta", play("  roles: [bad_meta]\n"), none, 4),
        ("role with broken tasks", play("  roles: [bad_tasks]\n"), none, 4),
        ("role with broken defaults", play("  roles: [bad_defaults]\n"), none, 4),
        ("YAML", tasks("- debug: {"), none, 4),
        ("keyword of a play", play("  nosuch: 1\n"), none, 4),
        ("keyword of a task", tasks("- debug: msg=1\n  nosuch: 1"), none, 4),
        ("module", tasks("- nosuch_module: {}"), none, 4),
        ("module, syntax", tasks("- nosuch_module: {}"), &["--syntax-check"], 4),
        // Decision 0050: Ansible has 4 here as well; what a collection would bring only fails where it is reached.
        ("module of a collection", tasks("- a.b.nosuch_module: {}"), none, 2),
        ("no action", tasks("- name: x"), none, 4),
        ("two actions", tasks("- debug: msg=1\n  command: ls"), none, 4),
        ("two loops", tasks("- debug: msg=1\n  loop: [1]\n  with_items: [1]"), none, 1),
        ("no list", "hosts: localhost\n".into(), none, 4),
        ("empty", String::new(), none, 4),
        ("empty list", "[]\n".into(), none, 4),
        ("no hosts", "- tasks: []\n".into(), none, 4),
        ("empty hosts", "- hosts: ''\n".into(), none, 4),
        ("vars_prompt", play("  vars_prompt: [{nam: x}]\n"), none, 4),
        ("strategy", play("  strategy: nosuch\n"), none, 1),
        // Decision 0050: Ansible finds it when a host is there; the code is the same.
        ("filter", tasks("- debug: msg={{ 1 | nosuch }}"), none, 2),
        ("vault in vars_files", vars_files("secret.yml"), none, 1),
        ("vault in vars_files, wrong", vars_files("secret.yml"), wrong, 1),
        ("vault in vars_files, syntax", vars_files("secret.yml"), &["--syntax-check"], 1),
        ("vault in vars_files, late", vars_files("'{{ \"secret\" }}.yml'"), none, 1),
        ("vars_files, missing", vars_files("nosuch.yml"), none, 0),
        ("vars_files, broken", vars_files("bad.yml"), none, 4),
        ("vault in a role", play("  roles: [secret]\n"), none, 1),
        ("vault in import_tasks", tasks("- import_tasks: secret_tasks.yml"), wrong, 1),
        ("vault in import_playbook", "- import_playbook: secret_play.yml\n".into(), wrong, 1),
        ("vault in include_tasks", tasks("- include_tasks: secret_tasks.yml"), wrong, 2),
        ("vault in include_vars", tasks("- include_vars: secret.yml"), wrong, 2),
        ("vault in -e", tasks("- debug: msg=1"), &["-e", "@secret.yml"], 1),
        ("vault in -e, wrong", tasks("- debug: msg=1"), &["-e", "@secret.yml", "--vault-password-file", "wrong"], 1),
        ("-e, missing", tasks("- debug: msg=1"), &["-e", "@nosuch.yml"], 1),
        ("-e, broken", tasks("- debug: msg=1"), &["-e", "@bad.yml"], 4),
        ("-e, broken text", tasks("- debug: msg=1"), &["-e", "{a"], 4),
        ("-e, list", tasks("- debug: msg=1"), &["-e", "[1]"], 5),
        ("-e, word", tasks("- debug: msg=1"), &["-e", "abc"], 0),
        ("password file, missing", tasks("- debug: msg=1"), &["--vault-password-file", "nosuch"], 1),
        ("second playbook, missing", tasks("- debug: msg=1"), &["nosuch.yml"], 1),
        ("second playbook, broken", tasks("- debug: msg=1"), &["bad.yml"], 4),
        ("no such flag", tasks("- debug: msg=1"), &["--nosuch"], 2),
        ("forks", tasks("- debug: msg=1"), &["-f", "0"], 2),
    ];
    for (name, text, more, code) in rows {
        env.write("site.yml", text);
        let output = env.run([&["playbook", "site.yml"], *more].concat());
        assert_eq!(output.code, *code, "{name}\n{}\n{}", output.stdout, output.stderr);
    }
    for (args, code) in [
        (&["groups/site.yml"][..], 4),
        (&["groups/site.yml", "--vault-password-file", "wrong"], 4),
        (&["groups/site.yml", "--syntax-check"], 0),
        (&["groups/site.yml", "--list-tasks"], 0),
        (&["groups/site.yml", "--vault-password-file", "right"], 0),
        (&["groups_bad/site.yml"], 4),
        (&["groups_list/site.yml"], 4),
        (&["secret_play.yml"], 1),
        (&["secret_play.yml", "--syntax-check"], 1),
        (&["nosuch.yml"], 1),
        (&["roles"], 1),
        (&[], 2),
    ] {
        env.run([&["playbook"], args].concat()).expect(code);
    }
}

#[test]
fn of_runs() {
    let env = Env::new();
    files(&env);
    let rescue = |task: &str| tasks(&format!("- block:\n    - {task}\n  rescue:\n    - debug: msg=rescued"));
    let include = |name: &str| rescue(&format!("include_tasks: inc/{name}.yml"));
    let role = |name: &str| rescue(&format!("include_role: {{name: {name}}}"));
    for (name, text, more, code, rescued) in [
        ("fine", tasks("- debug: msg=1"), &[][..], 0, false),
        ("failed", tasks("- fail:"), &[], 2, false),
        ("undefined", tasks("- debug: msg={{ nosuch }}"), &[], 2, false),
        (
            "unreachable",
            tasks("- ping:").replace("localhost", "all"),
            &["-i", "127.0.0.1,", "-e", "ansible_port=1"],
            4,
            false,
        ),
        ("handler", tasks("- command: id\n  notify: nosuch"), &["-c", "local"], 1, false),
        ("meta", tasks("- meta: nosuch"), &[], 1, false),
        ("no such task to start at", tasks("- debug: msg=1"), &["--start-at-task", "nosuch"], 0, false),
        ("become method", tasks("- debug: msg=1"), &["-b", "--become-method", "nosuch"], 2, false),
        (
            "delegate_to, undefined",
            tasks("- debug: msg=1\n  delegate_to: '{{ nosuch }}'\n  when: false"),
            &[],
            2,
            false,
        ),
        ("name, undefined", play("  name: '{{ nosuch }}'\n"), &[], 4, false),
        ("hosts, undefined", "- hosts: '{{ nosuch }}'\n  name: x\n".into(), &[], 4, false),
        ("serial, undefined", play("  serial: '{{ nosuch }}'\n"), &[], 4, false),
        // Ansible has 250 for a serial that is no number: a defect by its own words.
        ("serial", play("  serial: abc\n"), &[], 1, false),
        // What is missing or can't be opened fails the hosts that ask; what can't be read ends the run.
        ("include, missing", include("nosuch"), &[], 0, true),
        ("include, role missing", include("import_role"), &[], 0, true),
        ("include, tasks missing", include("import_tasks"), &[], 0, true),
        ("include, import undefined", include("import_undefined"), &[], 4, false),
        ("include, vault", include("import_secret"), &[], 0, true),
        ("include, two loops", include("two_loops"), &[], 0, true),
        ("include, keyword", include("keyword"), &[], 4, false),
        ("include, no list", include("no_list"), &[], 0, true),
        ("include, no action", include("no_action"), &[], 4, false),
        ("include, empty", include("empty"), &[], 0, false),
        ("include, filter", include("filter"), &[], 0, true),
        ("include, module", include("module"), &[], 4, false),
        ("include, module of a collection", include("collection"), &[], 4, false),
        ("include, option", include("role_option"), &[], 4, false),
        ("include, folder", rescue("include_tasks: inc"), &[], 4, false),
        ("role, missing", role("nosuch"), &[], 0, true),
        ("role, dependency missing", role("needs"), &[], 0, true),
        ("role, vault", role("secret"), &[], 0, true),
        ("role, meta", role("bad_meta"), &[], 4, false),
        ("role, tasks", role("bad_tasks"), &[], 4, false),
        ("role, defaults", role("bad_defaults"), &[], 4, false),
        ("role, no such tasks", rescue("include_role: {name: ok, tasks_from: nosuch}"), &[], 4, false),
    ] {
        env.write("site.yml", &text);
        let output = env.run([&["playbook", "site.yml"], more].concat()).expect(code);
        assert_eq!(output.stdout.contains("\"msg\": \"rescued\""), rescued, "{name}\n{}", output.stdout);
    }
}

#[test]
fn wrong_arguments_are_told_before_anything_runs() {
    let env = Env::new();
    let list = "- debug: msg=1\n- file: {path: /x, stat: absent, mode: '{{ m }}'}\n  when: false\n- lineinfile: {path: '{{ x }}', state: gone}\n  when: false\n\
                - apt: {name: a, cache_valid_time: often}\n  when: false\n- docker_volume: {name: a, tls: true}\n  when: false\n\
                - package: {name: a, whatever: 1}\n  when: false\n- file: '{{ all_of_it }}'\n  when: false\n\
                - command: {cmd: echo fine, warn: false}\n  when: false";
    env.write("site.yml", &tasks(list));
    // No play fails here that runs with Ansible: these are warnings, each with its place.
    let stderr = env.run(["playbook", "site.yml"]).expect(0).stderr;
    for (text, line) in [
        ("Unsupported parameters for (ansible.builtin.file) module: stat", 5),
        ("value of state must be one of: absent, present, got: gone", 7),
        ("argument 'cache_valid_time' is of type str", 9),
        ("the option 'tls' is not supported by imgbuild", 11),
        ("\"warn\" was removed from command", 17),
    ] {
        let at = stderr.find(text).unwrap_or_else(|| panic!("{text} in\n{stderr}"));
        assert!(stderr[at..].lines().nth(1).unwrap().contains(&format!("site.yml:{line}:")), "{text}\n{stderr}");
    }
    assert!(stderr.contains("did you mean \"state\"?") && !stderr.contains("whatever"), "{stderr}");
    assert_eq!(stderr.matches("[WARNING]").count(), 6, "{stderr}");
    // `warn` is left out, and the command runs.
    env.write("site.yml", &tasks("- command: {cmd: echo fine, warn: false}\n  register: r\n- debug: var=r.stdout"));
    env.run(["playbook", "-c", "local", "site.yml"]).expect(0).has("\"r.stdout\": \"fine\"");
}

#[test]
fn roles_that_tasks_import_name_plays() {
    let env = Env::new();
    env.write("roles/names/defaults/main.yml", "group: web\n");
    env.write("roles/names/tasks/main.yml", "- debug: msg=1\n");
    let text = "- hosts: \"{{ group | default('other') }}\"\n  gather_facts: false\n  tasks:\n    - import_role: {name: names}\n";
    env.write("site.yml", text);
    env.write("hosts", "[web]\na ansible_connection=local\n");
    env.run(["playbook", "-i", "hosts", "--list-tasks", "site.yml"]).expect(0).has("play #1 (web): web");
    env.run(["playbook", "-i", "hosts", "site.yml"]).expect(0).has("ok: [a]");
}

#[test]
fn errors_of_plays_have_places() {
    let env = Env::new();
    env.write("site.yml", &play("  serial: [1, abc]\n"));
    env.run(["playbook", "site.yml"]).expect(1).has("site.yml:3:").has("\"abc\" is no number");
    env.write("site.yml", &play("  serial: '{{ nosuch }}'\n"));
    env.run(["playbook", "site.yml"]).expect(4).has("Error processing keyword 'serial'").has("site.yml:3:");
    // Variables of all are localhost's as well, although it is in no group.
    env.write("group_vars/all.yml", "v: of all\n");
    env.write("site.yml", &tasks("- debug: msg=\"{{ v }} {{ group_names }} {{ hostvars.localhost.v }}\""));
    env.run(["playbook", "site.yml"]).expect(0).has("of all [] of all");
    // A file of variables that can't be read is told once, before the first task, however many hosts have it.
    env.write("group_vars/all.yml", "a: {\n");
    env.write("site.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: msg=1\n");
    let output = env.run(["playbook", "-i", "a,b,c", "site.yml"]).expect(4).has("group_vars/all.yml");
    assert_eq!(output.stderr.matches("YAML parsing failed").count(), 1, "{}", output.stderr);
    assert!(!output.stdout.contains("TASK ["), "{}", output.stdout);
}
