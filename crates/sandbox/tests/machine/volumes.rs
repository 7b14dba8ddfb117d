//! Data volumes: device names, file systems that stay, coming and going while the machine runs.

use imgbuild_sandbox::machine::MachineKind;

use super::support::{Bench, DEBIAN};

#[tokio::test]
async fn a_file_system_stays_over_stop_and_start() {
    let Some(bench) = Bench::new("a_file_system_stays_over_stop_and_start") else { return };
    let tree = bench.tree(DEBIAN).await;
    let mut launch = bench.launch(&[tree]).await;
    launch.volumes = vec![bench.volume("data", 64, "/dev/xvdb")];
    let machine = bench.up(&launch, "admin").await;
    machine
        .run(
            "sudo mkfs.ext4 -q /dev/xvdb && sudo mkdir /secondary && \
             echo UUID=$(sudo blkid -c /dev/null -s UUID -o value /dev/xvdb) /secondary ext4 defaults,nofail 0 2 | sudo tee -a /etc/fstab && \
             sudo mount /secondary && echo kept | sudo tee /secondary/file",
        )
        .await;
    bench.kind.stop(&launch.instance_id).await.unwrap();
    // Stopped gracefully: the file system is clean.
    let state = std::process::Command::new("dumpe2fs").arg("-h").arg(&launch.volumes[0].file).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).into_owned();
    assert!(state.contains("Filesystem state:         clean"), "{state}");
    assert!(!state.contains("needs_recovery"), "{state}");
    let machine = bench.up(&launch, "admin").await;
    assert_eq!(machine.run("cat /secondary/file; findmnt -n -o SOURCE /secondary").await, "kept\n/dev/xvdb\n");
    // The links that udev would make follow.
    machine.run("sudo umount /secondary && sudo mkfs.ext4 -qF -L mine /dev/xvdb").await;
    machine.run("for i in 1 2 3 4 5 6 7 8 9 10; do test -e /dev/disk/by-label/mine && exit; sleep 0.2; done; ls -lR /dev/disk; exit 1").await;
}

#[tokio::test]
async fn nitro_types_have_nvme_devices_with_ebs_names() {
    let Some(bench) = Bench::new("nitro_types_have_nvme_devices_with_ebs_names") else { return };
    let tree = bench.tree(DEBIAN).await;
    let mut launch = bench.launch(&[tree]).await;
    launch.instance_type = "t3.micro".into();
    launch.volumes = vec![bench.volume("0123456789abcdef0", 16, "/dev/nvme1n1")];
    let machine = bench.up(&launch, "admin").await;
    let link = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0";
    assert_eq!(machine.run(&format!("readlink -f {link}")).await, "/dev/nvme1n1\n");
    assert_eq!(machine.run("lsblk -n -r -o NAME,SIZE,SERIAL").await, "nvme1n1 16M vol0123456789abcdef0\n");
    assert_eq!(machine.run("cat /sys/class/dmi/id/product_name").await, "t3.micro\n");
}

#[tokio::test]
async fn volumes_come_and_go_while_the_machine_runs() {
    let Some(bench) = Bench::new("volumes_come_and_go_while_the_machine_runs") else { return };
    let tree = bench.tree(DEBIAN).await;
    let launch = bench.launch(&[tree]).await;
    let machine = bench.up(&launch, "admin").await;
    let (id, volume) = (launch.instance_id.as_str(), bench.volume("late", 32, "/dev/xvdf"));
    bench.kind.attach_volume(id, &volume).await.unwrap();
    assert_eq!(machine.run("lsblk -n -r -o NAME,SIZE").await, "xvdf 32M\n");
    machine.run("sudo mkfs.ext4 -q /dev/xvdf && sudo mount /dev/xvdf /mnt && sudo touch /mnt/x").await;
    let refused = bench.kind.detach_volume(id, "vol-late", false).await.unwrap_err();
    assert!(super::support::chain(&refused).contains("unmount it first"));
    machine.run("sudo umount /mnt").await;
    bench.kind.detach_volume(id, "vol-late", false).await.unwrap();
    assert_eq!(machine.run("lsblk -n; ls /dev/xvdf 2>/dev/null || echo gone").await, "gone\n");
    bench.kind.attach_volume(id, &volume).await.unwrap();
    machine.run("sudo mount /dev/xvdf /mnt && test -e /mnt/x").await;
}

#[tokio::test]
async fn a_missing_file_system_stops_the_boot_unless_nofail() {
    let Some(bench) = Bench::new("a_missing_file_system_stops_the_boot_unless_nofail") else { return };
    let tree = bench.tree(DEBIAN).await;
    for (options, boots) in [("defaults,nofail", true), ("defaults", false)] {
        let launch = bench.launch(std::slice::from_ref(&tree)).await;
        std::fs::create_dir(launch.root.upper.join("etc")).unwrap();
        std::fs::write(launch.root.upper.join("etc/fstab"), format!("UUID=0-0 /data ext4 {options} 0 2\n")).unwrap();
        if boots {
            bench.up(&launch, "admin").await;
        } else {
            bench.kind.start(&launch).await.unwrap();
            bench.console_says(&launch, "emergency mode").await;
        }
    }
}
