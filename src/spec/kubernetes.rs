//! What Kubernetes accepts as a name, a quantity, a network.

use std::net::IpAddr;

/// An RFC 1123 label (Kubernetes documentation, "Object Names and IDs").
pub(super) fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// RFC 1123 labels joined by dots: a host name, an IPv4 address, or the name of most objects.
pub(super) fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// A key with an optional prefix (Kubernetes documentation, "Annotations: Syntax and character set").
pub(super) fn is_annotation_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    prefix.is_none_or(is_dns_name)
        && (1..=63).contains(&name.len())
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(legal)
}

/// A positive quantity in plain notation: digits, a fraction, a suffix (Kubernetes API, `resource.Quantity`).
pub(super) fn is_quantity(text: &str) -> bool {
    const SUFFIXES: &[&str] = &["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && number.bytes().any(|b| (b'1'..=b'9').contains(&b))
        && SUFFIXES.contains(&suffix)
}

/// A network in CIDR notation whose host part is zero, as the API server demands of an ipBlock from 1.33 on.
pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), prefix.parse::<u32>()) else { return false };
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    length.to_string() == prefix && length <= width && bits.checked_shl(length).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_no_host_part() {
        for legal in ["0.0.0.0/0", "10.20.0.0/16", "192.168.1.7/32", "::/0", "2001:db8::/32", "2001:db8::1/128"] {
            assert!(is_cidr(legal), "{legal}");
        }
        for illegal in ["10.20.0.1/16", "10.20.0.0", "10.20.0.0/33", "10.20.0.0/016", "a/8", "::1/64", "10.0.0.0/-1"] {
            assert!(!is_cidr(illegal), "{illegal}");
        }
    }

    #[test]
    fn quantities_are_positive_and_plain() {
        for legal in ["1", "0.5", "100m", "64Mi", "1.5Gi", "2k"] {
            assert!(is_quantity(legal), "{legal}");
        }
        for illegal in ["", "0", "0m", "-1", "1 Gi", "1e3", "Mi", "1mi", ".5", "1."] {
            assert!(!is_quantity(illegal), "{illegal}");
        }
    }

    #[test]
    fn annotation_keys_may_have_a_prefix() {
        for legal in ["a", "nginx.ingress.kubernetes.io/proxy-body-size", "service.beta.kubernetes.io/aws_type"] {
            assert!(is_annotation_key(legal), "{legal}");
        }
        for illegal in ["", "/a", "a/", "a/b/c", "-a", "a b", "UP/a", "a:"] {
            assert!(!is_annotation_key(illegal), "{illegal}");
        }
    }
}
