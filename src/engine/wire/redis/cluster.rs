//! What `CLUSTER SLOTS` says: which server of a Redis Cluster has which slots.
//!
//! ```text
//! reply   [ range, ... ]
//! range   [ first slot, last slot, primary, replica, ... ]
//! server  [ host, port, ... ]    host: nil or "": that of the server which was asked; "?": unknown
//! ```
//!
//! Source: the Redis documentation, "CLUSTER SLOTS". Servers before version 7 say less of each
//! other behind the port.

use super::resp::Reply;
use super::{SLOTS, is_host};
use std::ops::RangeInclusive;

/// Some slots and who has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The slots.
    pub slots: RangeInclusive<u16>,
    /// Who takes writes; none if nobody knows where it is.
    pub primary: Option<Place>,
    /// Who has copies.
    pub replicas: Vec<Place>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// None: the same as the server that says so.
    pub host: Option<String>,
    /// Its port, not 0.
    pub port: u16,
}

/// The ranges of a reply; none if it is another reply.
pub fn ranges(reply: &Reply<'_>) -> Option<Vec<Range>> {
    let Reply::Array(ranges) = reply else { return None };
    ranges.iter().map(range).collect()
}

fn range(range: &Reply<'_>) -> Option<Range> {
    let Reply::Array(parts) = range else { return None };
    let [Reply::Integer(first), Reply::Integer(last), primary, replicas @ ..] = &parts[..] else {
        return None;
    };
    let slot = |number: &i64| u16::try_from(*number).ok().filter(|slot| *slot < SLOTS);
    let slots = slot(first)?..=slot(last)?;
    if slots.is_empty() {
        return None;
    }
    let replicas: Vec<Option<Place>> = replicas.iter().map(place).collect::<Option<_>>()?;
    let replicas = replicas.into_iter().flatten().collect();
    Some(Range { slots, primary: place(primary)?, replicas })
}

/// Where a server is, if anybody knows; none if it is no server.
fn place(server: &Reply<'_>) -> Option<Option<Place>> {
    let Reply::Array(parts) = server else { return None };
    let (host, port) = match &parts[..] {
        [Reply::Bulk(host), Reply::Integer(port), ..] => {
            let host = std::str::from_utf8(host).ok()?;
            (Some(host).filter(|host| host.is_empty() || is_host(host))?, port)
        }
        [Reply::Nil, Reply::Integer(port), ..] => ("", port),
        _ => return None,
    };
    let port = u16::try_from(*port).ok()?;
    let is_known = host != "?" && port != 0;
    Some(is_known.then(|| Place { host: (!host.is_empty()).then(|| host.to_owned()), port }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Decoded;
    use crate::wire::redis::resp::{Limits, decode};

    fn read(text: &str) -> Option<Vec<Range>> {
        let text = text.replace(' ', "\r\n") + "\r\n";
        match decode(text.as_bytes(), &Limits::default()) {
            Ok(Decoded::Reply { reply, .. }) => ranges(&reply),
            other => panic!("{other:?}"),
        }
    }

    fn place(host: Option<&str>, port: u16) -> Place {
        Place { host: host.map(str::to_owned), port }
    }

    #[test]
    fn a_map_names_the_primary_and_the_replicas_of_each_range() {
        // Of Redis 7 with a name and an address, of Redis 6, and of one that knows no host.
        let text = "*3 *4 :0 :5460 *4 $4 db-1 :7000 $2 id *2 $2 ip $9 127.0.0.1 \
                    *4 $4 db-2 :7001 $2 id *0 \
                    *3 :5461 :5461 *3 $3 ::1 :7002 $2 id \
                    *4 :5462 :16383 *3 $-1 :7003 $2 id *3 $0  :7004 $2 id";
        let expected = vec![
            Range {
                slots: 0..=5460,
                primary: Some(place(Some("db-1"), 7000)),
                replicas: vec![place(Some("db-2"), 7001)],
            },
            Range { slots: 5461..=5461, primary: Some(place(Some("::1"), 7002)), replicas: vec![] },
            Range {
                slots: 5462..=16383,
                primary: Some(place(None, 7003)),
                replicas: vec![place(None, 7004)],
            },
        ];
        assert_eq!(read(text), Some(expected));
        assert_eq!(read("*0"), Some(Vec::new()));
    }

    #[test]
    fn a_server_that_nobody_knows_the_way_to_is_none() {
        let text = "*1 *4 :0 :9 *3 $1 ? :7000 $2 id *3 $4 db-2 :0 $2 id";
        let expected = Range { slots: 0..=9, primary: None, replicas: vec![] };
        assert_eq!(read(text), Some(vec![expected]));
    }

    #[test]
    fn what_is_no_map_is_not_taken_for_one() {
        let cases = [
            ":1",
            "*1 :1",
            "*1 *2 :0 :1",
            "*1 *3 :0 :16384 *2 $1 a :1",
            "*1 *3 :-1 :1 *2 $1 a :1",
            "*1 *3 :0 :1 $1 a",
            "*1 *3 :0 :1 *2 :1 :1",
            "*1 *3 :0 :1 *2 $1 a :65536",
            "*1 *4 :0 :1 *2 $1 a :1 :1",
            "*1 *3 :10 :5 *2 $1 a :1",
        ];
        for text in cases {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
