//! Runs that a person takes part in (`--step`, the debugger), `--start-at-task`, and what is said before and beside a run.

use async_trait::async_trait;
use imgbuild_playbook::callback::{DefaultCallback, DisplayOptions, LineSink};
use imgbuild_playbook::settings::Settings;
use imgbuild_playbook::target::{
    Become, Connection, Connector, ModuleCall, OutputSink, RawOutcome, Relay, Target, Unreachable,
};
use imgbuild_playbook::{Inventory, Playbook, Prompt, Prompter, Session, run};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

type Calls = Arc<Mutex<Vec<(String, ModuleCall)>>>;

/// A host on which the command `false` fails and everything else changes something.
struct FakeHost {
    name: String,
    calls: Calls,
}

#[async_trait]
impl Target for FakeHost {
    async fn call(&self, call: ModuleCall, _: Option<OutputSink>) -> Result<Map<String, Value>, Unreachable> {
        self.calls.lock().unwrap().push((self.name.clone(), call.clone()));
        let text = call.args.get("_raw_params").and_then(Value::as_str).unwrap_or_default();
        let answer = if text.starts_with("false") {
            json!({"changed": true, "rc": 1, "msg": "non-zero return code", "failed": true})
        } else {
            json!({"changed": true, "rc": 0, "stdout": text})
        };
        Ok(answer.as_object().unwrap().clone())
    }
    async fn raw(
        &self,
        _: &str,
        _: Option<&Become>,
        _: &BTreeMap<String, String>,
        _: Option<u64>,
    ) -> Result<RawOutcome, Unreachable> {
        Ok(RawOutcome::default())
    }
    async fn fetch(
        &self,
        _: &str,
        _: Option<&Become>,
        _: &mut (dyn std::io::Write + Send),
    ) -> Result<Result<u64, String>, Unreachable> {
        Ok(Ok(0))
    }
    async fn relay(&self, _: Option<&Become>) -> Result<Relay, Unreachable> {
        Ok(Relay { socket: "/no/such/socket".into(), served: Box::pin(std::future::pending()) })
    }
    async fn reset(&self) -> Result<(), Unreachable> {
        Ok(())
    }
    async fn close(&self) {}
}

struct Fakes(Calls);

#[async_trait]
impl Connector for Fakes {
    async fn connect(&self, connection: &Connection) -> Result<Arc<dyn Target>, Unreachable> {
        let user = connection.user.iter().map(|user| format!("{user}@"));
        let name = user.chain([connection.name.clone()]).collect();
        Ok(Arc::new(FakeHost { name, calls: Arc::clone(&self.0) }))
    }
}

/// Types one answer after the other; what it is asked goes to the output.
struct Typist {
    answers: Mutex<VecDeque<&'static str>>,
    lines: Arc<Lines>,
}

#[async_trait]
impl Prompter for Typist {
    fn interactive(&self) -> bool {
        true
    }
    async fn ask(&self, prompt: Prompt) -> Option<String> {
        self.lines.out(&format!("? {}", prompt.text));
        self.answers.lock().unwrap().pop_front().map(str::to_owned)
    }
}

#[derive(Default)]
struct Lines(Mutex<String>);

impl LineSink for Lines {
    fn out(&self, line: &str) {
        let mut all = self.0.lock().unwrap();
        all.push_str(line);
        all.push('\n');
    }
    fn err(&self, line: &str) {
        self.out(line);
    }
}

struct Ran {
    code: u8,
    warnings: String,
    output: String,
    sent: Vec<String>,
    calls: Vec<(String, ModuleCall)>,
}

