//! Reads what php.ini, or a pool's file of php-fpm, says about sessions.
//!
//! ```text
//! session.save_path = "memcached://10.0.0.1,memcached://10.0.0.2"    ; a comment
//! sessclust.replicas = 2
//! php_admin_value[sessclust.replicas] = 2                            in a file of php-fpm
//! ```
//!
//! Lines about anything else are passed over. What php.ini can do beyond that and would matter
//! here, `${NAME}`, is refused rather than taken for something else.

/// A setting and its text, with the number of its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) line: usize,
}

/// The settings about sessions in the text of a file, in its order: the last one of a name counts.
///
/// # Errors
/// A sentence with the number of the line.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry<'_>>, String> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        let of_fpm = ["php_admin_value[", "php_value[", "php_admin_flag[", "php_flag["];
        let within = of_fpm.iter().find_map(|start| name.strip_prefix(start)?.strip_suffix(']'));
        let name = within.unwrap_or(name);
        if name != "session.save_path" && !name.starts_with("sessclust.") {
            continue;
        }
        let value =
            value_of(value.trim()).ok_or(format!("line {number}: a quote is not closed"))?;
        if value.contains("${") {
            return Err(format!("line {number}: ${{...}} is not read here, give --save-path"));
        }
        entries.push(Entry { name, value, line: number });
    }
    Ok(entries)
}

/// What a value says without its quotes and the comment behind it.
fn value_of(text: &str) -> Option<&str> {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].split_once(quote).map(|(value, _)| value),
        _ => Some(text.split(';').next().unwrap_or_default().trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_sessions_is_read() {
        let text = "\
[PHP]
; session.save_path = no
memory_limit = 128M
session.save_path = \"memcached://a?weight=2,memcached://b\" ; two of them
sessclust.replicas=3;three
  sessclust.ring = ketama  \r
sessclust.local_node = 'a:1'
php_admin_value[sessclust.request_timeout] = 1s
session.name = S
sessclust.empty =
no sense
";
        let entries = parse(text).expect("readable");
        let found: Vec<_> =
            entries.iter().map(|entry| (entry.line, entry.name, entry.value)).collect();
        let expected = [
            (4, "session.save_path", "memcached://a?weight=2,memcached://b"),
            (5, "sessclust.replicas", "3"),
            (6, "sessclust.ring", "ketama"),
            (7, "sessclust.local_node", "a:1"),
            (8, "sessclust.request_timeout", "1s"),
            (10, "sessclust.empty", ""),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        let open = parse("\nsession.save_path = \"a:1\n");
        assert_eq!(open, Err("line 2: a quote is not closed".into()));
        let variable = parse("session.save_path = ${NODES}");
        let text = "line 1: ${...} is not read here, give --save-path";
        assert_eq!(variable, Err(text.into()));
    }
}
