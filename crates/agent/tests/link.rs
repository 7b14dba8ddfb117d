//! The built program over a pipe, spoken to in frames as the controller does.

use imgbuild_proto::{Call, Decoder, Frame, Reply, Request, Stream};
use serde_json::{Map, Value, json};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    decoder: Decoder,
    dir: PathBuf,
}

impl Agent {
    /// Starts a copy of the program in a directory of its own, which is also where it keeps its files.
    fn start(name: &str) -> Self {
        Agent::start_under(name, &[])
    }

    /// The same, under another program.
    fn start_under(name: &str, above: &[&str]) -> Self {
        let dir = std::env::temp_dir().join(format!("agent-link-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let program = dir.join("agent");
        // Written by a child: a file that this process writes stays open in whatever another test forks meanwhile, and the kernel
        // refuses to run it for that long ("text file busy").
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_imgbuild-agent")).arg(&program).status().unwrap();
        assert!(copied.success());
        let mut command = match above.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let mut child = command
            .arg("--remove-self")
            .arg(&program)
            .env("TMPDIR", &dir)
            .env("HOME", &dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut agent = Agent { child, input, output, decoder: Decoder::new(), dir };
        let Reply::Hello(hello) = agent.next().head else { panic!("no hello") };
        assert_eq!(hello.version, env!("CARGO_PKG_VERSION"));
        if above.is_empty() {
            assert_eq!(hello.pid, agent.child.id());
        }
        agent
    }

    fn send(&mut self, request: &Request, body: &[u8]) {
        let bytes = imgbuild_proto::encode(request, body).unwrap();
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    fn call(&mut self, id: u64, chain: u64, module: &str, args: Value) {
        self.send(&Request::Call(call(id, chain, module, args)), &[]);
    }

    fn next(&mut self) -> Frame<Reply> {
        let mut buffer = vec![0u8; 64 << 10];
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return frame;
            }
            let read = self.output.read(&mut buffer).unwrap();
            assert!(read > 0, "the agent closed its output");
            self.decoder.push(&buffer[..read]);
        }
    }

    fn done(&mut self) -> (u64, Map<String, Value>) {
        loop {
            if let Reply::Done { id, result } = self.next().head {
                return (id, result);
            }
        }
    }

    /// Closes the pipe or says goodbye; then nothing is left.
    fn end(mut self, bye: bool) {
        if bye {
            self.send(&Request::Bye, &[]);
        } else {
            self.input = None;
        }
        assert!(self.child.wait().unwrap().success());
        let left: Vec<_> = std::fs::read_dir(&self.dir).unwrap().flatten().map(|e| e.file_name()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        std::fs::remove_dir(&self.dir).unwrap();
    }
}

fn call(id: u64, chain: u64, module: &str, args: Value) -> Call {
    let Value::Object(args) = args else { panic!("arguments are an object") };
    Call { id, chain, module: module.into(), args, ..Call::default() }
}

#[test]
fn calls_of_a_chain_run_in_order_and_chains_side_by_side() {
    let mut agent = Agent::start("order");
    agent.call(1, 1, "shell", json!({"_raw_params": "sleep 0.4; echo one"}));
    agent.call(2, 1, "shell", json!({"_raw_params": "echo two"}));
    agent.call(3, 2, "shell", json!({"_raw_params": "echo three"}));
    let done: Vec<_> = (0..3).map(|_| agent.done()).collect();
    assert_eq!(done.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 1, 2]);
    assert_eq!((&done[1].1["stdout"], &done[2].1["stdout"]), (&json!("one"), &json!("two")));
    agent.call(4, 1, "nonsense", json!({}));
    let (_, result) = agent.done();
    assert_eq!((&result["failed"], &result["msg"]), (&json!(true), &json!("the agent has no module nonsense")));
    agent.end(false);
}

#[test]
fn a_failure_stops_what_came_behind_it() {
    let mut agent = Agent::start("stop");
    let failing = Call { stop_chain_on_failure: true, ..call(1, 1, "command", json!({"_raw_params": "false"})) };
    agent.send(&Request::Call(failing), &[]);
    agent.call(2, 1, "command", json!({"_raw_params": "true"}));
    assert_eq!(agent.done().1["failed"], true);
    assert_eq!(agent.done().1["cancelled"], true);
    // Sent before the controller could know: still cancelled. After its CancelChain the chain goes on.
    agent.call(3, 1, "command", json!({"_raw_params": "true"}));
    assert_eq!(agent.done().1["cancelled"], true);
    agent.send(&Request::CancelChain { chain: 1 }, &[]);
    agent.call(4, 1, "command", json!({"_raw_params": "true"}));
    assert_eq!(agent.done().1["rc"], 0);
    agent.end(true);
}

#[test]
fn contents_of_every_size_arrive() {
    let mut agent = Agent::start("blob");
    let dest = std::env::temp_dir().join(format!("agent-link-blob-dest-{}", std::process::id()));
    for (id, size) in [(1u64, 0usize), (2, 10), (3, 3 << 20)] {
        let content: Vec<u8> = (0..size).map(|i| i as u8).collect();
        for piece in content.chunks(imgbuild_proto::MAX_BODY) {
            agent.send(&Request::Blob { blob: id }, piece);
        }
        let args = json!({"dest": dest.to_string_lossy(), "src": "x"});
        agent.send(&Request::Call(Call { blob: Some(id), ..call(id, 0, "copy", args) }), &[]);
        let (_, result) = agent.done();
        assert_eq!(result["changed"], true, "{result:?}");
        assert_eq!(std::fs::read(&dest).unwrap(), content);
    }
    // And back.
    agent.call(9, 0, "_read", json!({"path": dest.to_string_lossy()}));
    let mut read = Vec::new();
    let result = loop {
        let frame = agent.next();
        match frame.head {
            Reply::Chunk { id: 9 } => read.extend(frame.body),
            Reply::Done { result, .. } => break result,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((read.len(), &result["size"]), (3 << 20, &json!(3 << 20)));
    std::fs::remove_file(&dest).unwrap();
    agent.end(false);
}

#[test]
fn output_streams_input_flows_and_time_runs_out() {
    let mut agent = Agent::start("stream");
    let args = json!({"_raw_params": "read line; echo got $line; read line; echo never", "_input": true});
    agent.send(&Request::Call(Call { stream: true, ..call(1, 1, "shell", args) }), &[]);
    agent.send(&Request::Input { id: 1 }, b"hello\n");
    let frame = agent.next();
    assert_eq!(
        (frame.head, frame.body.as_slice()),
        (Reply::Output { id: 1, stream: Stream::Stdout }, &b"got hello\n"[..])
    );
    agent.send(&Request::Kill { id: 1 }, &[]);
    let (_, result) = agent.done();
    assert_eq!((&result["failed"], &result["cancelled"]), (&json!(true), &json!(true)));
    let slow = Call { timeout: Some(1), ..call(2, 1, "command", json!({"_raw_params": "sleep 100"})) };
    agent.send(&Request::Call(slow), &[]);
    let (_, result) = agent.done();
    assert_eq!(result["timedout"]["period"], 1);
    agent.end(false);
}

#[test]
fn children_die_with_the_connection_and_daemons_live_on() {
    let mut agent = Agent::start("children");
    let dir = agent.dir.clone();
    let mark = std::env::temp_dir().join(format!("agent-link-daemon-{}", std::process::id()));
    let line = format!("(sleep 1.5; touch {}) >/dev/null 2>&1 & echo ok", mark.display());
    agent.call(1, 1, "shell", json!({"_raw_params": line}));
    assert_eq!(agent.done().1["stdout"], "ok");
    let killed = dir.join("killed");
    agent.call(2, 1, "shell", json!({"_raw_params": format!("echo $$ > {}; sleep 100", killed.display())}));
    while !std::fs::read_to_string(&killed).is_ok_and(|t| t.ends_with('\n')) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let pid = std::fs::read_to_string(&killed).unwrap().trim().to_string();
    std::fs::remove_file(&killed).unwrap();
    agent.end(false);
    assert!(!std::path::Path::new("/proc").join(pid).exists(), "the running command was not killed");
    while !mark.exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::fs::remove_file(&mark).unwrap();
}

/// A daemon that a task starts would keep what is blocked for its whole life, and no init could end it.
#[test]
fn children_start_with_no_signal_blocked() {
    let mut agent = Agent::start("signals");
    agent.call(1, 1, "command", json!({"_raw_params": "grep SigBlk /proc/self/status"}));
    assert_eq!(agent.done().1["stdout"], "SigBlk:\t0000000000000000");
    agent.end(true);
}

#[test]
fn a_job_outlives_the_agent() {
    let mut agent = Agent::start("async");
    let dir = std::env::temp_dir().join(format!("agent-link-async-jobs-{}", std::process::id()));
    let inner = json!({"_raw_params": "sleep 0.5; echo done"});
    let args = json!({"module": "shell", "args": inner, "seconds": 30, "_async_dir": dir.to_string_lossy()});
    agent.call(1, 1, "_async", args);
    let (_, started) = agent.done();
    assert_eq!((&started["started"], &started["finished"]), (&json!(true), &json!(false)));
    let jid = started["ansible_job_id"].as_str().unwrap().to_string();
    agent.end(true);
    let mut agent = Agent::start("async-again");
    let result = loop {
        agent.call(1, 1, "async_status", json!({"jid": jid, "_async_dir": dir.to_string_lossy()}));
        let (_, result) = agent.done();
        if result["finished"] == true {
            break result;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!((&result["stdout"], &result["rc"]), (&json!("done"), &json!(0)));
    agent.call(2, 1, "async_status", json!({"jid": jid, "mode": "cleanup", "_async_dir": dir.to_string_lossy()}));
    assert!(agent.done().1["erased"].is_string());
    agent.end(false);
    std::fs::remove_dir(&dir).unwrap();
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test is told of")]
fn a_volume_is_formatted_and_mounted_once() {
    // In a mount namespace of its own: the host's mounts stay as they are.
    let able = Command::new("unshare")
        .args(["-m", "sh", "-c", "mkdir -p /tmp && mount -t tmpfs none /tmp && losetup -f"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if !able {
        eprintln!("skipped: mounting needs root, unshare and a loop device");
        return;
    }
    let mut agent = Agent::start_under("mount", &["unshare", "-m"]);
    let dir = std::env::temp_dir().join(format!("agent-link-volume-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    std::fs::File::create(dir.join("disk")).unwrap().set_len(16 << 20).unwrap();
    let mut id = 0;
    let mut call = |module: &str, args: Value| {
        id += 1;
        agent.call(id, 1, module, args);
        let (_, result) = agent.done();
        assert!(result.get("failed").is_none(), "{module}: {result:?}");
        result["changed"].clone()
    };
    let format = json!({"dev": path("disk"), "fstype": "ext4"});
    assert_eq!((call("filesystem", format.clone()), call("filesystem", format)), (json!(true), json!(false)));
    let mount = |state: &str, opts: &str| json!({"path": path("data"), "src": path("disk"), "fstype": "ext4", "opts": opts, "state": state, "fstab": path("fstab")});
    assert_eq!(call("mount", mount("mounted", "loop,nofail")), true);
    assert_eq!(call("mount", mount("mounted", "loop,nofail")), false);
    assert_eq!(
        std::fs::read_to_string(path("fstab")).unwrap(),
        format!("{} {} ext4 loop,nofail 0 0\n", path("disk"), path("data"))
    );
    call("copy", json!({"dest": path("data/f"), "content": "on the volume"}));
    assert!(!dir.join("data/f").exists(), "the volume is mounted on the host");
    assert_eq!(call("mount", mount("mounted", "loop,nofail,noatime")), true);
    assert_eq!(
        (call("mount", mount("unmounted", "")), call("mount", mount("unmounted", ""))),
        (json!(true), json!(false))
    );
    assert_eq!(call("mount", mount("absent", "")), true);
    assert!(!dir.join("data").exists());
    agent.end(false);
    std::fs::remove_dir_all(&dir).unwrap();
}
