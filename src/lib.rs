//! sessclust: PHP sessions for any number of web servers, as a native session save handler.
//!
//! ```text
//! PHP request
//!   | PS_OPEN, PS_READ, PS_WRITE ...     php::save_handler: the C ABI, no decisions
//!   v
//! php::worker                            what a process keeps between requests
//!   v
//! sessclust_engine::session::Session     what a request does with its session
//!   |                  \
//!   v                   v
//! local::Store         cluster::Cluster  the embedded store; a pool of memcached nodes
//!                        v
//!                      node::Node        one node: its connection, requests and answers
//!                        v
//!                      wire::memcached   bytes
//! ```
//!
//! Beside this, `php::keeper` is a thread that renews the locks of sessions on nodes while a script
//! runs.
//!
//! All that names PHP, Zend or ext-php-rs is below `php`. The engine is a crate of its own
//! (`src/engine`) and knows no PHP.

mod php;
