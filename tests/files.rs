//! Bad files: random bytes, cut, foreign and special files, wrong owners and permissions.

mod support;

use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::unix::fs::{FileExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use support::{Answer, Php, Setup, folder, is_root, seeded, session_files};

/// A store with one session in its own base, and the session's file.
fn store_with(setup: &Setup, base: &Path, commands: &[&str]) -> PathBuf {
    for command in commands {
        setup.run(command).value();
    }
    let files = session_files(base);
    let [file] = &files[..] else { panic!("one session, one file: {files:?}") };
    file.clone()
}

/// Reads a damaged session: one of the whole versions, or nothing and one warning that says so.
fn check_damaged(answer: &Answer, versions: &[&str], what: &str) -> bool {
    let whole = answer.ok && answer.ours.is_empty() && versions.contains(&answer.value.as_str());
    let lost = answer.ours.len() == 1 && (!answer.ok || answer.value == "empty");
    assert!(whole || lost, "{what}: {answer:?}");
    whole
}

/// Writes over the damage; whatever was there before, the session works again.
fn check_usable(php: &mut Php, number: u32) {
    let written = php.call(&format!("put one {number} 500"));
    assert!(written.ok, "{written:?}");
    assert_eq!(php.call("get one").value(), format!("{number} 500"));
}

#[test]
fn random_bytes_in_a_file_give_an_old_version_or_nothing() {
    const ROUNDS: u32 = 1500;
    let mut rng = seeded();
    for (bytes, versions) in [(300, ["1 300", "2 300"]), (9_000, ["1 9000", "2 9000"])] {
        let base = folder();
        let setup = Setup::new(base.path());
        let commands = [1, 2].map(|number| format!("put one {number} {bytes}"));
        let file = store_with(&setup, base.path(), &commands.each_ref().map(String::as_str));
        let good = fs::read(&file).unwrap();
        let mut php = setup.start();
        let mut survived = 0;
        for round in 0..ROUNDS {
            let mut bad = good.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bad.len());
                let length_max = rng.choice([1, 8, 64, 4096]).expect("one of four");
                let length = rng.usize(1..=length_max);
                let end = (at + length).min(bad.len());
                match rng.u8(..3) {
                    0 => bad[at..end].fill_with(|| rng.u8(..)),
                    1 => bad[at..end].fill(0),
                    _ => bad[at] ^= 1 << rng.u8(..8),
                }
            }
            // A session that was never written is no damaged one: both slots are zeros.
            if bad.iter().take(4096).all(|byte| *byte == 0) {
                continue;
            }
            let what = format!("round {round} of {bytes} bytes");
            fs::write(&file, &bad).unwrap();
            survived += u32::from(check_damaged(&php.call("peek one"), &versions, &what));
            check_damaged(&php.call("get one"), &versions, &what);
            if round % 10 == 0 {
                check_usable(&mut php, 3);
            }
        }
        println!("{bytes} bytes: {survived} of {ROUNDS} damaged files still gave a version");
    }
}

#[test]
fn files_of_random_bytes_give_nothing() {
    let base = folder();
    let mut rng = seeded();
    let setup = Setup::new(base.path());
    let file = store_with(&setup, base.path(), &["put one 1 300"]);
    let mut php = setup.start();
    for round in 0..300 {
        let length = if rng.bool() { rng.usize(..5000) } else { 4096 * rng.usize(1..4) };
        let noise: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
        fs::write(&file, &noise).unwrap();
        let answer = php.call("get one");
        // An empty file is one whose first writer was killed, which is no damage.
        let warnings = usize::from(length > 0);
        assert_eq!((answer.ok, answer.ours.len()), (true, warnings), "round {round}: {answer:?}");
        assert_eq!(answer.value, "empty");
        fs::write(&file, &noise).unwrap();
        check_usable_after_warning(&mut php);
    }
}

/// As [`check_usable`], where the opening read warns of the damage.
fn check_usable_after_warning(php: &mut Php) {
    let written = php.call("put one 2 500");
    assert!(written.ok && written.ours.len() <= 1, "{written:?}");
    assert_eq!(php.call("get one").value(), "2 500");
}

#[test]
fn a_file_cut_at_any_length_gives_an_old_version_or_nothing() {
    let base = folder();
    let setup = Setup::new(base.path());
    let file = store_with(&setup, base.path(), &["put one 1 300", "put one 2 9000"]);
    let good = fs::read(&file).unwrap();
    let mut php = setup.start();
    for length in 0..good.len() {
        fs::write(&file, &good[..length]).unwrap();
        let answer = php.call("peek one");
        // Nothing at all is what a writer leaves that was killed before its first commit.
        let unwritten = length == 0 && answer.clone().value() == "empty";
        if !unwritten {
            check_damaged(&answer, &["1 300", "2 9000"], &format!("cut at {length}"));
        }
    }
    fs::write(&file, &good).unwrap();
    assert_eq!(php.call("get one").value(), "2 9000");
}

