//! Ends of all kinds, and what is left of a machine: nothing.

use std::path::Path;

use imgbuild_sandbox::machine::{MachineKind, Status};

use super::support::{Bench, DEBIAN};

#[tokio::test]
async fn reboot_and_power_off_inside() {
    let Some(bench) = Bench::new("reboot_and_power_off_inside") else { return };
    let tree = bench.tree(DEBIAN).await;
    let launch = bench.launch(&[tree]).await;
    let machine = bench.up(&launch, "admin").await;
    let boot_id = "cat /proc/sys/kernel/random/boot_id";
    let before = machine.run(boot_id).await;
    machine.cloud_init().await;
    // The connection may end before the command does.
    machine.try_run("sudo reboot; sleep 60").await;
    // Nor is the old sshd gone at once; the new boot is known by its id.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let now = machine.try_run(boot_id).await;
        if now.status.success() && now.stdout != before.as_bytes() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no second boot");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(bench.kind.status(&launch.instance_id).await, Status::Running);
    // sshd answers before the boot is over, and a machine that is still booting is not what is tested here.
    machine.cloud_init().await;
    machine.try_run("sudo poweroff; sleep 60").await;
    bench.ends(&launch).await;
}

#[tokio::test]
async fn a_killed_supervisor_takes_everything_with_it() {
    let Some(bench) = Bench::new("a_killed_supervisor_takes_everything_with_it") else { return };
    let tree = bench.tree(DEBIAN).await;
    let mut launch = bench.launch(&[tree]).await;
    launch.volumes = vec![bench.volume("data", 16, "/dev/xvdb")];
    let machine = bench.up(&launch, "admin").await;
    machine.run("sudo mkfs.ext4 -q /dev/xvdb && sudo mount /dev/xvdb /mnt").await;
    let run = bench.dir.path().join("run").join(&launch.instance_id);
    let supervisor: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("supervisor.pid")).unwrap()).unwrap();
    let pid = supervisor["pid"].as_u64().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    bench.ends(&launch).await;
    bench.kind.sweep(|_| false).await.unwrap();
    assert!(!run.exists());
    nothing_is_left(&launch.instance_id, bench.dir.path());
    bench.kind.destroy(&launch.instance_id).await.unwrap();
}

#[tokio::test]
async fn several_machines_at_once_leave_nothing() {
    let Some(bench) = Bench::new("several_machines_at_once_leave_nothing") else { return };
    let tree = bench.tree(DEBIAN).await;
    let mut launches = Vec::new();
    for name in ["one", "two", "three"] {
        let mut launch = bench.launch(std::slice::from_ref(&tree)).await;
        launch.volumes = vec![bench.volume(name, 16, "/dev/xvdb")];
        launches.push(launch);
    }
    let machines = futures_util::future::join_all(launches.iter().map(|launch| bench.up(launch, "admin"))).await;
    for (machine, launch) in machines.iter().zip(&launches) {
        assert_eq!(machine.run("hostname").await.trim(), launch.hostname);
    }
    for launch in &launches {
        bench.kind.destroy(&launch.instance_id).await.unwrap();
        nothing_is_left(&launch.instance_id, bench.dir.path());
    }
}

#[tokio::test]
async fn a_machine_that_cannot_start_says_why_and_leaves_nothing() {
    let Some(bench) = Bench::new("a_machine_that_cannot_start_says_why_and_leaves_nothing") else { return };
    let launch = bench.launch(&["/nonexistent/layer".into()]).await;
    let error = bench.kind.start(&launch).await.unwrap_err();
    let text = super::support::chain(&error);
    assert!(text.contains("mounting overlay"), "{text}");
    assert_eq!(bench.kind.status(&launch.instance_id).await, Status::Exited);
    bench.kind.destroy(&launch.instance_id).await.unwrap();
    nothing_is_left(&launch.instance_id, bench.dir.path());
    let mut launch = bench.launch(&[bench.tree(DEBIAN).await]).await;
    launch.volumes = vec![bench.volume("gone", 16, "/dev/xvdb")];
    std::fs::remove_file(&launch.volumes[0].file).unwrap();
    let text = super::support::chain(&bench.kind.start(&launch).await.unwrap_err());
    assert!(text.contains("attaching vol-gone"), "{text}");
}

/// No process, mount, loop device, interface or control group of the machine.
fn nothing_is_left(instance_id: &str, dir: &Path) {
    let dir = dir.to_str().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(dir), "{mounts}");
    for entry in std::fs::read_dir("/sys/block").unwrap() {
        let backing = entry.unwrap().path().join("loop/backing_file");
        let file = std::fs::read_to_string(backing).unwrap_or_default();
        assert!(!file.contains(dir) || !file.contains(instance_id), "{file}");
    }
    let tail = &instance_id[instance_id.len() - 12..];
    for entry in std::fs::read_dir("/sys/class/net").unwrap() {
        assert!(!entry.unwrap().file_name().to_str().unwrap().ends_with(tail));
    }
    for entry in std::fs::read_dir("/proc").unwrap() {
        let command = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&command).contains(instance_id), "{}", String::from_utf8_lossy(&command));
    }
    let groups = std::process::Command::new("find").args(["/sys/fs/cgroup", "-name", instance_id]).output().unwrap();
    assert!(groups.stdout.is_empty(), "{}", String::from_utf8_lossy(&groups.stdout));
}