fn play(files: &[(&str, &str)], answers: &[&'static str], change: impl FnOnce(&mut Settings)) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    let mut settings = Settings::new(dir.path(), dir.path());
    settings.inventory = vec!["a,b,".into()];
    change(&mut settings);
    let (calls, lines) = (Calls::default(), Arc::new(Lines::default()));
    let options = DisplayOptions::new(&settings, false, None);
    let (inventory, _) = Inventory::load(&settings).unwrap();
    let loaded = Playbook::load(&[dir.path().join("site.yml")], settings, inventory).unwrap_or_else(|p| panic!("{p}"));
    let warnings = loaded.warnings.to_string();
    let session = Session {
        connector: Arc::new(Fakes(Arc::clone(&calls))),
        callback: Arc::new(DefaultCallback::new(options, Arc::clone(&lines) as Arc<dyn LineSink>)),
        prompter: Arc::new(Typist {
            answers: Mutex::new(answers.iter().copied().collect()),
            lines: Arc::clone(&lines),
        }),
        cancel: CancellationToken::new(),
    };
    let outcome = tokio::runtime::Runtime::new().unwrap().block_on(run(loaded, session));
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    let raw = |call: &ModuleCall| call.args.get("_raw_params").and_then(Value::as_str).unwrap_or_default().to_owned();
    let sent = calls.iter().map(|(host, call)| format!("{host} {} {}", call.module, raw(call))).collect();
    let output = lines.0.lock().unwrap().clone();
    Ran { code: outcome.exit_code, warnings, output, sent, calls }
}

const THREE: &str = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {name: one, command: echo 1}\n    - {name: two, command: echo 2}\n    - {name: three, command: echo 3}\n";

#[test]
fn step_asks_before_each_task() {
    let ran = play(&[("site.yml", THREE)], &["n", "y", "c"], |s| {
        s.step = true;
        s.inventory = vec!["a,".into()];
    });
    assert_eq!(ran.sent, ["a command echo 2", "a command echo 3"], "{}", ran.output);
    assert!(ran.output.contains("? Perform task: TASK: one (N)o/(y)es/(c)ontinue: \n"), "{}", ran.output);
    assert!(ran.output.contains("\nPerform task: TASK: two (N)o/(y)es/(c)ontinue: ***"), "{}", ran.output);
}

#[test]
fn start_at_task_in_the_middle() {
    let two = format!("- hosts: all\n  tasks:\n    - {{name: zero, command: echo 0}}\n{THREE}");
    let ran = play(&[("site.yml", &two)], &[], |s| s.start_at_task = Some("tw*".into()));
    let mut sent = ran.sent.clone();
    sent.sort();
    assert_eq!(
        sent,
        ["a command echo 2", "a command echo 3", "b command echo 2", "b command echo 3"],
        "{}",
        ran.output
    );
    // The play without it gathers no facts.
    assert!(!ran.output.contains("Gathering Facts"), "{}", ran.output);
    let free = THREE.replace("  tasks:", "  strategy: free\n  tasks:");
    let ran = play(&[("site.yml", &free)], &[], |s| s.start_at_task = Some("three".into()));
    assert_eq!(ran.sent.len(), 2, "{:?}", ran.sent);
    let ran = play(&[("site.yml", THREE)], &[], |s| s.start_at_task = Some("nowhere".into()));
    assert!(ran.output.contains("No matching task \"nowhere\" found."), "{}", ran.output);
    assert!(ran.sent.is_empty());
}

#[test]
fn debugger_changes_and_runs_again() {
    let site = "- hosts: a\n  gather_facts: false\n  debugger: on_failed\n  vars: {word: 'false'}\n  tasks:\n    - {name: it, command: '{{ word }} x'}\n    - {name: on, command: echo on}\n";
    let answers = ["p task.args", "task_vars['word'] = 'echo'", "p nowhere", "nonsense", "r"];
    let ran = play(&[("site.yml", site)], &answers, |_| {});
    assert_eq!(ran.sent, ["a command false x", "a command echo x", "a command echo on"], "{}", ran.output);
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(ran.output.contains("? [a] TASK: it (debug)> "), "{}", ran.output);
    assert!(ran.output.contains("{'_raw_params': 'false x'}"), "{}", ran.output);
    assert!(ran.output.contains("***'nowhere' is undefined"), "{}", ran.output);
    assert!(ran.output.contains("neither a command nor an assignment"), "{}", ran.output);
    assert!(ran.output.contains("failed=0"), "{}", ran.output);
    // An argument by hand, and going on with the failure.
    let answers = ["task.args['_raw_params'] = 'false y'", "r", "c"];
    let ran = play(&[("site.yml", site)], &answers, |_| {});
    assert_eq!(ran.sent, ["a command false x", "a command false y"], "{}", ran.output);
    assert_eq!(ran.code, 2, "{}", ran.output);
    // Nobody answers: the run ends.
    let ran = play(&[("site.yml", &site.replace("  debugger: on_failed\n", "  strategy: debug\n"))], &[], |_| {});
    assert_eq!(ran.code, 99, "{}", ran.output);
    assert!(ran.output.contains("User interrupted execution"), "{}", ran.output);
}

#[test]
fn defaults_of_module_groups() {
    let site = "- hosts: a\n  gather_facts: false\n  module_defaults:\n    group/docker: {timeout: 1, docker_host: group}\n    community.docker.docker_network: {docker_host: own}\n    file: {mode: '0600', owner: x}\n  tasks:\n    - community.docker.docker_network: {name: n}\n    - file: {path: /x}\n      module_defaults: {file: {owner: y}}\n";
    let ran = play(&[("site.yml", site)], &[], |_| {});
    let args = |i: usize| Value::Object(ran.calls[i].1.args.clone());
    assert_eq!((&args(0)["docker_host"], &args(0)["timeout"]), (&json!("own"), &json!(1)), "{}", ran.output);
    // An entry at an inner level stands for the whole one around it.
    assert_eq!((args(1).get("mode"), &args(1)["owner"]), (None, &json!("y")), "{}", ran.output);
}

#[test]
fn a_variable_that_no_role_reads() {
    let files = [
        (
            "site.yml",
            "- hosts: a\n  gather_facts: false\n  roles:\n    - role: r\n      docker_opts: x\n      daemon_jsn: y\n      used: '{{ through }}'\n      through: z\n  tasks:\n    - include_role: {name: r}\n      vars: {unread_too: 1, read_by_template: 2}\n",
        ),
        ("roles/r/tasks/main.yml", "- command: echo {{ used }}\n"),
        ("roles/r/defaults/main.yml", "daemon_json: {}\n"),
        ("roles/r/templates/t.j2", "{{ read_by_template }}\n"),
        ("roles/r/README.md", "docker_opts was read once\n"),
    ];
    let ran = play(&files, &[], |_| {});
    assert!(ran.warnings.contains("the role 'r' never reads the variable 'docker_opts'"), "{}", ran.warnings);
    assert!(ran.warnings.contains("'daemon_jsn'") && ran.warnings.contains("\"daemon_json\""), "{}", ran.warnings);
    assert!(ran.warnings.contains("'unread_too'"), "{}", ran.warnings);
    assert_eq!(ran.warnings.matches("never reads").count(), 3, "{}", ran.warnings);
    // A role that makes names is trusted.
    let dynamic = ("roles/r/tasks/main.yml", "- command: echo {{ lookup('vars', 'docker_' ~ 'opts') }}\n");
    let files = [files[0], dynamic, files[2]];
    assert!(!play(&files, &[], |_| {}).warnings.contains("never reads"));
}

#[test]
fn tags_inside_includes_are_explained() {
    let files = [
        (
            "site.yml",
            "- hosts: a\n  gather_facts: false\n  tasks:\n    - include_tasks: in.yml\n      tags: x\n    - include_tasks: in.yml\n",
        ),
        ("in.yml", "- {name: inner, command: echo}\n"),
    ];
    let run = |verbosity: u8| {
        play(&files, &[], |s| {
            s.tags = vec!["x".into()];
            s.verbosity = verbosity;
        })
    };
    let ran = run(1);
    assert!(ran.sent.is_empty());
    assert!(ran.output.contains("left out by --tags x: [inner]"), "{}", ran.output);
    assert!(ran.output.contains("apply: {tags: "), "{}", ran.output);
    assert!(ran.output.contains("nothing in it is looked at"), "{}", ran.output);
    assert!(!run(0).output.contains("left out"));
}

#[test]
fn keywords_that_includes_do_not_take() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(dir.path().join("roles/r/tasks")).unwrap();
    fs_err::write(dir.path().join("roles/r/tasks/main.yml"), "- command: echo\n").unwrap();
    fs_err::write(dir.path().join("in.yml"), "- command: echo\n").unwrap();
    let load = |task: &str| {
        let site = format!("- hosts: a\n  gather_facts: false\n  tasks:\n    - {task}\n");
        fs_err::write(dir.path().join("site.yml"), site).unwrap();
        let settings = Settings::new(dir.path(), dir.path());
        let loaded = Playbook::load(&[dir.path().join("site.yml")], settings, Inventory::default());
        loaded.err().map(|problems| problems.to_string()).unwrap_or_default()
    };
    for (include, class) in [("include_role: {name: r}", "IncludeRole"), ("include_tasks: in.yml", "TaskInclude")] {
        for keyword in ["delegate_to: b", "delegate_facts: true", "become: true", "async: 5", "check_mode: true"] {
            let told = load(&format!("{include}\n      {keyword}"));
            let name = keyword.split(':').next().unwrap();
            let want = format!("'{name}' is not a valid attribute for a {class}");
            assert!(told.contains(&want) && told.contains("site.yml:5:"), "{include} {keyword}: {told}");
        }
        for keyword in ["register: x", "run_once: true", "timeout: 4", "ignore_errors: true"] {
            assert_eq!(load(&format!("{include}\n      {keyword}")), "", "{include} {keyword}");
        }
    }
    for import in ["import_role: {name: r}", "import_tasks: in.yml"] {
        assert_eq!(load(&format!("{import}\n      delegate_to: b")), "", "{import}");
    }
}

