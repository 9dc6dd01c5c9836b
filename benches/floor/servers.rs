//! The two servers under comparison as child processes. Promises that a started server accepts connections, and that
//! it is gone when its value is dropped. Never restarts one.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// What is added to the main port to find gRPC.
pub const GRPC_OFFSET: u16 = 1000;
/// The highest port above the main one that a server may open.
const HIGHEST_OFFSET: u16 = 1001;
const START_DEADLINE: Duration = Duration::from_secs(15);
const PORT_TRIES: usize = 100;

pub struct Server {
    child: Child,
    port: u16,
    // Removed with the server.
    _data: Option<TempDir>,
}

impl Server {
    pub fn bare() -> Result<Self> {
        let port = free_port()?;
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        command.args(["--bare-server", &(port + GRPC_OFFSET).to_string()]);
        Self::start(command, port, None)
    }

    pub fn roster(program: &Path) -> Result<Self> {
        let port = free_port()?;
        let data = tempfile::tempdir().context("making a data directory")?;
        let mut command = Command::new(program);
        command.args(["server", "--port", &port.to_string(), "--data"]).arg(data.path());
        Self::start(command, port, Some(data))
    }

    fn start(mut command: Command, port: u16, data: Option<TempDir>) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let mut server = Self { child, port, _data: data };
        let grpc = SocketAddr::from(([127, 0, 0, 1], port + GRPC_OFFSET));
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect_timeout(&grpc, Duration::from_secs(1)).is_err() {
            if let Some(status) = server.child.try_wait().context("looking after the server")? {
                bail!("{command:?} ended with {status}");
            }
            if Instant::now() >= deadline {
                bail!("{command:?} does not listen on {grpc} after {START_DEADLINE:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A main port whose gRPC ports are free too. Another program may still be faster; the start then says so.
fn free_port() -> Result<u16> {
    for _ in 0..PORT_TRIES {
        let main = TcpListener::bind(("127.0.0.1", 0)).context("asking for a port")?;
        let port = main.local_addr().context("asking for a port")?.port();
        let Some(highest) = port.checked_add(HIGHEST_OFFSET) else { continue };
        if (port + GRPC_OFFSET..=highest).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return Ok(port);
        }
    }
    bail!("no free ports in {PORT_TRIES} tries")
}
