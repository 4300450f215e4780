//! `pcntl_fork` after the extension was used, and while a session is open.

mod support;

use support::{Setup, count, folder, in_parallel};

#[test]
fn parent_and_children_keep_exact_counts() {
    const PARENTS: usize = 2;
    const CHILDREN: usize = 4;
    const ROUNDS: usize = 200;
    let store = folder();
    let setup = Setup::new(store.path());
    in_parallel(PARENTS, |parent| {
        setup.run(&format!("fork_after_use p{parent} {CHILDREN} {ROUNDS}")).value();
        for who in 0..=CHILDREN {
            assert_eq!(count(&setup.run(&format!("life p{parent}-{who}")).value()), ROUNDS);
        }
        let common = count(&setup.run(&format!("life p{parent}-common")).value());
        assert_eq!(common, (CHILDREN + 1) * ROUNDS + 1);
    });
}

/// The lock belongs to an open file that parent and child share (flock(2)); the child must not free
/// it.
#[test]
fn a_child_that_exits_does_not_free_its_parents_session() {
    let store = folder();
    let setup = Setup::new(store.path());
    let mut parent = setup.start();
    parent.send("fork_while_open one");
    assert_eq!(parent.line().as_deref(), Some("open"));
    let impatient = setup.clone().with("sessclust.lock_wait=0");
    impatient.run("increment one").failure();
    parent.send("");
    assert_eq!(count(&parent.answer().value()), 1);
    assert_eq!(count(&setup.run("increment one").value()), 2);
}
