//! sessclust: PHP sessions for any number of web servers, as a native session save handler.
//!
//! ```text
//! PHP request
//!   | PS_OPEN, PS_READ, PS_WRITE ...     php::save_handler: the C ABI, no decisions
//!   v
//! php::worker                            what a process keeps between requests
//!   v
//! sessclust_engine::session::Session     what a request does with its session
//!   v
//! sessclust_engine::local::Store         the embedded store
//! ```
//!
//! All that names PHP, Zend or ext-php-rs is below `php`. The engine is a crate of its own
//! (`src/engine`) and knows no PHP.

mod php;
