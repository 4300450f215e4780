//! The directories of a store: made, and refused when they are not safe to use.

use crate::error::{Error, ErrorKind, Result};
use crate::session::id::Digest;
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use std::path::Path;

/// Mode of a session's file.
pub(super) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY_MODE: Mode = Mode::RWXU;

/// Makes the store's directory if it is missing, and checks that it can be trusted: a directory (no
/// symbolic link, for the default lies where everybody may write), this user's, writable for nobody
/// else, and on this machine.
pub(super) fn prepare(directory: &Path, uid: u32) -> Result<()> {
    let refuse =
        |why: &str| Err(Error::new(ErrorKind::Directory, format!("{} {why}", directory.display())));
    match rustix::fs::mkdir(directory, DIRECTORY_MODE) {
        // Once in the life of a store, so it is brought to the disk whatever `sessclust.sync` says.
        // A base that may not be read cannot be synced.
        Ok(()) => {
            let base = directory.parent().and_then(|base| std::fs::File::open(base).ok());
            let _ = base.map(|base| base.sync_all());
        }
        Err(Errno::EXIST) => {}
        Err(Errno::NOENT) if !directory.parent().is_some_and(Path::exists) => {
            return refuse("cannot be made: the directory above it does not exist");
        }
        Err(error) => {
            let doing = format!("cannot make the directory {} as user {uid}", directory.display());
            return Err(Error::io(doing, error));
        }
    }
    let look = |error| Error::io(format!("cannot look at {}", directory.display()), error);
    let stat = rustix::fs::lstat(directory).map_err(look)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return refuse("is not a directory");
    }
    if stat.st_uid != uid {
        return refuse(&format!("belongs to user {}, not to user {uid}", stat.st_uid));
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return refuse("can be written by other users; make it mode 0700");
    }
    let file_system = rustix::fs::statfs(directory).map_err(look)?.f_type;
    match network_name(file_system as u64) {
        Some(name) => refuse(&format!(
            "is on a network file system ({name}), where locks and writes in place are not safe"
        )),
        None => Ok(()),
    }
}

/// Makes the directory of a session's file, and the store's own if somebody has removed it.
pub(super) fn prepare_shard(directory: &Path, uid: u32, digest: &Digest) -> Result<()> {
    let hex = digest.to_hex();
    let shard = directory.join(String::from_utf8_lossy(&hex[..2]).as_ref());
    let make = || rustix::fs::mkdir(&shard, DIRECTORY_MODE);
    let made = match make() {
        Err(Errno::NOENT) => {
            prepare(directory, uid)?;
            make()
        }
        made => made,
    };
    match made {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(Error::io(format!("cannot make {}", shard.display()), error)),
    }
}

/// The name of a network file system by its magic number.
/// Source: `linux/magic.h` and `statfs(2)`; the numbers that are missing there, from the kernel's
/// `fs/smb/client/cifsglob.h` and Lustre's `lustre_user.h`.
fn network_name(magic: u64) -> Option<&'static str> {
    // Some are sign-extended from 32 bits.
    Some(match magic & 0xffff_ffff {
        0x6969 => "NFS",
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => "SMB",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "Ceph",
        0x0102_1997 => "9P",
        0x0bd0_0bd0 => "Lustre",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn refused(directory: &Path, uid: u32) -> String {
        let error = prepare(directory, uid).expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::Directory);
        error.to_string()
    }

    #[test]
    fn a_missing_directory_is_made_for_this_user_alone() {
        let base = tempfile::tempdir().expect("temp dir");
        let directory = base.path().join("u1");
        prepare(&directory, uid()).expect("made");
        prepare(&directory, uid()).expect("found");
        let mode = std::fs::metadata(&directory).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn what_is_not_safe_is_refused() {
        let base = tempfile::tempdir().expect("temp dir");
        let at = |name: &str| base.path().join(name);
        std::fs::write(at("file"), "").expect("write");
        assert!(refused(&at("file"), uid()).ends_with("is not a directory"));
        std::os::unix::fs::symlink(base.path(), at("link")).expect("link");
        assert!(refused(&at("link"), uid()).ends_with("is not a directory"));
        std::fs::create_dir(at("open")).expect("mkdir");
        assert!(refused(&at("open"), uid() + 1).contains("belongs to user"));
        let open = std::fs::Permissions::from_mode(0o770);
        std::fs::set_permissions(at("open"), open).expect("chmod");
        assert!(refused(&at("open"), uid()).contains("mode 0700"));
        assert!(refused(&at("missing/u1"), uid()).contains("does not exist"));
    }

    #[test]
    fn network_file_systems_are_known_by_number() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xffff_ffff_fe53_4d42), Some("SMB"));
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
            assert_eq!(network_name(local), None, "{local:x}");
        }
    }
}
