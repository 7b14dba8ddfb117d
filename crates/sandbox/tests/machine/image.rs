//! What is built on a machine: packages, Docker, and images of it.

use imgbuild_sandbox::machine::MachineKind;

use super::support::{Bench, DEBIAN, TRUSTY};

#[tokio::test]
async fn an_image_of_a_machine_boots_as_another_instance() {
    let Some(bench) = Bench::new("an_image_of_a_machine_boots_as_another_instance") else { return };
    let tree = bench.tree(DEBIAN).await;
    let mut first = bench.launch(std::slice::from_ref(&tree)).await;
    first.metadata.user_data = Some(b"#!/bin/sh\necho first >> /var/tmp/ran\n".to_vec());
    let machine = bench.up(&first, "admin").await;
    machine.cloud_init().await;
    machine.run("echo baked | sudo tee /etc/baked").await;
    bench.kind.stop(&first.instance_id).await.unwrap();
    let layer = bench.dir.path().join("layer");
    std::fs::rename(&first.root.upper, &layer).unwrap();

    let mut second = bench.launch(&[layer, tree]).await;
    second.metadata.user_data = Some(b"#!/bin/sh\necho second >> /var/tmp/ran\n".to_vec());
    let machine = bench.up(&second, "admin").await;
    machine.cloud_init().await;
    assert_eq!(
        machine.run("cat /etc/baked /var/tmp/ran; hostname").await,
        format!("baked\nfirst\nsecond\n{}\n", second.hostname)
    );
    // A further boot of the same instance does not run it again.
    bench.kind.stop(&second.instance_id).await.unwrap();
    let machine = bench.up(&second, "admin").await;
    machine.cloud_init().await;
    assert_eq!(machine.run("cat /var/tmp/ran").await, "first\nsecond\n");
}

#[tokio::test]
async fn docker_from_the_distribution_keeps_its_data_on_the_volume() {
    let Some(bench) = Bench::new("docker_from_the_distribution_keeps_its_data_on_the_volume") else { return };
    let tree = bench.tree(DEBIAN).await;
    let mut launch = bench.launch(&[tree]).await;
    launch.volumes = vec![bench.volume("docker", 1024, "/dev/xvdb")];
    let machine = bench.up(&launch, "admin").await;
    machine
        .run(
            "set -e; sudo mkfs.ext4 -q /dev/xvdb; sudo mkdir -p /secondary /etc/docker; sudo mount /dev/xvdb /secondary
             echo '{\"data-root\": \"/secondary/docker\"}' | sudo tee /etc/docker/daemon.json
             sudo apt-get update -q; sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends docker.io",
        )
        .await;
    let info = machine
        .run("for i in $(seq 50); do sudo docker info -f '{{.DockerRootDir}} {{.Driver}}' 2>/dev/null && exit; sleep 0.2; done; sudo cat /var/log/docker.log; exit 1")
        .await;
    assert_eq!(info.trim(), "/secondary/docker overlay2");
    // A container of the machine's own shell, on the bridge; the metadata service's token does not reach it.
    machine
        .run(
            "set -e; mkdir -p r/bin; cp /bin/sh /bin/echo r/bin
             for l in $(ldd /bin/sh /bin/echo | grep -o '/lib[^ ]*' | sort -u); do mkdir -p r$(dirname $l); cp -L $l r$l; done
             tar -C r -c . | sudo docker import - t:1; sudo docker run --rm t:1 /bin/echo from a container | grep 'from a container'
             sudo service docker stop; ! sudo service docker status; sudo service docker start",
        )
        .await;
}

#[tokio::test]
async fn docker_engine_of_2016_is_installed_on_the_trusty_stand_in() {
    let Some(bench) = Bench::new("docker_engine_of_2016_is_installed_on_the_trusty_stand_in") else { return };
    let tree = bench.tree(TRUSTY).await;
    let mut launch = bench.launch(&[tree]).await;
    launch.volumes = vec![bench.volume("graph", 64, "/dev/xvdb")];
    let machine = bench.up(&launch, "ubuntu").await;
    assert_eq!(machine.run("lsb_release -si; lsb_release --codename --short").await, "Ubuntu\ntrusty\n");
    machine
        .run(
            "set -e; export DEBIAN_FRONTEND=noninteractive
             sudo mkfs.ext4 -q /dev/xvdb; sudo mkdir /secondary; sudo mount /dev/xvdb /secondary
             curl -fsS https://apt.dockerproject.org/gpg | sudo apt-key add -
             echo deb http://apt.dockerproject.org/repo ubuntu-trusty main | sudo tee /etc/apt/sources.list.d/docker.list
             echo 'DOCKER_OPTS=\"--graph /secondary --storage-driver=aufs\"' | sudo tee /etc/default/docker
             sudo apt-get update -q; sudo apt-get install -y -q linux-image-extra-$(uname -r)
             sudo apt-get install -y -q -o Dpkg::Options::=--force-confold docker-engine=1.12.3-0~ubuntu-trusty",
        )
        .await;
    assert_eq!(
        machine.run("docker --version; dpkg-query -W -f '${Version}\\n' docker-engine").await,
        "Docker version 1.12.3, build stand-in\n1.12.3-0~ubuntu-trusty\n"
    );
    // What trusty's archive has for Python 2: pip keeps a list, and says what it is.
    machine.run("sudo apt-get install -y -q python-dev python-pip && sudo pip install -U docker-py six==1.9").await;
    assert_eq!(
        machine.run("pip freeze; sudo pip uninstall -y six; pip list; ! pip install no-such-thing 2>&1").await,
        "docker-py==1.10.6\nsix==1.9\nSuccessfully uninstalled six\npip (1.5.4)\nsetuptools (3.3)\ndocker-py (1.10.6)\n\
         No distributions at all found for no-such-thing in this stand-in for python-pip\n"
    );
    machine.run("sudo service docker status && sudo test -d /secondary/aufs && sudo docker info | grep 'Root Dir: /secondary'").await;
    bench.kind.stop(&launch.instance_id).await.unwrap();
}
