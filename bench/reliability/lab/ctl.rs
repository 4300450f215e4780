//! `sessclustctl`, which gives sessions their copies again after a node was restarted.

use std::{io, path::PathBuf, process::Command};

use crate::support::extension;

/// Where `script/build` leaves it: beside the extension.
pub fn program() -> Option<PathBuf> {
    Some(extension().with_file_name("sessclustctl")).filter(|file| file.is_file())
}

/// Repairs a pool and waits for the end of it.
pub fn repair(save_path: &str) -> io::Result<()> {
    let program = program().ok_or_else(|| io::Error::other("no sessclustctl"))?;
    let output = Command::new(program).args(["repair", "--save-path", save_path]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("sessclustctl repair: {output:?}")));
    }
    Ok(())
}
