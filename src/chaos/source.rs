//! Which process is at the other end of a connection on this machine, as `/proc` tells.

use std::{fs, net::SocketAddr};

/// Which of these processes, by position, dialled `to` from `from`; none when it is gone, or somebody else.
pub fn dialler(from: SocketAddr, to: SocketAddr, pids: &[u32]) -> Option<usize> {
    let inode = inode(&fs::read_to_string("/proc/net/tcp").ok()?, from.port(), to.port())?;
    let wanted = format!("socket:[{inode}]");
    pids.iter().position(|pid| {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()))
    })
}

/// The socket that goes from one port to another. Lines of the table: number, local, remote, state, queues, timer, retransmits,
/// user, timeout, inode.
fn inode(table: &str, from: u16, to: u16) -> Option<u64> {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = port(fields.get(1)?)? == from && port(fields.get(2)?)? == to;
        fields.get(9).filter(|_| is_it)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_at_the_other_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let socket = std::net::TcpStream::connect(to).unwrap();
        let from = socket.local_addr().unwrap();
        assert_eq!(dialler(from, to, &[1, std::process::id()]), Some(1));
        assert_eq!(dialler(from, to, &[]), None);
    }
}
