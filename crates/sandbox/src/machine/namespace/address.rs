//! Which machine has which address, over all state directories of this host.
//!
//! A machine's own `address` file says what it has; /run/imgbuild/addresses says who holds what, so that two state
//! directories do not give out the same address. An entry whose machine no longer names it is free.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::files::{RunFiles, remove_if_there, write_atomic};
use super::network::Links;

/// Who holds an address: the machine's `address` file.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    file: PathBuf,
}

/// The host-wide register, locked for as long as this is held.
struct Register {
    dir: PathBuf,
    _lock: File,
}

/// The machine's address: the one that it already has if nobody else took it meanwhile, else a new one.
pub fn reserve(files: &RunFiles) -> io::Result<Ipv4Addr> {
    reserve_in(Path::new("/run/imgbuild/addresses"), files, &host_routes()?)
}

/// Gives the address back.
pub fn release(files: &RunFiles) -> io::Result<()> {
    release_in(Path::new("/run/imgbuild/addresses"), files)
}

/// The address that a machine has, if it has one.
pub fn current(files: &RunFiles) -> Option<Ipv4Addr> {
    fs_err::read_to_string(files.address()).ok()?.trim().parse().ok()
}

fn reserve_in(register: &Path, files: &RunFiles, routes: &[(u32, u32)]) -> io::Result<Ipv4Addr> {
    files.create()?;
    let register = Register::lock(register)?;
    let mine = files.address();
    let taken = register.taken()?;
    if let Some(address) = current(files)
        && taken.get(&address).is_none_or(|holder| *holder == mine)
    {
        register.enter(address, &mine)?;
        return Ok(address);
    }
    let links = (0..Links::BLOCKS)
        .map(Links::of_block)
        .find(|links| {
            !taken.contains_key(&links.machine) && !routes.iter().any(|&(net, mask)| links.overlaps(net, mask))
        })
        .ok_or_else(|| io::Error::other("10.99.0.0/16 has no free address left on this host"))?;
    write_atomic(&mine, links.machine.to_string().as_bytes(), 0o600)?;
    register.enter(links.machine, &mine)?;
    Ok(links.machine)
}

fn release_in(register: &Path, files: &RunFiles) -> io::Result<()> {
    let register = Register::lock(register)?;
    let mine = files.address();
    if let Some(address) = current(files)
        && register.taken()?.get(&address).is_some_and(|holder| *holder == mine)
    {
        remove_if_there(&register.dir.join(address.to_string()))?;
    }
    remove_if_there(&mine)
}

impl Register {
    fn lock(dir: &Path) -> io::Result<Self> {
        fs_err::create_dir_all(dir)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(".lock"))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// The addresses whose holders still say that they have them.
    fn taken(&self) -> io::Result<HashMap<Ipv4Addr, PathBuf>> {
        let mut taken = HashMap::new();
        for entry in fs_err::read_dir(&self.dir)? {
            let entry = entry?;
            let Some(address) = entry.file_name().to_str().and_then(|name| name.parse::<Ipv4Addr>().ok()) else {
                continue;
            };
            let Ok(holder) = serde_json::from_slice::<Holder>(&fs_err::read(entry.path())?) else { continue };
            let says = fs_err::read_to_string(&holder.file).ok().and_then(|text| text.trim().parse().ok());
            if says == Some(address) {
                taken.insert(address, holder.file);
            }
        }
        Ok(taken)
    }

    fn enter(&self, address: Ipv4Addr, file: &Path) -> io::Result<()> {
        let holder = serde_json::to_vec(&Holder { file: file.to_owned() })?;
        write_atomic(&self.dir.join(address.to_string()), &holder, 0o600)
    }
}

/// Networks that this host already routes, without the default route: address and mask.
fn host_routes() -> io::Result<Vec<(u32, u32)>> {
    Ok(parse_routes(&fs_err::read_to_string("/proc/net/route")?))
}

/// /proc/net/route holds addresses as hexadecimal in the byte order of the machine.
fn parse_routes(table: &str) -> Vec<(u32, u32)> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |text: Option<&&str>| u32::from_str_radix(text?, 16).ok().map(u32::from_be);
            let (network, mask) = (number(fields.get(1))?, number(fields.get(7))?);
            (mask != 0).then_some((network, mask))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_and_not_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let register = dir.path().join("register");
        let one = RunFiles::new(&dir.path().join("a"), "i-1");
        let two = RunFiles::new(&dir.path().join("b"), "i-1");
        let first = reserve_in(&register, &one, &[]).unwrap();
        assert_eq!(reserve_in(&register, &one, &[]).unwrap(), first);
        assert_ne!(reserve_in(&register, &two, &[]).unwrap(), first);
        // A state directory that was deleted holds nothing any more.
        fs_err::remove_dir_all(&one.dir).unwrap();
        let three = RunFiles::new(&dir.path().join("c"), "i-3");
        assert_eq!(reserve_in(&register, &three, &[]).unwrap(), first);
        // A machine that comes back (its directory restored) finds its address taken and gets another.
        one.create().unwrap();
        fs_err::write(one.address(), first.to_string()).unwrap();
        assert_ne!(reserve_in(&register, &one, &[]).unwrap(), first);
        release_in(&register, &three).unwrap();
        release_in(&register, &three).unwrap();
        assert!(current(&three).is_none());
    }

    #[test]
    fn blocks_that_the_host_routes_are_not_given() {
        let dir = tempfile::tempdir().unwrap();
        let files = RunFiles::new(dir.path(), "i-1");
        let route = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t010002C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     vpn0\t0000630A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let routes = parse_routes(route);
        assert_eq!(routes, [(u32::from(Ipv4Addr::new(10, 99, 0, 0)), 0xffff_ff00)]);
        let address = reserve_in(&dir.path().join("register"), &files, &routes).unwrap();
        assert_eq!(address, Ipv4Addr::new(10, 99, 1, 2));
    }
}
