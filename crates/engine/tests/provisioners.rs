//! Provisioners and post-processors from template text, against this machine as the target: what is refused, what is run, what
//! is left behind.

use async_trait::async_trait;
use imgbuild_diag::{Diagnostics, Redactor};
use imgbuild_engine::agent_link::AgentBinaries;
use imgbuild_engine::communicator::{CommError, Command, Communicator, Exit, Output, Process, Progress};
use imgbuild_engine::event::{Event, Reporter, Sink};
use imgbuild_engine::local::LocalCommunicator;
use imgbuild_engine::provision::{NobodyToAsk, Plan, ProvisionError, Session};
use imgbuild_engine::run::Cancel;
use imgbuild_template::{Ambient, Build, LoadOptions};
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

/// What was asked of the machine.
#[derive(Debug, Clone, PartialEq)]
enum Did {
    Ran(String),
    Uploaded { to: String, mode: Option<u32>, content: String },
    UploadedDir { to: String, contents_only: bool },
    Reconnected,
}

/// This machine, remembering; `lose` commands that contain this text lose the connection.
struct Recorder {
    inner: LocalCommunicator,
    did: Mutex<Vec<Did>>,
    lose: &'static str,
    up: Mutex<bool>,
}

impl Recorder {
    fn new(lose: &'static str) -> Arc<Self> {
        let inner = LocalCommunicator::new("/");
        Arc::new(Recorder { inner, did: Mutex::default(), lose, up: Mutex::new(true) })
    }
    fn note(&self, did: Did) {
        self.did.lock().unwrap().push(did);
    }
    fn commands(&self) -> Vec<String> {
        let did = self.did.lock().unwrap();
        did.iter().filter_map(|d| if let Did::Ran(line) = d { Some(line.clone()) } else { None }).collect()
    }
    fn uploads(&self) -> Vec<(String, Option<u32>, String)> {
        let did = self.did.lock().unwrap();
        let pick = |d: &Did| match d {
            Did::Uploaded { to, mode, content } => Some((to.clone(), *mode, content.clone())),
            _ => None,
        };
        did.iter().filter_map(pick).collect()
    }
}

