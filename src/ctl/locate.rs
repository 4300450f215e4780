//! `locate`: where the copies of a session are, and who holds it.

use crate::pool::Pool;
use crate::text::{left, or_dash, plural, row, span, table};
use crate::{Refusal, Verdict};
use clap::Args;
use sessclust_engine::cluster::{Found, Place, Stamp};
use sessclust_engine::session::id::{Digest, SessionId};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub(crate) struct Locate {
    /// The session's id. Everybody on this machine can read it in the list of processes, and who
    /// knows it has the session: `-` reads it from the first line of the standard input instead
    #[arg(value_name = "SESSION-ID", required_unless_present = "digest")]
    id: Option<String>,
    /// The digest of the id, 64 hexadecimal digits, as keys on the nodes have it (sc:r:DIGEST, on
    /// a Redis sc:r:{DIGEST}); it gives nobody the session
    #[arg(long, value_name = "HEX", conflicts_with = "id")]
    digest: Option<String>,
}

impl Locate {
    pub(crate) fn run(&self, pool: &Pool) -> Result<Verdict, Refusal> {
        let digest = self.digest()?;
        let mut cluster = pool.cluster()?;
        let places = pool.runtime()?.block_on(cluster.locate(&digest, &pool.settings));
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let (text, verdict) = report(pool, &digest, &places, now_s);
        print!("{text}");
        Ok(verdict)
    }

    fn digest(&self) -> Result<Digest, Refusal> {
        if let Some(hex) = &self.digest {
            let hex = hex.to_ascii_lowercase();
            let digits = hex.as_bytes().try_into().ok();
            let digest = digits.and_then(Digest::from_hex);
            return Ok(digest.ok_or("--digest: not 64 hexadecimal digits")?);
        }
        let mut line = String::new();
        let id = match self.id.as_deref().expect("it or a digest is required") {
            "-" => {
                std::io::stdin().read_line(&mut line)?;
                line.trim_end_matches(['\r', '\n'])
            }
            id => id,
        };
        Ok(SessionId::parse(id.as_bytes())?.digest())
    }
}

/// What is printed, and whether all is as it should be.
fn report(pool: &Pool, digest: &Digest, places: &[Place], now_s: u64) -> (String, Verdict) {
    let newest = places.iter().filter_map(stamp).max();
    let address = |place: &Place| pool.nodes[place.node].to_string();
    let head = ["NODE", "SET", "COPY", "VERSION", "WRITER", "LIFETIME", "LEFT", "BYTES"];
    let mut rows = vec![row(head)];
    let mut notes = String::new();
    for place in places {
        let set = if place.is_in_set { "yes" } else { "-" };
        let mut cells = vec![address(place), set.to_owned()];
        match &place.found {
            Found::Missing => cells.push("missing".into()),
            Found::Damaged(error) => cells.push(format!("damaged ({error})")),
            Found::Unknown(reason) => {
                cells.push("unknown".into());
                notes.push_str(&format!("{reason}\n"));
            }
            Found::Copy { record, data_bytes, time_left } => {
                let age = if Some(record.stamp) == newest { "newest" } else { "older" };
                let destroyed = if record.is_tombstone { ", destroyed" } else { "" };
                let lifetime = match record.lifetime_s {
                    0 => "no end".into(),
                    lifetime_s => span(lifetime_s),
                };
                cells.extend([
                    format!("{age}{destroyed}"),
                    record.stamp.version.to_string(),
                    format!("{:016x}", record.stamp.writer),
                    lifetime,
                    or_dash(*time_left, left),
                    data_bytes.to_string(),
                ]);
            }
        }
        rows.push(cells);
    }
    let hex = digest.to_hex().map(char::from).iter().collect::<String>();
    let mut text = format!("digest {hex}\n\n{}", table(&rows));
    if !notes.is_empty() {
        text.push_str(&format!("\n{notes}"));
    }
    text.push_str(&format!("\nlock: {}\n", lock(places, address, now_s)));

    let whole = places.iter().filter(|place| place.is_in_set && stamp(place) == newest).count();
    let set = places.iter().filter(|place| place.is_in_set).count();
    let wanted = places.len().min(pool.settings.replicas as usize);
    let (state, verdict) = match newest {
        None => ("there is no copy of this session".to_owned(), Verdict::NotFine),
        Some(_) if whole == wanted => {
            (format!("whole, {whole} cop{}", if whole == 1 { "y" } else { "ies" }), Verdict::Fine)
        }
        Some(_) => {
            let lacking = set - whole;
            let mut why = Vec::new();
            if lacking > 0 {
                why.push(format!(
                    "{lacking} node{} of its set ha{} not the newest copy, sessclustctl repair \
                     stores it there",
                    plural(lacking as u64),
                    if lacking == 1 { "s" } else { "ve" },
                ));
            }
            if set < wanted {
                why.push(format!("too few nodes answer for {wanted} copies"));
            }
            (why.join("; "), Verdict::NotFine)
        }
    };
    text.push_str(&format!("state: {state}\n"));
    (text, verdict)
}

/// Who holds the session, and on which nodes.
fn lock(places: &[Place], address: impl Fn(&Place) -> String, now_s: u64) -> String {
    let mut holders = Vec::new();
    for place in places {
        let Some(holder) = &place.holder else { continue };
        if holders.iter().any(|(token, _)| *token == holder.token) {
            continue;
        }
        let on = places
            .iter()
            .filter(|place| place.holder.as_ref().is_some_and(|other| other.token == holder.token));
        let on: Vec<String> = on.map(&address).collect();
        let said = format!("held by {}, on {}", holder.describe(now_s), on.join(", "));
        holders.push((holder.token, said));
    }
    match holders.is_empty() {
        true => "free".into(),
        false => holders.into_iter().map(|(_, said)| said).collect::<Vec<_>>().join("\n      "),
    }
}

fn stamp(place: &Place) -> Option<Stamp> {
    match &place.found {
        Found::Copy { record, .. } => Some(record.stamp),
        _ => None,
    }
}
