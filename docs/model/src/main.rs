//! The locking and replication rules of sessclust as an executable model.
//!
//!     rules        the rules that can be taken out
//!     node         one memcached node
//!     client       the rules, as a request follows them: open.rs, commit.rs
//!     faults       what goes wrong
//!     world        a run's bounds, its state, and the steps from one state to the next
//!     check        the invariants
//!     experiments  which run shows what
//!     trace        how a violation comes about, in words
//!
//! `docs/model/README.md` says what is modelled and what was found.

mod check;
mod client;
mod experiments;
mod faults;
mod node;
mod rules;
mod trace;
mod world;

use check::Invariant;
use experiments::{Experiment, Finding};
use std::process::ExitCode;

const USAGE: &str = "\
usage: sessclust-model table [--quick]    explore all, print the table; 1 if it is not as expected
       sessclust-model list               the explorations, rules and invariants
       sessclust-model trace NAME         explore one; print the trace of what it finds";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["table"] => table(experiments::all()),
        ["table", "--quick"] => {
            table(experiments::all().into_iter().filter(|it| it.is_quick).collect())
        }
        ["list"] => list(),
        ["trace", name] => match experiments::all().into_iter().find(|it| it.name == name) {
            Some(experiment) => explore_one(&experiment),
            None => complain(&format!("no exploration is called {name}")),
        },
        ["-h" | "--help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => complain(USAGE),
    }
}

fn complain(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(2)
}

/// What is taken out, with the numbers of the rules.
fn removed(experiment: &Experiment) -> String {
    let rules = experiment.removed.iter().map(|rule| {
        let (number, demand) = rule.describe();
        format!("{number}: {demand}")
    });
    let rules: Vec<String> = rules.collect();
    if rules.is_empty() { "nothing".to_owned() } else { rules.join("; ") }
}

fn expected(experiment: &Experiment) -> String {
    let names: Vec<&str> = experiment.expected.iter().map(|invariant| invariant.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" or ") }
}

/// The invariant that broke, others found broken by then in brackets, and the steps of the trace.
fn found(finding: &Finding) -> (String, String) {
    match &finding.violation {
        Some(violation) => {
            let name = violation.invariant.name();
            let others = match finding.others[..] {
                [] => String::new(),
                ref others => format!(" (and {})", others.join(", ")),
            };
            (format!("{name}{others}"), violation.steps().to_string())
        }
        None if finding.is_complete => ("none".to_owned(), "-".to_owned()),
        None => ("none, not all states seen".to_owned(), "-".to_owned()),
    }
}

/// Explores one after the other and prints each as a row, in Markdown.
fn table(experiments: Vec<Experiment>) -> ExitCode {
    println!("| name | removed | run | expected | found | steps | states | seconds |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let count = experiments.len();
    let mut unmet = Vec::new();
    for (number, experiment) in experiments.iter().enumerate() {
        eprintln!("[{}/{count}] {}: {}", number + 1, experiment.name, experiment.setting);
        let finding = experiment.explore();
        let (invariant, steps) = found(&finding);
        println!(
            "| {} | {} | {} | {} | {invariant} | {steps} | {} | {:.1} |",
            experiment.name,
            removed(experiment),
            experiment.setting,
            expected(experiment),
            finding.states,
            finding.duration.as_secs_f64(),
        );
        if !experiment.is_met_by(&finding) {
            unmet.push(experiment.name);
        }
    }
    if unmet.is_empty() {
        eprintln!("{count} explorations, all as expected");
        ExitCode::SUCCESS
    } else {
        eprintln!("{} of {count} not as expected: {}", unmet.len(), unmet.join(", "));
        ExitCode::FAILURE
    }
}

fn list() -> ExitCode {
    println!("explorations:");
    for experiment in experiments::all() {
        println!("  {:24} {}", experiment.name, experiment.setting);
        if !experiment.removed.is_empty() {
            println!("  {:24} without {}", "", removed(&experiment));
        }
    }
    println!("\nrules that can be taken out:");
    for (_, number, demand) in rules::ALL {
        println!("  {number:>10}  {demand}");
    }
    println!("\ninvariants:");
    for invariant in Invariant::ALL {
        println!("  {:12}  {}", invariant.name(), invariant.meaning());
    }
    ExitCode::SUCCESS
}

fn explore_one(experiment: &Experiment) -> ExitCode {
    println!("{}; removed: {}", experiment.setting, removed(experiment));
    let finding = experiment.explore();
    println!("{} states in {:.1} s", finding.states, finding.duration.as_secs_f64());
    match &finding.violation {
        Some(violation) => {
            trace::print(&experiment.run, &violation.trace);
            let (name, meaning) = (violation.invariant.name(), violation.invariant.meaning());
            println!("broken: {name}: {meaning}");
        }
        None => println!("nothing is broken"),
    }
    if experiment.is_met_by(&finding) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