#[test]
fn another_sessions_file_is_never_handed_out() {
    let base = folder();
    let setup = Setup::new(base.path());
    let mine = store_with(&setup, base.path(), &["put one 1 300"]);
    setup.run("put two 7 400").value();
    let files = session_files(base.path());
    let other = files.iter().find(|file| **file != mine);
    let other = other.expect("the other session's file");
    fs::copy(other, &mine).unwrap();
    for command in ["peek one", "get one"] {
        let answer = setup.run(command);
        assert!(answer.ours.len() == 1 && (!answer.ok || answer.value == "empty"), "{answer:?}");
    }
    assert_eq!(setup.run("get two").value(), "7 400");
    // Hard links are the same file under a second name.
    fs::remove_file(&mine).unwrap();
    fs::hard_link(other, &mine).unwrap();
    let answer = setup.run("get one");
    assert!(answer.ours.len() == 1 && (!answer.ok || answer.value == "empty"), "{answer:?}");
}

#[test]
fn special_files_in_a_sessions_place_are_refused() {
    let base = folder();
    let setup = Setup::new(base.path());
    let file = store_with(&setup, base.path(), &["put one 1 300"]);
    let aside = base.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    let make: [(&str, &dyn Fn()); 4] = [
        ("a symbolic link", &|| symlink(&aside, &file).unwrap()),
        ("a dangling link", &|| symlink(base.path().join("none"), &file).unwrap()),
        ("a directory", &|| fs::create_dir(&file).unwrap()),
        ("a FIFO", &|| {
            assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        }),
    ];
    let good = fs::read(&aside).unwrap();
    for (what, make) in make {
        make();
        for command in ["get one", "peek one", "put one 2 300"] {
            let warning = setup.run(command).failure();
            assert!(warning.contains("is not a regular file"), "{what}: {warning}");
        }
        if file.is_dir() && !file.is_symlink() {
            fs::remove_dir(&file).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
    }
    assert_eq!(fs::read(&aside).unwrap(), good, "nothing was written through the link");
    assert!(!base.path().join("none").exists());
    fs::rename(&aside, &file).unwrap();
    assert_eq!(setup.run("get one").value(), "1 300");
}

#[test]
fn a_store_that_others_could_change_is_refused() {
    let base = folder();
    let setup = Setup::new(base.path());
    let refuse = |why: &str| {
        for command in ["get one", "put one 2 300"] {
            let warning = setup.run(command).failure();
            assert!(warning.contains(why), "{warning}");
        }
    };
    store_with(&setup, base.path(), &["put one 1 300"]);
    let store = base.path().join(format!("u{}", rustix::process::geteuid().as_raw()));
    fs::set_permissions(&store, Permissions::from_mode(0o770)).unwrap();
    refuse("mode 0700");
    fs::set_permissions(&store, Permissions::from_mode(0o700)).unwrap();
    let aside = base.path().join("aside");
    fs::rename(&store, &aside).unwrap();
    symlink(&aside, &store).unwrap();
    refuse("is not a directory");
    fs::remove_file(&store).unwrap();
    File::create(&store).unwrap();
    refuse("is not a directory");
    fs::remove_file(&store).unwrap();
    fs::rename(&aside, &store).unwrap();
    assert_eq!(setup.run("get one").value(), "1 300");
    // Giving files away is root's.
    if is_root() {
        chown(&store, Some(NOBODY), None).unwrap();
        refuse("belongs to user 65534");
        chown(&store, Some(0), None).unwrap();
        for file in session_files(base.path()) {
            chown(&file, Some(NOBODY), None).unwrap();
        }
        refuse("is not a regular file of user 0");
    }
}

/// The user `nobody` of Debian.
const NOBODY: u32 = 65534;

#[test]
fn directories_that_may_not_be_used_are_one_warning() {
    let base = folder();
    let missing = base.path().join("missing");
    let warning = Setup::new(&missing).run("put one 1 300").failure();
    assert!(warning.contains("the directory above it does not exist"), "{warning}");
    if !is_root() {
        return;
    }
    // Root may do everything, so another user has to try.
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let closed = base.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let warning = Setup::new(&closed).run_in(&nobody, "put one 1 300").failure();
    assert!(warning.contains("Permission denied"), "{warning}");
    // A file of the store that its own user may not write.
    let setup = Setup::new(base.path());
    setup.run_in(&nobody, "put one 1 300").value();
    let [file] = &session_files(base.path())[..] else { panic!("one file") };
    fs::set_permissions(file, Permissions::from_mode(0o000)).unwrap();
    for command in ["put one 2 300", "peek one"] {
        let warning = setup.run_in(&nobody, command).failure();
        assert!(warning.contains("Permission denied"), "{command}: {warning}");
    }
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(setup.run_in(&nobody, "get one").value(), "1 300");
}

/// A length in the header that the file does not have must neither be believed nor allocated.
#[test]
fn a_hole_of_a_terabyte_is_only_a_file() {
    let base = folder();
    let setup = Setup::new(base.path());
    let file = store_with(&setup, base.path(), &["put one 1 300"]);
    let handle = OpenOptions::new().write(true).open(&file).unwrap();
    handle.set_len(1 << 40).unwrap();
    assert_eq!(setup.run("get one").value(), "1 300");
    handle.write_all_at(&[0; 4096], 0).unwrap();
    let answer = setup.run("get one");
    assert!(answer.ours.len() <= 1 && (!answer.ok || answer.value == "empty"), "{answer:?}");
}
