//! Whole runs against a target that records its calls: what reaches the host, what the person sees, how it ends.

use async_trait::async_trait;
use imgbuild_playbook::callback::{DefaultCallback, DisplayOptions, LineSink};
use imgbuild_playbook::settings::Settings;
use imgbuild_playbook::target::{
    Become, Bound, Connection, Connector, ModuleCall, OutputSink, RawOutcome, Relay, Target, Unreachable,
};
use imgbuild_playbook::{Inventory, NoPrompts, Outcome, Playbook, Session, run};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Answers as modules would; a command `false` fails, one with `boom` loses the host.
#[derive(Default)]
struct Recorder {
    calls: Mutex<Vec<(String, ModuleCall)>>,
}

struct FakeHost {
    name: String,
    recorder: Arc<Recorder>,
}

#[async_trait]
impl Target for FakeHost {
    async fn call(&self, call: ModuleCall, _: Option<OutputSink>) -> Result<Map<String, Value>, Unreachable> {
        self.recorder.calls.lock().unwrap().push((self.name.clone(), call.clone()));
        let text = call.args.get("_raw_params").and_then(Value::as_str).unwrap_or_default().to_owned();
        let answer = match call.module.as_str() {
            "setup" => json!({"ansible_facts": {"ansible_os_family": "Debian", "ansible_pkg_mgr": "apt"}}),
            "command" | "shell" if text.contains("boom") => return Err(Unreachable { message: "gone".into() }),
            "command" | "shell" if text.starts_with("false") => {
                json!({"changed": true, "rc": 1, "stdout": "", "stderr": "", "msg": "non-zero return code", "failed": true})
            }
            "command" | "shell" => json!({"changed": true, "rc": 0, "stdout": text, "stderr": ""}),
            "copy" if call.content.is_none() => {
                json!({"failed": true, "needs_content": true, "msg": "the content is needed"})
            }
            _ => json!({"changed": true}),
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

struct Fakes(Arc<Recorder>);

#[async_trait]
impl Connector for Fakes {
    async fn connect(&self, connection: &Connection) -> Result<Arc<dyn Target>, Unreachable> {
        Ok(Arc::new(FakeHost { name: connection.name.clone(), recorder: Arc::clone(&self.0) }))
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
    outcome: Outcome,
    output: String,
    calls: Vec<(String, ModuleCall)>,
}

impl Ran {
    /// `host module argument` of each call.
    fn sent(&self) -> Vec<String> {
        let argument = |call: &ModuleCall| {
            let of = |key: &str| call.args.get(key).and_then(Value::as_str).map(str::to_owned);
            let first = call.args.get("name").and_then(|n| n.get(0)).and_then(Value::as_str).map(str::to_owned);
            of("_raw_params").or_else(|| of("dest")).or(first).unwrap_or_default()
        };
        self.calls.iter().map(|(host, call)| format!("{host} {} {}", call.module, argument(call))).collect()
    }
}

/// Runs a playbook on hosts `a` and `b`.
fn play(files: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    let mut settings = Settings::new(dir.path(), dir.path());
    settings.inventory = vec!["a,b,".into()];
    change(&mut settings);
    run_in(dir.path(), settings)
}

fn run_in(dir: &Path, settings: Settings) -> Ran {
    let recorder = Arc::new(Recorder::default());
    let lines = Arc::new(Lines::default());
    let options = DisplayOptions::new(&settings, false, None);
    let (inventory, _) = Inventory::load(&settings).unwrap();
    let loaded = match Playbook::load(&[dir.join("site.yml")], settings, inventory) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems}"),
    };
    let session = Session {
        connector: Arc::new(Fakes(Arc::clone(&recorder))),
        callback: Arc::new(DefaultCallback::new(options, Arc::clone(&lines) as Arc<dyn LineSink>)),
        prompter: Arc::new(NoPrompts),
        cancel: CancellationToken::new(),
    };
    let outcome = tokio::runtime::Runtime::new().unwrap().block_on(run(loaded, session));
    let calls = std::mem::take(&mut *recorder.calls.lock().unwrap());
    let output = lines.0.lock().unwrap().clone();
    Ran { outcome, output, calls }
}

#[test]
fn linear_order_handlers_and_recap() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: one\n      command: echo {{ item }}\n      loop: [x, y]\n      notify: again\n      when: inventory_hostname == 'a'\n    - debug: msg=hi\n  handlers:\n    - name: again\n      command: restart\n";
    let ran = play(&[("site.yml", site)], |_| {});
    assert_eq!(ran.sent(), ["a command echo x", "a command echo y", "a command restart"], "{}", ran.output);
    let stars = |text: &str| format!("{text} {}", "*".repeat(79 - text.len()));
    let want = format!(
        "\n{}\n\n{}\nchanged: [a] => (item=x)\nchanged: [a] => (item=y)\nskipping: [b] => (item=x) \nskipping: [b] => (item=y) \nskipping: [b]\n\n{}\nok: [a] => {{\n    \"msg\": \"hi\"\n}}\nok: [b] => {{\n    \"msg\": \"hi\"\n}}\n\n{}\nchanged: [a]\n\n{}\n{}\n{}\n\n",
        stars("PLAY [all]"),
        stars("TASK [one]"),
        stars("TASK [debug]"),
        stars("RUNNING HANDLER [again]"),
        stars("PLAY RECAP"),
        "a                          : ok=3    changed=2    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0   ",
        "b                          : ok=1    changed=0    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0   ",
    );
    // Two hosts answer side by side: only the order inside a task may differ.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ran.output), sorted(&want), "{}", ran.output);
    assert_eq!(ran.outcome.exit_code, 0);
}

#[test]
fn rescue_always_and_lost_hosts() {
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - block:\n        - command: 'false'\n        - command: never\n      rescue:\n        - command: rescued {{ ansible_failed_result.rc }}\n      always:\n        - command: always\n    - command: boom\n    - command: never\n";
    let ran = play(&[("site.yml", site)], |_| {});
    assert_eq!(ran.sent(), ["a command false", "a command rescued 1", "a command always", "a command boom"]);
    let stats = &ran.outcome.stats.hosts["a"];
    assert_eq!((stats.rescued, stats.failed, stats.unreachable, stats.ok), (1, 0, 1, 2));
    assert_eq!(ran.outcome.exit_code, 4);
}

#[test]
fn any_errors_fatal_stops_everybody() {
    let site = "- hosts: all\n  gather_facts: false\n  any_errors_fatal: true\n  tasks:\n    - command: \"{{ 'false' if inventory_hostname == 'a' else 'true' }}\"\n    - command: never\n- hosts: all\n  gather_facts: false\n  tasks:\n    - command: never\n";
    let ran = play(&[("site.yml", site)], |_| {});
    assert_eq!(ran.calls.len(), 2, "{}", ran.output);
    assert_eq!(ran.outcome.exit_code, 2);
}

#[test]
fn roles_variables_become_and_templates() {
    let files = [
        ("site.yml", "- hosts: a\n  become: true\n  roles:\n    - {role: web, http_port: 81}\n    - web\n    - web\n"),
        ("roles/web/defaults/main.yml", "http_port: 80\nname: default\n"),
        ("roles/web/vars/main.yml", "name: vars\n"),
        ("roles/web/meta/main.yml", "dependencies: [base]\n"),
        ("roles/web/tasks/main.yml", "- import_tasks: more.yml\n  become_user: www\n"),
        ("roles/web/tasks/more.yml", "- template: {src: t.j2, dest: /etc/t}\n- package: {name: nginx}\n"),
        ("roles/web/templates/t.j2", "{{ name }} {{ http_port }} {{ ansible_facts.os_family }}\n"),
        ("roles/base/tasks/main.yml", "- command: base\n"),
    ];
    let ran = play(&files, |s| _ = s.extra_vars.insert("x".into(), true.into()));
    let expected = ["a setup ", "a command base", "a copy /etc/t", "a apt nginx", "a copy /etc/t", "a apt nginx"];
    assert_eq!(ran.sent(), expected, "a role runs again only with other parameters\n{}", ran.output);
    let contents: Vec<String> = ran
        .calls
        .iter()
        .filter_map(|(_, c)| match &c.content {
            Some(imgbuild_playbook::target::Content::Bytes(bytes)) => String::from_utf8(bytes.to_vec()).ok(),
            _ => None,
        })
        .collect();
    assert_eq!(contents, ["vars 81 Debian\n", "vars 80 Debian\n"]);
    assert_eq!(ran.calls[1].1.become_.as_ref().map(|b| b.user.as_str()), Some("root"));
    assert_eq!(ran.calls[2].1.become_.as_ref().map(|b| b.user.as_str()), Some("www"));
}

#[test]
fn includes_tags_and_precedence() {
    let files = [
        (
            "site.yml",
            "- hosts: a\n  gather_facts: false\n  vars: {v: play}\n  vars_files: [list.yml]\n  tasks:\n    - include_tasks: {file: in.yml, apply: {tags: [t]}}\n      vars: {v: include}\n      tags: [t]\n      loop: [1, 2]\n    - command: skipped\n",
        ),
        ("in.yml", "- command: 'echo {{ v }} {{ item }} {{ e }} {{ l }}'\n"),
        // A file of vars_files may be a list, whose last dictionary wins.
        ("list.yml", "- {l: 1, v: file}\n- {l: 2}\n"),
    ];
    let ran = play(&files, |s| {
        s.tags = vec!["t".into()];
        s.extra_vars.insert("e".into(), "extra".into());
    });
    assert_eq!(ran.sent(), ["a command echo include 1 extra 2", "a command echo include 2 extra 2"], "{}", ran.output);
    assert!(ran.output.contains("in.yml for a => (item=2)"), "{}", ran.output);
}

/// Values that ansible-core 2.19.14 gives.
#[test]
fn dates_of_yaml_are_dates() {
    let site = "- hosts: a\n  gather_facts: false\n  vars:\n    d: 2020-01-02\n    t: 2020-01-02 03:04:05Z\n    o: !!omap [x: 1]\n    s: !!set {p, q}\n  tasks:\n    - command: \"echo {{ d | type_debug }} {{ t | type_debug }} {{ d }} {{ t }} {{ d.strftime('%d/%m') }}\"\n    - command: \"echo {{ [d, t] | to_json }} {{ [d] }} {{ (t.date() - d).days }} {{ d == '2020-01-02' }}\"\n    - command: \"echo {{ '2020-01-02' | from_yaml | type_debug }} {{ [d] | to_yaml | trim }} {{ o }} {{ s }}\"\n    - set_fact: {f: '{{ d }}'}\n    - command: \"echo {{ f | type_debug }}\"\n";
    let ran = play(&[("site.yml", site)], |_| {});
    assert_eq!(
        ran.sent(),
        [
            "a command echo date datetime 2020-01-02 2020-01-02 03:04:05+00:00 02/01",
            "a command echo [\"2020-01-02\", \"2020-01-02T03:04:05+00:00\"] [datetime.date(2020, 1, 2)] 0 False",
            "a command echo date [2020-01-02] [['x', 1]] ['p', 'q']",
            "a command echo date",
        ],
        "{}",
        ran.output
    );
}

#[test]
fn hosts_that_a_run_adds_and_labels_of_inclusions() {
    let files = [
        (
            "site.yml",
            "- hosts: a\n  gather_facts: false\n  tasks:\n    - add_host: {name: d, groups: g}\n    - add_host: {name: e}\n    - command: \"echo {{ groups['all'] | join(',') }}\"\n    - include_tasks: in.yml\n      loop: [{n: 1, l: one}]\n      loop_control: {label: '{{ item.l }}'}\n- hosts: localhost\n  gather_facts: false\n  connection: ssh\n  tasks:\n    - command: echo {{ ansible_host }}\n",
        ),
        ("in.yml", "- command: 'echo {{ item.n }}'\n"),
    ];
    let ran = play(&files, |_| {});
    let want = ["a command echo d,e,a,b", "a command echo 1", "localhost command echo 127.0.0.1"];
    assert_eq!(ran.sent(), want, "{}", ran.output);
    assert!(ran.output.contains("in.yml for a => (item=one)"), "{}", ran.output);
}

#[test]
fn large_files_are_asked_about_first() {
    let dir = tempfile::tempdir().unwrap();
    let big = "x".repeat(100_000);
    fs_err::create_dir_all(dir.path().join("files")).unwrap();
    fs_err::write(dir.path().join("files/big"), &big).unwrap();
    fs_err::write(dir.path().join("files/small"), "s").unwrap();
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - copy: {src: big, dest: /big}\n    - copy: {src: small, dest: /small}\n";
    fs_err::write(dir.path().join("site.yml"), site).unwrap();
    let mut settings = Settings::new(dir.path(), dir.path());
    settings.inventory = vec!["a,".into()];
    let ran = run_in(dir.path(), settings);
    let with: Vec<(String, bool)> =
        ran.calls.iter().map(|(_, c)| (c.args["dest"].as_str().unwrap().to_owned(), c.content.is_some())).collect();
    assert_eq!(with, [("/big".into(), false), ("/big".into(), true), ("/small".into(), true)]);
    assert_eq!(ran.outcome.exit_code, 0, "{}", ran.output);
}

#[test]
fn wrong_playbooks_list_everything_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let site = "- hosts: all\n  task: []\n  roles: [nope]\n  tasks:\n    - comand: x\n    - debug: msg=\"{{ x | nofilter }}\"\n      regster: y\n    - copy: src=a\n      file: path=b\n";
    fs_err::write(dir.path().join("site.yml"), site).unwrap();
    let settings = Settings::new(dir.path(), dir.path());
    let Err(problems) = Playbook::load(&[dir.path().join("site.yml")], settings, Inventory::default()) else {
        panic!("it was accepted");
    };
    let text = problems.to_string();
    for part in [
        "'task' is not a valid attribute for a Play",
        "did you mean \"tasks\"?",
        "the role 'nope' was not found",
        "couldn't resolve module/action 'comand'",
        "did you mean \"command\"?",
        "'regster' is not a valid attribute for a Task",
        "conflicting action statements",
        "site.yml:5:7",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

#[test]
fn a_bound_host_is_used_and_not_closed() {
    let recorder = Arc::new(Recorder::default());
    let host: Arc<dyn Target> = Arc::new(FakeHost { name: "machine".into(), recorder: Arc::clone(&recorder) });
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("site.yml"), "- hosts: all\n  gather_facts: false\n  tasks: [{command: hi}]\n")
        .unwrap();
    let inventory = Inventory::single("default", &["web"], imgbuild_jinja::Map::new());
    let settings = Settings::new(dir.path(), dir.path());
    let loaded = Playbook::load(&[dir.path().join("site.yml")], settings, inventory).unwrap_or_else(|e| panic!("{e}"));
    let session = Session {
        connector: Arc::new(Bound::new(None).bind("default", host)),
        callback: Arc::new(imgbuild_playbook::callback::Quiet),
        prompter: Arc::new(NoPrompts),
        cancel: CancellationToken::new(),
    };
    let outcome = tokio::runtime::Runtime::new().unwrap().block_on(run(loaded, session));
    assert_eq!(outcome.exit_code, 0);
    assert_eq!(recorder.calls.lock().unwrap().len(), 1);
}

#[test]
fn what_may_be_hidden_is_not_refused() {
    let site = "- hosts: a\n  gather_facts: false\n  vars: {never: \"{{ 1 | nofilter }}\"}\n  tasks:\n    - debug: msg=\"{{ 1 | nofilter }}\"\n      ignore_errors: true\n    - command: \"{{ 1 | nofilter }}\"\n      when: false\n    - block:\n        - command: \"{{ 1 | nofilter }}\"\n      rescue:\n        - command: rescued\n";
    let ran = play(&[("site.yml", site)], |_| {});
    assert_eq!(ran.sent(), ["a command rescued"], "{}", ran.output);
    assert!(ran.output.contains("No filter named 'nofilter'"), "{}", ran.output);
}

#[test]
fn loops_that_cannot_be_rendered() {
    let site = "- hosts: a\n  gather_facts: false\n  tasks:\n    - command: x\n      loop: 5\n      ignore_errors: true\n    - command: x\n      with_dict: [1]\n      ignore_errors: true\n    - command: \"{{ item.0.n }} {{ item.0.l | default('taken') }} {{ item.1 }}\"\n      with_subelements: [[{n: 1, l: [2, 3]}], l]\n    - command: x\n      loop: \"{{ nope }}\"\n      when: false\n";
    let ran = play(&[("site.yml", site)], |_| {});
    assert_eq!(ran.sent(), ["a command 1 taken 2", "a command 1 taken 3"], "{}", ran.output);
    for part in [
        "\"msg\": \"The `loop` value must resolve to a 'list', not 'int'.\"",
        "The lookup plugin 'dict' failed: the 'dict' lookup plugin expects a dictionary, got '1' of type <class 'int'>)",
    ] {
        assert!(ran.output.contains(part), "{part} is missing in\n{}", ran.output);
    }
}

#[test]
fn facts_outlive_a_run_in_a_jsonfile_cache() {
    let cache = tempfile::tempdir().unwrap();
    let set = |s: &mut Settings| {
        s.fact_cache.json = true;
        s.fact_cache.dir = cache.path().to_owned();
    };
    let keep = "- hosts: a\n  gather_facts: false\n  tasks:\n    - set_fact: {kept: one, cacheable: true}\n    - set_fact: {lost: two}\n";
    let tell = "- hosts: a\n  gather_facts: false\n  tasks:\n    - command: \"{{ kept | default('no') }} {{ lost | default('no') }}\"\n";
    play(&[("site.yml", keep)], set);
    assert_eq!(play(&[("site.yml", tell)], set).sent(), ["a command one no"]);
    let flushed = play(&[("site.yml", tell)], |s| {
        set(s);
        s.flush_cache = true;
    });
    assert_eq!(flushed.sent(), ["a command no no"]);
}

#[test]
fn failed_when_has_the_last_word_and_reserved_names_are_told() {
    let site = "- hosts: a\n  gather_facts: false\n  vars: {query: mine}\n  tasks:\n    - command: x\n      until: false\n      retries: 1\n      delay: 0\n      failed_when: false\n    - command: after\n    - name: hello {{ nobody }}\n      debug: {msg: }\n";
    let ran = play(&[("site.yml", site)], |_| {});
    assert_eq!(ran.sent(), ["a command x", "a command x", "a command after"], "{}", ran.output);
    for part in [
        "Found variable using reserved name 'query'.\nOrigin: ",
        "TASK [hello << error 1 - 'nobody' is undefined >>]",
        "error 1 - 'nobody' is undefined",
        "\"msg\": null",
    ] {
        assert!(ran.output.contains(part), "{part:?} is missing in\n{}", ran.output);
    }
}

/// Files of a role that brings plugins in Python along.
const PLUGINS: [(&str, &str); 5] = [
    (
        "roles/r/filter_plugins/f.py",
        "from ansible.errors import AnsibleFilterError\nfrom ansible.module_utils.six import string_types\n\ndef swap(d):\n    if isinstance(d, string_types):\n        raise AnsibleFilterError('no mapping')\n    print('noise')\n    return {v: k for k, v in d.items()}\n\nclass FilterModule(object):\n    def filters(self):\n        return {'swap': swap, 'times': lambda x, n=2: [x] * n}\n",
    ),
    ("roles/r/filter_plugins/broken.py", "import no_such_module\n"),
    (
        "roles/r/test_plugins/t.py",
        "class TestModule:\n    def tests(self):\n        return {'paired': lambda x: len(x) % 2 == 0}\n",
    ),
    (
        "roles/r/lookup_plugins/mine.py",
        "from ansible.plugins.lookup import LookupBase\nfrom ansible.template import trust_as_template\n\nclass LookupModule(LookupBase):\n    def run(self, terms, variables=None, **kwargs):\n        own = self._templar.template(trust_as_template('{{ x | times(n=2) }}'))[1]\n        return [t + variables['inventory_hostname'] + own + self._templar.template(variables['said']) for t in terms]\n",
    ),
    ("site.yml", "- hosts: a\n  gather_facts: false\n  roles: [r]\n"),
];

#[test]
fn plugins_of_the_user_run_in_python() {
    let tasks = "- command: \"echo {{ {1: 'b', 'c': 5} | swap | to_json }}\"\n- command: echo {{ ['a', 'bb'] | select('paired') | first }} {{ 'q' | times | join }}\n- command: echo {{ lookup('mine', 't') }}\n  vars: {x: v, said: !unsafe '{{ x }}'}\n- command: echo {{ 'x' | swap }}\n  ignore_errors: true\n- command: echo {{ undefined_one | swap }}\n  ignore_errors: true\n";
    let mut files = PLUGINS.to_vec();
    files.push(("roles/r/tasks/main.yml", tasks));
    let ran = play(&files, |_| {});
    let want = ["a command echo {\"b\": 1, \"5\": \"c\"}", "a command echo bb qq", "a command echo tav{{ x }}"];
    assert_eq!(ran.sent(), want, "{}", ran.output);
    assert!(ran.output.contains("The filter plugin 'swap' failed: no mapping"), "{}", ran.output);
    assert!(ran.output.contains("'undefined_one' is undefined"), "{}", ran.output);
}

#[test]
fn plugins_that_can_not_run_are_named_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in PLUGINS.iter().chain(&[("roles/r/tasks/main.yml", "- command: echo {{ 'x' | other }}\n")]) {
        let path = dir.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    let refused = |path: Option<&str>| {
        let mut settings = Settings::new(dir.path(), dir.path());
        settings.inventory = vec!["a,".into()];
        settings.env.extend(path.map(|p| ("PATH".to_owned(), p.to_owned())));
        let (inventory, _) = Inventory::load(&settings).unwrap();
        Playbook::load(&[dir.path().join("site.yml")], settings, inventory).err().unwrap().to_string()
    };
    let text = refused(None);
    assert!(text.contains("broken.py can't be used: No module named 'no_such_module'"), "{text}");
    assert!(text.contains("roles/r/tasks/main.yml:1:20"), "{text}");
    let text = refused(Some("/no/such/folder"));
    assert!(text.contains("this machine has no python3"), "{text}");
}
