//! Whose connection it is. Everyone on the host can connect to a loopback port, but machines run as root: only the user who
//! serves the sandbox, and whom that user names, may use it. The kernel's table of sockets knows the user of each.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use fs_err as fs;

/// The user of the other end of a connection on this host; `None` when the kernel does not say.
pub fn user(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let table = if peer.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    find(&fs::read_to_string(table).ok()?, peer, local)
}

/// Looks for the row of the socket whose own address is `peer` and whose peer is `local`.
fn find(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let (own, other) = (written(peer), written(local));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (from, to) = (fields.next()?, fields.next()?);
        // state, queues, timer, retransmissions, then the user
        (from == own && to == other).then(|| fields.nth(4)?.parse().ok()).flatten()
    })
}

/// An address as the table has it: 32-bit words in the host's byte order, in hexadecimal.
fn written(address: SocketAddr) -> String {
    let mut text = String::new();
    let mut word = |bytes: [u8; 4]| {
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(bytes));
    };
    match address.ip() {
        IpAddr::V4(ip) => word(ip.octets()),
        IpAddr::V6(ip) => ip.octets().chunks_exact(4).for_each(|c| word([c[0], c[1], c[2], c[3]])),
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_its_own_peer() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(any) else { continue };
            let address = listener.local_addr().unwrap();
            let client = std::net::TcpStream::connect(address).unwrap();
            let me = rustix::process::geteuid().as_raw();
            assert_eq!(user(client.local_addr().unwrap(), address), Some(me), "{any}");
        }
    }

    #[test]
    fn rows_are_told_apart() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:15E1 0100007F:A3B4 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
            1: 0100007F:A3B4 0100007F:15E1 01 00000000:00000000 00:00000000 00000000  1000        0 2 1\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        if cfg!(target_endian = "little") {
            assert_eq!(find(table, at(0xA3B4), at(0x15E1)), Some(1000));
            assert_eq!(find(table, at(0x15E1), at(0xA3B4)), Some(0));
            assert_eq!(find(table, at(1), at(0x15E1)), None);
        }
    }
}