#[test]
fn a_missing_file_is_told_as_ansible_tells_it() {
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - include_tasks: nope.yml\n";
    let ran = play(&[("site.yml", site)], &[], |_| {});
    assert_eq!(ran.code, 2);
    assert_eq!(ran.output.lines().filter(|l| l.contains("Could not find or access")).count(), 3, "{}", ran.output);
    assert!(ran.output.contains(r#"{"changed": false, "include": "nope.yml", "reason": "Could not"#), "{}", ran.output);
}

#[test]
fn what_is_told_of_old_forms_is_part_of_the_result() {
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - command: echo\n      when: '{{ true }}'\n      register: r\n    - debug: var=r.deprecations\n    \
                - assert: {that: '{{ thats }}'}\n      vars: {thats: ['{{ 1 == 1 }}']}\n      loop: [1, 2]\n      register: l\n    - debug: msg={{ l.deprecations | length }}{{ l.results | select('contains', 'deprecations') | length }}\n";
    let ran = play(&[("site.yml", site)], &[], |_| {});
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(ran.output.contains("\"msg\": \"Conditionals should not be surrounded"), "{}", ran.output);
    assert!(ran.output.contains("\"msg\": \"20\""), "{}", ran.output);
    // Each place is told once.
    assert_eq!(ran.output.matches("[DEPRECATION WARNING]").count(), 2, "{}", ran.output);
}

#[test]
fn flushes_between_sections_are_shown_where_debugging_is_asked_for() {
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - {command: echo, notify: h}\n  handlers:\n    - {name: h, command: echo}\n";
    for (debug, want) in [(false, 0), (true, 1)] {
        let ran = play(&[("site.yml", site)], &[], |s| s.display.debug = debug);
        assert_eq!(ran.output.matches("META: triggered running handlers for a\n").count(), want, "{}", ran.output);
    }
}

#[test]
fn a_delegate_is_reached_by_its_own_variables() {
    let hosts = "a who=ann\nb who=bob\n[all:vars]\nansible_user={{ who }}\n";
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - set_fact: {mine: x}\n    - command: echo {{ who }}\n      delegate_to: b\n    \
                - command: echo\n      delegate_to: b\n      remote_user: '{{ mine }}'\n      vars: {ansible_port: '{{ mine }}'}\n      ignore_errors: true\n      register: r\n    \
                - debug: msg={{ r.msg }}\n    - command: echo loop\n      delegate_to: b\n      vars: {ansible_user: '{{ item }}'}\n      loop: [cid]\n";
    let ran = play(&[("hosts", hosts), ("site.yml", site)], &[], |s| s.inventory = vec!["hosts".into()]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    // The arguments are the asking host's.
    assert_eq!(ran.sent, ["bob@b command echo ann", "cid@b command echo loop"], "{}", ran.output);
    assert!(ran.output.contains("'mine' is undefined"), "{}", ran.output);
}

#[test]
fn facts_of_a_loop_go_to_the_delegate_of_each_item() {
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - set_fact: {mine: 'it is {{ item }}'}\n      delegate_to: '{{ item }}'\n      delegate_facts: true\n      loop: [b, c]\n    \
                - command: echo {{ hostvars.b.mine }}, {{ hostvars.c.mine }}, {{ mine is defined }}\n";
    let ran = play(&[("site.yml", site)], &[], |s| s.inventory = vec!["a,b,c,".into()]);
    assert_eq!(ran.sent, ["a command echo it is b, it is c, False"], "{}", ran.output);
}