#[async_trait]
impl Communicator for Recorder {
    async fn start(&self, command: Command) -> Result<Process, CommError> {
        self.note(Did::Ran(command.line.clone()));
        if !self.lose.is_empty() && command.line.contains(self.lose) {
            *self.up.lock().unwrap() = false;
            let (_, output) = mpsc::channel::<Output>(1);
            let (exit_in, exit) = oneshot::channel::<Result<Exit, CommError>>();
            exit_in.send(Err(CommError::Disconnected("lost".into()))).unwrap();
            return Ok(Process { stdin: Box::new(tokio::io::sink()), output, exit, reached: Default::default() });
        }
        self.inner.start(command).await
    }
    async fn upload(
        &self,
        source: &mut (dyn AsyncRead + Send + Unpin),
        size: Option<u64>,
        destination: &str,
        mode: Option<u32>,
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        let mut content = Vec::new();
        source.read_to_end(&mut content).await.unwrap();
        let text = String::from_utf8_lossy(&content).into_owned();
        self.note(Did::Uploaded { to: destination.into(), mode, content: text });
        self.inner.upload(&mut content.as_slice(), size, destination, mode, progress).await
    }
    async fn upload_dir(
        &self,
        source: &Path,
        contents_only: bool,
        destination: &str,
        exclude: &[String],
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        self.note(Did::UploadedDir { to: destination.into(), contents_only });
        self.inner.upload_dir(source, contents_only, destination, exclude, progress).await
    }
    async fn download(
        &self,
        source: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        progress: Option<Progress>,
    ) -> Result<u64, CommError> {
        self.inner.download(source, into, progress).await
    }
    async fn download_dir(&self, source: &str, contents_only: bool, destination: &Path) -> Result<(), CommError> {
        self.inner.download_dir(source, contents_only, destination).await
    }
    fn connected(&self) -> bool {
        *self.up.lock().unwrap()
    }
    async fn reconnect(&self, _: Duration) -> Result<(), CommError> {
        *self.up.lock().unwrap() = true;
        self.note(Did::Reconnected);
        Ok(())
    }
    async fn close(&self) {}
}

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Sink for Events {
    fn emit(&self, event: Event) {
        let line = match event {
            Event::Say { text, .. } => format!("say {text}"),
            Event::Message { text, .. } => format!("out {text}"),
            Event::Error { text, .. } => format!("err {text}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

/// A template of one null builder with these provisioners.
fn build(dir: &Path, provisioners: &str) -> (Build, imgbuild_template::Context) {
    let path = dir.join("t.json");
    let text = format!(
        r#"{{"builders": [{{"type": "null", "name": "my build", "communicator": "none"}}], "provisioners": [{provisioners}]}}"#
    );
    std::fs::write(&path, text).unwrap();
    let mut ambient = Ambient::new("2026-01-01T00:00:00Z".parse().unwrap(), dir);
    ambient.env.insert("HOME".into(), dir.display().to_string());
    let loaded = imgbuild_template::load(&path, &LoadOptions::new(Arc::new(ambient))).unwrap();
    let build = loaded.template.builds[0].clone();
    let context = loaded.template.context(&build);
    (build, context)
}

fn plan(dir: &Path, provisioners: &str) -> Result<Plan, Diagnostics> {
    let (build, context) = build(dir, provisioners);
    let mut diags = Diagnostics::new();
    let plan = Plan::prepare(&build, &context, &["SourceAMI"], &mut diags);
    if diags.has_errors() { Err(diags) } else { Ok(plan) }
}

struct Ran {
    result: Result<(), ProvisionError>,
    machine: Arc<Recorder>,
    events: Vec<String>,
}

/// A secret that all runs know.
fn secretive() -> Redactor {
    let redactor = Redactor::new();
    redactor.add("correct-horse");
    redactor
}

async fn run_losing(dir: &Path, provisioners: &str, lose: &'static str) -> Ran {
    let plan = plan(dir, provisioners).unwrap_or_else(|e| panic!("{e}"));
    let machine = Recorder::new(lose);
    let events = Arc::new(Events::default());
    let session = Session {
        build_name: "my build".into(),
        builder_type: "null".into(),
        communicator: Some(machine.clone()),
        pty: false,
        username: "root".into(),
        data: [("ID", "i-1"), ("SourceAMI", "ami-1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        reporter: Reporter::new(events.clone(), secretive()),
        cancel: Cancel::new(),
        ask: Arc::new(NobodyToAsk),
        agents: AgentBinaries { x86_64: &[], aarch64: &[] },
        connect: None,
    };
    let result = plan.run(&session).await;
    let events = events.0.lock().unwrap().clone();
    Ran { result, machine, events }
}

async fn run(dir: &Path, provisioners: &str) -> Ran {
    run_losing(dir, provisioners, "").await
}

#[test]
fn what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.sh"), "").unwrap();
    for (provisioner, expected) in [
        (r#"{"type": "shel", "inline": ["a"]}"#, "did you mean \"shell\"?"),
        (r#"{"type": "powershell", "inline": ["a"]}"#, "Windows is not supported"),
        (r#"{"type": "shell"}"#, "Either a script file or inline script must be specified."),
        (r#"{"type": "shell", "script": "s.sh", "scripts": ["s.sh"]}"#, "Only one of script or scripts"),
        (r#"{"type": "shell", "script": "s.sh", "inline": ["a"]}"#, "Only a script file or an inline script"),
        (r#"{"type": "shell", "script": "missing.sh"}"#, "Bad script 'missing.sh'"),
        (r#"{"type": "shell", "inline": ["a"], "environment_vars": ["hunter2"]}"#, "not in format 'key=value'"),
        (r#"{"type": "shell", "inline": ["a"], "inlin": ["b"]}"#, "inlin"),
        (r#"{"type": "shell", "inline": ["a"], "execute_command": "{{ .Nope"}"#, "execute_command"),
        (r#"{"type": "file", "destination": "/x"}"#, "Source must be specified."),
        (r#"{"type": "file", "source": "s.sh"}"#, "Destination must be specified."),
        (r#"{"type": "file", "source": "missing", "destination": "/x"}"#, "Bad source 'missing'"),
        (r#"{"type": "file", "source": "s.sh", "destination": "/x", "direction": "up"}"#, "Direction must be one of"),
        (r#"{"type": "shell-local", "command": "a", "inline": ["b"]}"#, "Only one of command and inline"),
        (r#"{"type": "shell-local", "inline": ["a"], "only_on": ["beos"]}"#, "Invalid OS specified in only_on"),
        (r#"{"type": "ansible"}"#, "playbook_file must be specified."),
        (r#"{"type": "ansible", "playbook_file": "missing.yml"}"#, "playbook_file: missing.yml is invalid"),
        (r#"{"type": "ansible", "playbook_file": "s.sh", "extra_arguments": ["--nope"]}"#, "--nope"),
        (
            r#"{"type": "ansible", "playbook_file": "s.sh", "command": "/opt/wrap.sh"}"#,
            "command can't be \"/opt/wrap.sh\"",
        ),
        (r#"{"type": "ansible", "playbook_file": "s.sh", "inventory_directory": "s.sh"}"#, "must point to a directory"),
        (r#"{"type": "ansible-local"}"#, "Either playbook_file or playbook_files must be specified"),
    ] {
        let text = plan(dir.path(), provisioner).err().unwrap_or_else(|| panic!("{provisioner} was taken")).to_string();
        assert!(text.contains(expected), "{provisioner}:\n{text}");
        assert!(text.contains("t.json:1:"), "{provisioner} has no place:\n{text}");
    }
    let error =
        plan(dir.path(), r#"{"type": "shell", "inline": ["a"], "environment_vars": ["hunter2"]}"#).err().unwrap();
    assert!(!error.iter().any(|d| d.message.contains("hunter2")), "a value that may be a secret is in the sentence");
    // A file that another provisioner makes need not be there.
    plan(dir.path(), r#"{"type": "file", "source": "later", "destination": "/x", "generated": true}"#).unwrap();
    plan(dir.path(), r#"{"type": "file", "source": "/remote", "destination": "here", "direction": "download"}"#)
        .unwrap();
}

#[tokio::test]
async fn shell_inline_by_default() {
    let dir = tempfile::tempdir().unwrap();
    let ran =
        run(dir.path(), r#"{"type": "shell", "inline": ["echo $PACKER_BUILD_NAME {{ build `ID` }}", "echo e >&2"]}"#)
            .await;
    ran.result.unwrap();
    let (path, mode, content) = ran.machine.uploads()[0].clone();
    assert_eq!(content, "#!/bin/sh -e\necho $PACKER_BUILD_NAME i-1\necho e >&2\n");
    assert!(path.starts_with("/tmp/script_") && path.len() > 30, "{path} can be guessed");
    assert_eq!(mode, Some(0o700));
    let expected = format!("chmod +x {path}; PACKER_BUILDER_TYPE='null' PACKER_BUILD_NAME='my build'  {path}");
    assert_eq!(ran.machine.commands(), [expected, format!("rm -f {path}")]);
    assert!(!Path::new(&path).exists());
    assert!(
        ran.events.contains(&"out my build i-1".to_owned()) && ran.events.contains(&"err e".to_owned()),
        "{:?}",
        ran.events
    );
}

#[tokio::test]
async fn shell_variables_stay_off_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let vars = r#""environment_vars": ["B=2", "SECRET=hun'ter 2"], "env": {"A": "1", "B": "3"}"#;
    let ran = run(dir.path(), &format!(r#"{{"type": "shell", "inline": ["echo $A$B $SECRET"], {vars}}}"#)).await;
    ran.result.unwrap();
    assert!(ran.events.contains(&"out 13 hun'ter 2".to_owned()), "{:?}", ran.events);
    assert!(ran.machine.commands().iter().all(|line| !line.contains("ter 2")), "{:?}", ran.machine.commands());
    let uploads = ran.machine.uploads();
    assert_eq!(uploads[0].1, Some(0o600));
    assert!(uploads[0].2.contains("export SECRET='hun'\"'\"'ter 2'\n"), "{}", uploads[0].2);
    assert!(uploads.iter().all(|(path, ..)| !Path::new(path).exists()), "{uploads:?}");

    // The template's own command says where the variables go; their values are in a file here too.
    let own = r#""execute_command": "{{ .Vars }} sh '{{ .Path }}'", "remote_path": "/tmp/imgbuild-test-own.sh""#;
    let ran = run(dir.path(), &format!(r#"{{"type": "shell", "inline": ["echo $SECRET"], {vars}, {own}}}"#)).await;
    ran.result.unwrap();
    assert!(ran.events.contains(&"out hun'ter 2".to_owned()), "{:?}", ran.events);
    let all = concat!(
        r#". /tmp/varfile_imgbuild-test-own.sh; A="$imgbuild_000" B="$imgbuild_001" PACKER_BUILDER_TYPE="$imgbuild_002" "#,
        r#"PACKER_BUILD_NAME="$imgbuild_003" SECRET="$imgbuild_004"  sh '/tmp/imgbuild-test-own.sh'"#
    );
    assert_eq!(ran.machine.commands()[0], all);
    let uploads = ran.machine.uploads();
    let modes: Vec<_> = uploads.iter().map(|upload| upload.1).collect();
    assert_eq!(modes, [Some(0o600), Some(0o755)]);
    assert!(uploads[0].2.contains("imgbuild_004='hun'\"'\"'ter 2'\n"), "{}", uploads[0].2);
    assert!(uploads.iter().all(|(path, ..)| !Path::new(path).exists()), "{uploads:?}");

    let file = r#""use_env_var_file": true, "execute_command": "sh -c '. {{ .EnvVarFile }}; sh {{ .Path }}'""#;
    let ran = run(dir.path(), &format!(r#"{{"type": "shell", "inline": ["echo $SECRET"], {vars}, {file}}}"#)).await;
    ran.result.unwrap();
    assert!(ran.events.contains(&"out hun'ter 2".to_owned()), "{:?}", ran.events);
}

#[tokio::test]
async fn a_secret_on_the_command_line_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for (vars, own, told) in [
        ("P=correct-horse", "env {{ .Vars }} sh '{{ .Path }}'", true),
        ("P=a horse", "env {{ .Vars }} sh '{{ .Path }}'", false),
        ("P=correct-horse", "{{ .Vars }} sh '{{ .Path }}'", false),
    ] {
        let provisioner =
            json!({"type": "shell", "inline": ["true"], "environment_vars": [vars], "execute_command": own});
        let ran = run(dir.path(), &provisioner.to_string()).await;
        ran.result.unwrap();
        let warned = ran.events.iter().any(|line| line.contains("is on the machine's command line"));
        assert_eq!(warned, told, "{own}: {:?}", ran.events);
    }
}

#[tokio::test]
async fn shell_files_line_ends_and_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.sh"), "#!/bin/sh\r\necho one\r\n").unwrap();
    std::fs::write(dir.path().join("b.sh"), "#!/bin/sh\nexit 7\n").unwrap();
    let ran = run(dir.path(), r#"{"type": "shell", "scripts": ["a.sh", "b.sh"]}"#).await;
    let error = ran.result.unwrap_err().to_string();
    assert!(
        error.starts_with("Script exited with non-zero exit status: 7. Allowed exit codes are: [0]\n  at "),
        "{error}"
    );
    assert!(error.ends_with(": the provisioner shell"), "{error}");
    assert!(ran.events.contains(&"out one".to_owned()));
    run(dir.path(), r#"{"type": "shell", "script": "b.sh", "valid_exit_codes": [0, 7]}"#).await.result.unwrap();
    let ran = run(dir.path(), r#"{"type": "shell", "script": "a.sh", "binary": true}"#).await;
    assert!(ran.machine.uploads()[0].2.contains("\r\n"));
    let ran = run(dir.path(), r#"{"type": "shell", "inline": ["kill -TERM $$"]}"#).await;
    assert!(ran.result.unwrap_err().to_string().contains("exit status: 143"));
    let left = dir.path().join("left.sh");
    let skip =
        format!(r#"{{"type": "shell", "inline": ["true"], "skip_clean": true, "remote_path": "{}"}}"#, left.display());
    run(dir.path(), &skip).await.result.unwrap();
    assert!(left.exists());
}

#[tokio::test]
async fn shell_and_a_reboot() {
    let dir = tempfile::tempdir().unwrap();
    let path = r#""remote_path": "/tmp/imgbuild-test-reboot.sh""#;
    let lose = "; PACKER";
    let ran = run_losing(dir.path(), &format!(r#"{{"type": "shell", "inline": ["reboot"], {path}}}"#), lose).await;
    assert!(ran.result.unwrap_err().to_string().contains("expect_disconnect"));
    for allowed in [r#""expect_disconnect": true"#, r#""valid_exit_codes": [0, 2300218]"#] {
        let text = format!(
            r#"{{"type": "shell", "inline": ["reboot"], {path}, {allowed}}}, {{"type": "shell", "inline": ["true"], "execute_command": "sh {{{{.Path}}}}"}}"#
        );
        let ran = run_losing(dir.path(), &text, lose).await;
        ran.result.unwrap();
        assert_eq!(ran.machine.did.lock().unwrap().iter().filter(|d| **d == Did::Reconnected).count(), 1);
        assert!(!Path::new("/tmp/imgbuild-test-reboot.sh").exists());
    }
}

#[tokio::test]
async fn retries_timeouts_and_going_on() {
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("count");
    let inline = format!("echo x >> {0}; [ $(wc -l < {0}) -ge 3 ]", count.display());
    let ran = run(dir.path(), &format!(r#"{{"type": "shell", "inline": ["{inline}"], "max_retries": 5}}"#)).await;
    ran.result.unwrap();
    assert_eq!(ran.events.iter().filter(|e| e.contains("retrying with")).count(), 2, "{:?}", ran.events);
    let ran = run(dir.path(), r#"{"type": "shell", "inline": ["sleep 30"], "timeout": "1s"}"#).await;
    let Err(ProvisionError::In { source, .. }) = ran.result else { panic!("{:?}", ran.result) };
    assert_eq!(*source, ProvisionError::TimedOut(Duration::from_secs(1)));
    let ran = run(dir.path(), r#"{"type": "sleep", "duration": "1ms"}, {"type": "breakpoint", "note": "hm"}"#).await;
    assert!(ran.result.unwrap_err().to_string().contains("no available tty"), "nobody says that it may go on");
    assert!(
        ran.events.contains(&"say Pausing at breakpoint provisioner with note \"hm\".".to_owned()),
        "{:?}",
        ran.events
    );
}

#[tokio::test]
async fn files_and_folders() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(at("tree/sub")).unwrap();
    std::fs::write(at("tree/sub/x"), "deep").unwrap();
    std::fs::write(at("one.txt"), "1").unwrap();
    std::fs::create_dir(at("into")).unwrap();
    let to = |name: &str| at(name).display().to_string();
    let text = format!(
        r#"{{"type": "file", "source": "one.txt", "destination": "{}/"}},
           {{"type": "file", "source": "tree", "destination": "{}"}},
           {{"type": "file", "source": "tree/", "destination": "{}"}},
           {{"type": "file", "content": "ami {{{{ build `SourceAMI` }}}}", "destination": "{}"}},
           {{"type": "file", "source": "{}", "destination": "got/", "direction": "download"}},
           {{"type": "file", "source": "{}/", "destination": "gotdir", "direction": "download"}}"#,
        to("into"),
        to("into"),
        to("flat"),
        to("content"),
        to("one.txt"),
        to("tree")
    );
    let ran = run(dir.path(), &text).await;
    ran.result.unwrap();
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(read("into/one.txt"), "1");
    assert_eq!((read("into/tree/sub/x"), read("flat/sub/x")), ("deep".into(), "deep".into()));
    assert_eq!(read("content"), "ami ami-1");
    assert_eq!((read("got/one.txt"), read("gotdir/sub/x")), ("1".into(), "deep".into()));
}

#[tokio::test]
async fn shell_local() {
    let dir = tempfile::tempdir().unwrap();
    let inline = r#""inline": ["pwd", "echo $A $PACKER_BUILD_NAME", "echo e >&2"]"#;
    let ran = run(dir.path(), &format!(r#"{{"type": "shell-local", {inline}, "environment_vars": ["A=it's"]}}"#)).await;
    ran.result.unwrap();
    let cwd = format!("out {}", dir.path().canonicalize().unwrap().display());
    for line in [cwd.as_str(), "out it's my build", "err e"] {
        assert!(ran.events.iter().any(|e| e == line), "{line} not in {:?}", ran.events);
    }
    assert!(ran.machine.commands().is_empty());
    let ran = run(dir.path(), r#"{"type": "shell-local", "inline": ["exit 9"]}"#).await;
    assert!(
        ran.result
            .unwrap_err()
            .to_string()
            .starts_with("Script exited with non-zero exit status: 9. Allowed exit codes are: [0")
    );
    let own = r#""execute_command": ["/bin/sh", "-c", "{{.Vars}} X=1 sh {{.Script}}"]"#;
    let ran =
        run(dir.path(), &format!(r#"{{"type": "shell-local", "inline": ["echo $X$A"], "env": {{"A": "2"}}, {own}}}"#))
            .await;
    ran.result.unwrap();
    assert!(ran.events.contains(&"out 12".to_owned()), "{:?}", ran.events);
    let ran = run(dir.path(), r#"{"type": "shell-local", "inline": ["exit 1"], "only_on": ["windows"]}"#).await;
    ran.result.unwrap();
}

#[tokio::test]
async fn cancelling_ends_what_a_local_script_has_started() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let text = format!(
        r#"{{"type": "shell-local", "inline": ["sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait"]}}"#,
        pid.display()
    );
    let plan = plan(dir.path(), &text).unwrap_or_else(|e| panic!("{e}"));
    let session = Session {
        build_name: "b".into(),
        builder_type: "null".into(),
        communicator: None,
        pty: false,
        username: String::new(),
        data: Default::default(),
        reporter: Reporter::new(Arc::new(Events::default()), Redactor::new()),
        cancel: Cancel::new(),
        ask: Arc::new(NobodyToAsk),
        agents: AgentBinaries { x86_64: &[], aarch64: &[] },
        connect: None,
    };
    let cancel = async {
        while !pid.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        session.cancel.cancel();
    };
    let (result, ()) = tokio::join!(plan.run(&session), cancel);
    assert_eq!(result, Err(ProvisionError::Cancelled));
    let process = format!("/proc/{}", std::fs::read_to_string(&pid).unwrap().trim());
    for _ in 0..100 {
        // A zombie whose parent has not looked yet is over, too.
        let state = std::fs::read_to_string(format!("{process}/stat")).unwrap_or_default();
        if state.is_empty() || state.contains(") Z ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{process} still runs");
}

/// A stand-in for goss: says what it was called with, and fails where its tests are named so.
const GOSS: &str = r#"#!/bin/sh
[ "$1" = --version ] && exit 0
echo "goss $* in $(pwd) with $TOKEN"
case "$*" in *validate*) [ ! -e bad.yaml ];; esac
"#;

#[tokio::test]
async fn goss_is_installed_and_runs_its_tests() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    std::fs::write(dir.path().join("release"), GOSS).unwrap();
    for file in ["goss.yaml", "bad.yaml", "vars.yaml"] {
        std::fs::write(dir.path().join(file), "x").unwrap();
    }
    let with = |tests: &str, rest: &str| {
        format!(
            r#"{{"type": "goss", "tests": [{tests}], "url": "file://{at}/release", "download_path": "{at}/bin-goss",
                "remote_path": "{at}/remote", "vars_env": {{"TOKEN": "s'3"}}, "username": "u", "password": "hunter2"{rest}}}"#
        )
    };
    let vars = r#", "vars_file": "vars.yaml", "vars_inline": {"a": "b"}, "format": "json", "retry_timeout": "5s""#;
    let ran = run(dir.path(), &with("\"goss.yaml\"", vars)).await;
    ran.result.unwrap();
    let said = ran.events.join("\n");
    let called = format!(
        r#"out goss --vars {at}/remote/vars.yaml --vars-inline {{"a":"b"}} validate --retry-timeout 5s --sleep 1s -f json in {at}/remote with s'3"#
    );
    assert!(said.contains(&called), "{said}");
    assert!(dir.path().join("goss-spec.yaml").exists() && dir.path().join("debug-goss-spec.yaml").exists());
    // Neither secret is in a command line.
    let commands = ran.machine.commands().join("\n");
    assert!(!commands.contains("hunter2") && !commands.contains("s'3") && !commands.contains("TOKEN"), "{commands}");

    let ran = run(dir.path(), &with("\"bad.yaml\"", ", \"skip_download\": true")).await;
    assert!(ran.result.unwrap_err().to_string().starts_with("Error running Goss: goss validate ended with status 1"));
    run(dir.path(), &with("\"bad.yaml\"", ", \"skip_download\": true, \"inspect\": true")).await.result.unwrap();
}
