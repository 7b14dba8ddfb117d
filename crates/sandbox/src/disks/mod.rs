//! The files behind volumes and snapshots.
//!
//! ```text
//! volumes/vol-…/upper, work   a root volume's own tree        layers/NAME   frozen trees
//! volumes/vol-…/data          a data volume, sparse           blobs/NAME    frozen files
//! ```
//! Invariants: a name is in the state before its file is here, so that what is here and not in the state can go
//! ([`Disks::sweep`]); what is frozen is never written to again; every step can be repeated after a crash.
//! Everything here blocks.

mod copy;
mod filesystem;
pub mod partition;

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::state::{Content, Layer, State, Volume};

const GIB: u64 = 1 << 30;

/// The disks of one sandbox directory.
#[derive(Debug, Clone)]
pub struct Disks {
    volumes: PathBuf,
    layers: PathBuf,
    blobs: PathBuf,
}

impl Disks {
    /// Below this directory.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let disks = Self { volumes: dir.join("volumes"), layers: dir.join("layers"), blobs: dir.join("blobs") };
        for dir in [&disks.volumes, &disks.layers, &disks.blobs] {
            fs::create_dir_all(dir)?;
            // Machines' trees hold their secrets, and set-user-id programs that no one has updated.
            fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(disks)
    }

    /// A root volume's own tree.
    pub fn upper(&self, volume_id: &str) -> PathBuf {
        self.volumes.join(volume_id).join("upper")
    }

    /// overlayfs' working directory beside it.
    pub fn work(&self, volume_id: &str) -> PathBuf {
        self.volumes.join(volume_id).join("work")
    }

    /// A data volume's file.
    pub fn data(&self, volume_id: &str) -> PathBuf {
        self.volumes.join(volume_id).join("data")
    }

    /// A frozen tree.
    pub fn layer(&self, name: &str) -> PathBuf {
        self.layers.join(name)
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.blobs.join(name)
    }

    /// Makes a volume's files, or grows its file to its size.
    pub fn make(&self, volume: &Volume) -> io::Result<()> {
        fs::create_dir_all(self.volumes.join(&volume.id))?;
        let bytes = u64::from(volume.spec.size) * GIB;
        let data = self.data(&volume.id);
        match &volume.content {
            Content::Tree(_) => {
                new_dir(&self.upper(&volume.id))?;
                new_dir(&self.work(&volume.id))
            }
            Content::Block(from) => {
                if !data.exists() {
                    let new = data.with_extension("tmp");
                    match from {
                        Some(blob) => copy::file(&self.blob(blob), &new)?,
                        None => drop(fs::File::create(&new)?),
                    }
                    fs::rename(&new, &data)?;
                }
                let file = fs::OpenOptions::new().write(true).open(&data)?;
                if file.metadata()?.len() < bytes {
                    file.set_len(bytes)?;
                }
                Ok(())
            }
            // [`Disks::pack`] makes its file, when it is attached.
            Content::Packed(_) => Ok(()),
        }
    }

    /// Makes the file of a root volume that is attached as a disk, of the trees below its own.
    pub fn pack(&self, volume: &Volume, below: &[PathBuf]) -> io::Result<()> {
        let data = self.data(&volume.id);
        if data.exists() {
            return Ok(());
        }
        fs::create_dir_all(self.volumes.join(&volume.id))?;
        let own = self.upper(&volume.id);
        let mut trees = Vec::new();
        if own.exists() {
            trees.push(own);
        }
        trees.extend(below.iter().cloned());
        filesystem::pack(&trees, &data, u64::from(volume.spec.size) * GIB)
    }

    /// The tree of a blob's root file system, read from it where that was not done yet.
    pub fn unpack(&self, blob: &str) -> io::Result<()> {
        let layer = self.layer(blob);
        if layer.exists() { Ok(()) } else { filesystem::unpack(&self.blob(blob), &layer) }
    }

    /// Turns a root volume's tree into a frozen one and gives the volume an empty one. The volume must not be mounted.
    pub fn freeze(&self, volume_id: &str, name: &str) -> io::Result<()> {
        let (upper, work, layer) = (self.upper(volume_id), self.work(volume_id), self.layer(name));
        // overlayfs ties a working directory to its upper one. Both new ones are there before the old one goes, so that
        // a full disk costs nothing.
        let (new_upper, new_work) = (upper.with_extension("new"), work.with_extension("new"));
        new_dir(&new_upper)?;
        new_dir(&new_work)?;
        if !layer.exists() {
            fs::rename(&upper, &layer)?;
        }
        if !upper.exists() {
            fs::rename(&new_upper, &upper)?;
        }
        remove(&work)?;
        fs::rename(&new_work, &work)?;
        remove(&new_upper)
    }

    /// Undoes [`Disks::freeze`] when the state could not be told of it.
    pub fn thaw(&self, volume_id: &str, name: &str) -> io::Result<()> {
        let (upper, layer) = (self.upper(volume_id), self.layer(name));
        if layer.exists() {
            // Fails when something was written since, and then both are kept.
            fs::remove_dir(&upper)?;
            fs::rename(&layer, &upper)?;
        }
        Ok(())
    }

    /// Copies a root volume's tree into a frozen one; the volume may be in use.
    pub fn copy_tree(&self, volume_id: &str, name: &str) -> io::Result<()> {
        let layer = self.layer(name);
        if layer.exists() {
            return Ok(());
        }
        let new = self.layers.join(format!("{name}.tmp"));
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        copy::tree(&self.upper(volume_id), &new)?;
        fs::rename(&new, &layer)
    }

