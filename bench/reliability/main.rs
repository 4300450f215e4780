//! The program of `script/reliability`, whose head explains it.

#[path = "../../tests/support/mod.rs"]
mod support;

mod lab;

use std::{
    cmp::Reverse,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use lab::{Fault, HANDLERS, Handler, Outcome, SESSIONS, WORKERS, faults::FAULTS, run};

/// Requests a second: what php-memcached serves with ease on two cores when nothing is wrong.
const RATE: u32 = 400;

/// How long something stands still.
const SECONDS: u64 = 10;

/// Kinds of failures that are shown of a run.
const COMPLAINTS: usize = 3;

struct Options {
    handlers: Vec<&'static Handler>,
    faults: Vec<Fault>,
    longest: Duration,
    rate: u32,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("reliability: {message}; --help shows the options");
            return ExitCode::from(2);
        }
    };
    println!("{}", conditions(&options));
    let mut is_reliable = true;
    for fault in &options.faults {
        let (name, title) = fault.names();
        println!("\n### {title}\n\n{HEAD}");
        for handler in &options.handlers {
            eprintln!("{name}: {}", handler.title);
            let Some(outcome) = run(handler, *fault, options.rate, options.longest) else {
                println!("| {} | left out |", handler.title);
                continue;
            };
            let mut complaints = Vec::from_iter(&outcome.complaints);
            complaints.sort_by_key(|(_, times)| Reverse(**times));
            for (complaint, times) in complaints.into_iter().take(COMPLAINTS) {
                eprintln!("    {times} times {complaint:.300}");
            }
            println!("{}", row(handler, &outcome));
            is_reliable &= !handler.is_ours() || is_whole(&outcome);
        }
    }
    if !is_reliable {
        eprintln!("sessclust has lost something or failed a request");
    }
    ExitCode::from(u8::from(!is_reliable))
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        handlers: Vec::new(),
        faults: Vec::new(),
        longest: Duration::from_secs(SECONDS),
        rate: RATE,
    };
    let mut words = std::env::args().skip(1);
    while let Some(option) = words.next() {
        let value = words.next().ok_or(format!("{option} takes a value"))?;
        let number = || value.parse().ok().filter(|number| *number > 0);
        let wrong = || format!("{option} {value}");
        match &*option {
            "--handler" => {
                let handler = HANDLERS.iter().find(|handler| handler.name == value);
                options.handlers.push(handler.ok_or_else(wrong)?);
            }
            "--fault" => {
                let fault = FAULTS.into_iter().find(|fault| fault.names().0 == value);
                options.faults.push(fault.ok_or_else(wrong)?);
            }
            "--seconds" => options.longest = Duration::from_secs(number().ok_or_else(wrong)?),
            "--rate" => {
                let rate = number().and_then(|rate| rate.try_into().ok());
                options.rate = rate.ok_or_else(wrong)?;
            }
            _ => return Err(format!("unknown option {option}")),
        }
    }
    if options.handlers.is_empty() {
        options.handlers = HANDLERS.iter().collect();
    }
    if options.faults.is_empty() {
        options.faults = FAULTS.into();
    }
    Ok(options)
}

/// What the figures depend on.
fn conditions(options: &Options) -> String {
    let mut lines = vec![format!(
        "{} cores, {}, {}, {}. php-fpm with {WORKERS} processes, {SESSIONS} sessions, {} requests \
         a second, three servers; what stands still does so for {} s.",
        thread::available_parallelism().map_or(0, usize::from),
        version("php", "PHP"),
        version("memcached", "memcached"),
        version("redis-server", "Redis"),
        options.rate,
        options.longest.as_secs(),
    )];
    for handler in &options.handlers {
        let version = handler.version().unwrap_or("missing".to_owned());
        let settings = handler.settings.join("`, `");
        lines.push(format!("* {} {version}: `{settings}`", handler.title));
    }
    lines.insert(1, String::new());
    lines.join("\n")
}

/// A name with the first thing that looks like a version in what the program says of itself.
fn version(program: &str, name: &str) -> String {
    let said = Command::new(program).arg("--version").output();
    let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let said = said.unwrap_or_default();
    let words = said.split([' ', '=', '\n']);
    let version = words
        .filter(|word| word.contains('.'))
        .find(|word| word.chars().all(|letter| letter.is_ascii_digit() || letter == '.'));
    format!("{name} {}", version.unwrap_or("missing"))
}

const HEAD: &str = "\
| handler | requests | failed | sessions lost | rolled back | silently | increments lost \
| longest, ms | throughput, % | readable |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

fn row(handler: &Handler, outcome: &Outcome) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {:.0} | {} |",
        handler.title,
        outcome.requests,
        outcome.failed,
        outcome.restarted,
        outcome.rolled_back,
        outcome.silent,
        outcome.increments,
        outcome.longest.as_millis(),
        100.0 * outcome.throughput,
        outcome.readable,
    )
}

/// Nothing was lost, nothing failed.
fn is_whole(outcome: &Outcome) -> bool {
    outcome.failed + outcome.restarted + outcome.rolled_back + outcome.increments == 0
        && outcome.readable == SESSIONS
}
