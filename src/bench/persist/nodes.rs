//! A cluster of three nodes for one measurement: processes of this program on free ports, with what they keep in a directory
//! of their own. Promises that both are gone when its value is dropped, and the processes too when this one is killed.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::bench::free_ports;

const NODES: usize = 3;

pub struct OwnNodes {
    dir: PathBuf,
    nodes: Vec<(u16, Child)>,
}

impl OwnNodes {
    /// `more` are settings of each node; others can be given as ROSTER_NAME in the environment.
    pub fn start(below: &Path, more: &[String]) -> Result<Self> {
        let ports = free_ports(NODES)?;
        let dir = below.join(format!("roster-bench-{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
        let mut own = Self { dir, nodes: Vec::new() };
        let peers = ports.iter().copied().map(address).collect::<Vec<_>>().join(",");
        for port in ports {
            let child = own.spawn(port, &peers, more).with_context(|| format!("starting a node at {port}"))?;
            own.nodes.push((port, child));
        }
        Ok(own)
    }

    fn spawn(&self, port: u16, peers: &str, more: &[String]) -> Result<Child> {
        let mut command = Command::new(std::env::current_exe().context("this program cannot find itself")?);
        command.args(["server", "--exit-with-parent", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--peers", peers, "--advertise", &address(port), "--log", "error"]);
        command.arg("--data").arg(self.dir.join(port.to_string())).args(more);
        // The end of its standard input is the end of this process.
        Ok(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?)
    }

    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|(port, _)| address(*port)).collect()
    }

    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().map(|(_, child)| child.id()).collect()
    }
}

impl Drop for OwnNodes {
    fn drop(&mut self) {
        for (_, node) in &mut self.nodes {
            // It may have ended by itself; there is nobody to tell either way.
            let _ = node.kill();
            let _ = node.wait();
        }
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("{} is left behind: {error}", self.dir.display());
        }
    }
}

fn address(port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}
