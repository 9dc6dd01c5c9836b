//! The file that says who a node is.
//!
//! One line: `roster-node-id 1 <32 hexadecimal digits> <crc32 of what stands before>`, written at the first start.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{model::NodeId, runtime::durable};

const NAME: &str = "node-id";

/// Why it is not known who a node is.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The disk refused.
    #[error("cannot access the file of the node's id {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// The file does not say what it should.
    #[error(
        "the file of the node's id {path} is damaged; restore it, or remove it to start as a new node: the others then \
         take the old one for dead"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random numbers.
    #[error("cannot draw a node's id: {0}")]
    Random(#[from] getrandom::Error),
}

/// The id of the node of this directory, drawn now if it has none.
pub(super) fn load_or_draw(dir: &Path) -> Result<NodeId, IdentityError> {
    let path = dir.join(NAME);
    let failed = |cause| IdentityError::Io { path: path.clone(), cause };
    if let Some(line) = durable::read(&path).map_err(failed)? {
        return parse(&line).ok_or(IdentityError::Damaged { path });
    }
    let id = NodeId(draw_bits()?);
    durable::replace(dir, NAME, |file| file.write_all(render(id).as_bytes())).map_err(failed)?;
    Ok(id)
}

/// 128 bits that nobody else draws.
pub fn draw_bits() -> Result<u128, getrandom::Error> {
    let mut bits = [0; size_of::<u128>()];
    getrandom::fill(&mut bits)?;
    Ok(u128::from_be_bytes(bits))
}

fn render(id: NodeId) -> String {
    durable::seal(&format!("roster-node-id 1 {id}"))
}

fn parse(line: &[u8]) -> Option<NodeId> {
    durable::unseal(line)?.strip_prefix("roster-node-id 1 ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_node_stays_who_it_is() {
        let dirs = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
        let ids = dirs.each_ref().map(|dir| load_or_draw(dir.path()).expect("drawn"));
        assert_ne!(ids[0], ids[1]);
        assert_eq!(load_or_draw(dirs[0].path()).expect("loads"), ids[0]);
    }

    #[test]
    fn damage_is_an_error_and_no_new_id() {
        let dir = tempfile::tempdir().expect("a directory");
        let whole = render(NodeId(0x17));
        for text in ["", "roster-node-id 1 17 00000000\n", &whole.replace("0017", "0018"), &whole[..20]] {
            fs::write(dir.path().join(NAME), text).expect("writes");
            let error = load_or_draw(dir.path()).expect_err("damaged");
            assert!(matches!(error, IdentityError::Damaged { .. }), "{text:?}");
            assert!(error.to_string().contains("remove it to start as a new node"), "{error}");
        }
    }

    #[test]
    fn the_first_format_reads_for_ever() {
        let line = b"roster-node-id 1 00000000000000000000000000000017 fda855cc\n";
        assert_eq!(parse(line), Some(NodeId(0x17)), "{}", render(NodeId(0x17)));
    }
}
