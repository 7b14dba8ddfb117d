//! Installing from a git repository on this machine, an archive, and a Galaxy server on loopback.

use super::*;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Command;
use std::sync::{Arc, Mutex};

fn tar_gz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Answers GET requests by path until the program ends; `{base}` in texts is its own URL.
fn serve(pages: HashMap<&'static str, Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (own, log) = (base.clone(), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap_or_default();
            while lines.next().is_some_and(|l| l.is_ok_and(|l| !l.is_empty())) {}
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body) = match pages.get(path.as_str()) {
                Some(body) => match std::str::from_utf8(body) {
                    Ok(text) => ("200 OK", text.replace("{base}", &own).into_bytes()),
                    Err(_) => ("200 OK", body.clone()),
                },
                None => ("404 Not Found", Vec::new()),
            };
            log.lock().unwrap().push(path);
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (base, asked)
}

fn options(dir: &Path, server: &str) -> Options {
    Options {
        roles: dir.join("roles"),
        collections: dir.join("collections"),
        server: server.to_owned(),
        force: false,
        no_deps: false,
        dir: dir.to_owned(),
    }
}

fn git(dir: &Path, words: &[&str]) {
    let mut program = Command::new("git");
    program.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]).args(words);
    assert!(program.current_dir(dir).output().unwrap().status.success(), "{words:?}");
}

#[test]
fn git_is_locked_to_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    fs_err::create_dir_all(repo.join("meta")).unwrap();
    fs_err::create_dir_all(repo.join("tasks")).unwrap();
    fs_err::write(repo.join("meta/main.yml"), "dependencies: []\n").unwrap();
    fs_err::write(repo.join("tasks/main.yml"), "first").unwrap();
    git(&repo, &["init", "-q"]);
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-qm", "one"]);
    let file = dir.path().join("requirements.yml");
    fs_err::write(&file, format!("- src: {}\n  scm: git\n  name: mine\n", repo.display())).unwrap();
    let options = options(dir.path(), "http://127.0.0.1:1");
    let mut lock = Lock::default();
    install(read_file(&file).unwrap(), &options, &mut lock, &mut |_| ()).unwrap();
    let text = || fs_err::read_to_string(dir.path().join("roles/mine/tasks/main.yml")).unwrap();
    assert_eq!(text(), "first");
    assert_eq!(installed_version(&dir.path().join("roles/mine")).as_deref(), Some("main"));
    assert!(!dir.path().join("roles/mine/.git").exists());
    // The branch moves on; the lock does not.
    fs_err::write(repo.join("tasks/main.yml"), "second").unwrap();
    git(&repo, &["commit", "-qam", "two"]);
    let again = Options { force: true, ..options.clone() };
    let path = dir.path().join("requirements.lock.json");
    lock.write(&path).unwrap();
    install(read_file(&file).unwrap(), &again, &mut Lock::read(&path).unwrap(), &mut |_| ()).unwrap();
    assert_eq!(text(), "first");
    install(read_file(&file).unwrap(), &again, &mut Lock::default(), &mut |_| ()).unwrap();
    assert_eq!(text(), "second");
    // What was installed stays without --force.
    let mut said = Vec::new();
    install(read_file(&file).unwrap(), &options, &mut Lock::default(), &mut |l| said.push(l)).unwrap();
    assert_eq!(said, ["- mine (main) is already installed, skipping."]);
}

#[test]
fn galaxy_roles_and_collections() {
    let role = tar_gz(&[("top/meta/main.yml", "dependencies:\n  - src: a.dep\n"), ("top/tasks/main.yml", "[]\n")]);
    let dep = tar_gz(&[("top/meta/main.yml", "{}"), ("top/tasks/main.yml", "[]\n")]);
    let manifest = r#"{"collection_info": {"namespace": "n", "name": "c", "version": "1.4.0", "dependencies": {}}}"#;
    let archive = tar_gz(&[("MANIFEST.json", manifest), ("plugins/x.txt", "x")]);
    let sum: String = <sha2::Sha256 as sha2::Digest>::digest(&archive).iter().map(|b| format!("{b:02x}")).collect();
    let detail = format!(r#"{{"download_url": "{{base}}/c.tar.gz", "artifact": {{"sha256": "{sum}"}}}}"#);
    let pages: HashMap<&'static str, Vec<u8>> = HashMap::from([
        ("/api/v1/roles/?owner__username=a&name=role", br#"{"results": [{"id": 7}]}"#.to_vec()),
        ("/api/v1/roles/?owner__username=a&name=dep", br#"{"results": [{"id": 8}]}"#.to_vec()),
        (
            "/api/v1/roles/7/versions/?page_size=50",
            br#"{"results": [{"name": "1.9.0", "source": "{base}/old"}, {"name": "1.10.0", "source": "{base}/r.tar.gz"}]}"#.to_vec(),
        ),
        (
            "/api/v1/roles/8/versions/?page_size=50",
            br#"{"results": [{"name": "2.0", "source": "{base}/d.tar.gz"}]}"#.to_vec(),
        ),
        ("/r.tar.gz", role),
        ("/d.tar.gz", dep),
        (
            "/api/v3/collections/n/c/versions/?limit=100",
            br#"{"data": [{"version": "2.0.0"}, {"version": "1.4.0"}, {"version": "1.5.0-rc1"}], "links": {"next": null}}"#.to_vec(),
        ),
        ("/api/v3/collections/n/c/versions/1.4.0/", detail.into_bytes()),
        ("/c.tar.gz", archive),
    ]);
    let (server, asked) = serve(pages);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("requirements.yml");
    fs_err::write(&file, "roles:\n  - a.role\ncollections:\n  - name: n.c\n    version: '>=1.0.0,<2.0.0'\n").unwrap();
    let options = options(dir.path(), &server);
    let mut lock = Lock::default();
    install(read_file(&file).unwrap(), &options, &mut lock, &mut |_| ()).unwrap();
    assert_eq!(installed_version(&dir.path().join("roles/a.role")).as_deref(), Some("1.10.0"));
    assert_eq!(installed_version(&dir.path().join("roles/a.dep")).as_deref(), Some("2.0"));
    let there = dir.path().join("collections/ansible_collections/n/c");
    assert_eq!(collection_version(&there).as_deref(), Some("1.4.0"));
    // A second time, by the lock: no question about versions is asked.
    asked.lock().unwrap().clear();
    let again = Options { force: true, ..options.clone() };
    install(read_file(&file).unwrap(), &again, &mut lock, &mut |_| ()).unwrap();
    assert!(asked.lock().unwrap().iter().all(|p| p.ends_with(".tar.gz")), "{asked:?}");
    // Content that is another than the locked one is refused.
    let path = dir.path().join("lock.json");
    lock.write(&path).unwrap();
    let text = fs_err::read_to_string(&path).unwrap().replace(&sum, &"0".repeat(64));
    fs_err::write(&path, text).unwrap();
    let why = install(read_file(&file).unwrap(), &again, &mut Lock::read(&path).unwrap(), &mut |_| ()).unwrap_err();
    assert!(why.starts_with("collection n.c: "), "{why}");
    let none = role_named("a.nothing");
    let why = install(vec![none], &options, &mut Lock::default(), &mut |_| ()).unwrap_err();
    assert!(why.contains("a.nothing"), "{why}");
}

fn role_named(name: &str) -> Requirement {
    super::role(name).unwrap()
}