    /// Copies a data volume's file into a frozen one.
    pub fn copy_data(&self, volume_id: &str, name: &str) -> io::Result<()> {
        let blob = self.blob(name);
        if blob.exists() {
            return Ok(());
        }
        let new = self.blobs.join(format!("{name}.tmp"));
        copy::file(&self.data(volume_id), &new)?;
        fs::rename(&new, &blob)
    }

    /// Removes what the state does not name. `read` gives the state; it is called after the directories were listed, so
    /// that nothing that is just being made is taken for a leftover.
    pub fn sweep<E: From<io::Error>>(&self, read: impl FnOnce() -> Result<std::sync::Arc<State>, E>) -> Result<(), E> {
        let listed: Vec<(&Path, Vec<String>)> = [&self.volumes, &self.layers, &self.blobs]
            .into_iter()
            .map(|dir| Ok((dir.as_path(), names(dir)?)))
            .collect::<io::Result<_>>()?;
        let wanted = wanted(&*read()?);
        for (dir, names) in listed {
            for name in names {
                if !wanted.contains(name.trim_end_matches(".tmp").trim_end_matches(".mnt")) {
                    remove(&dir.join(name))?;
                }
            }
        }
        Ok(())
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect()
}

/// Everything that the state names: volumes, what they and snapshots are made of, and snapshots that are being taken.
fn wanted(state: &State) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    let mut content = |content: &Content| match content {
        Content::Tree(layers) | Content::Packed(layers) => wanted.extend(layers.iter().filter_map(|l| match l {
            Layer::Frozen(name) | Layer::Unpacked(name) => Some(name.clone()),
            Layer::Base(_) | Layer::Settled { .. } => None,
        })),
        Content::Block(blob) => wanted.extend(blob.clone()),
    };
    for region in state.regions.values() {
        region.volumes.values().for_each(|v| content(&v.content));
        region.snapshots.values().filter_map(|s| s.content.as_ref()).for_each(&mut content);
    }
    for region in state.regions.values() {
        wanted.extend(region.volumes.keys().cloned());
        wanted.extend(region.snapshots.keys().cloned());
    }
    wanted
}

fn remove(path: &Path) -> io::Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match gone {
        // Another process swept it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A directory whose mode is that of `/`: the top layer's root is the machine's root.
fn new_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::{Region, Time, VolumeSpec, VolumeState};

    fn volume(id: &str, size: u32, content: Content) -> Volume {
        Volume {
            id: id.into(),
            spec: VolumeSpec {
                size,
                volume_type: "gp2".into(),
                iops: None,
                throughput: None,
                encrypted: false,
                kms_key_id: None,
            },
            snapshot_id: None,
            availability_zone: "us-east-1a".into(),
            created: Time(0),
            state: VolumeState::Available,
            attachment: None,
            content,
            modification: None,
        }
    }

    #[test]
    fn data_volumes_are_sparse_and_snapshots_keep_their_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let disks = Disks::open(dir.path()).unwrap();
        let one = volume("vol-1", 4, Content::Block(None));
        disks.make(&one).unwrap();
        let mut bytes = vec![7u8; 5000];
        bytes[0] = 1;
        {
            use std::os::unix::fs::FileExt as _;
            let file = std::fs::OpenOptions::new().write(true).open(disks.data("vol-1")).unwrap();
            file.write_all_at(&bytes, 3 * GIB).unwrap();
        }
        disks.copy_data("vol-1", "snap-1").unwrap();
        let two = volume("vol-2", 8, Content::Block(Some("snap-1".into())));
        disks.make(&two).unwrap();
        let meta = std::fs::metadata(disks.data("vol-2")).unwrap();
        assert_eq!(meta.len(), 8 * GIB);
        assert!(std::os::unix::fs::MetadataExt::blocks(&meta) * 512 < 1 << 20, "not sparse");
        let mut read = vec![0u8; 5000];
        std::os::unix::fs::FileExt::read_exact_at(
            &std::fs::File::open(disks.data("vol-2")).unwrap(),
            &mut read,
            3 * GIB,
        )
        .unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn freezing_can_be_repeated_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let disks = Disks::open(dir.path()).unwrap();
        disks.make(&volume("vol-1", 8, Content::Tree(Vec::new()))).unwrap();
        std::fs::write(disks.upper("vol-1").join("etc"), "x").unwrap();
        disks.freeze("vol-1", "snap-1").unwrap();
        std::fs::write(disks.upper("vol-1").join("later"), "y").unwrap();
        // The process ended before the state said so, and the next one does it again.
        disks.freeze("vol-1", "snap-1").unwrap();
        assert_eq!(std::fs::read_to_string(disks.layer("snap-1").join("etc")).unwrap(), "x");
        assert!(disks.upper("vol-1").join("later").exists());
    }

    #[test]
    fn sweeping_removes_exactly_what_nothing_names() {
        let dir = tempfile::tempdir().unwrap();
        let disks = Disks::open(dir.path()).unwrap();
        let kept = volume("vol-1", 1, Content::Tree(vec![Layer::Frozen("snap-1".into()), Layer::Base("b".into())]));
        disks.make(&kept).unwrap();
        disks.make(&volume("vol-2", 1, Content::Block(None))).unwrap();
        for layer in ["snap-1", "snap-2", "snap-3.tmp"] {
            std::fs::create_dir(disks.layer(layer)).unwrap();
        }
        let mut region = Region::default();
        region.volumes.insert("vol-1".into(), kept);
        let mut state = State::default();
        state.regions.insert("us-east-1".into(), region);
        disks.sweep(|| Ok::<_, io::Error>(Arc::new(state))).unwrap();
        assert!(disks.upper("vol-1").exists() && disks.layer("snap-1").exists());
        for gone in [disks.data("vol-2"), disks.layer("snap-2"), disks.layer("snap-3.tmp")] {
            assert!(!gone.exists(), "{}", gone.display());
        }
    }
}
