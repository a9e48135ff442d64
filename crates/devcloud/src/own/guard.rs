//! Whom a request may come from. A name that an attacker's server resolves to 127.0.0.1 makes a browser talk to this port
//! (DNS rebinding), and any page can have a browser send requests here (CSRF): the headers that a browser cannot be made
//! to forge tell both.

use axum::http::{HeaderMap, HeaderName, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "ask for this as 127.0.0.1, localhost or [::1]: another Host may be a stranger's name for this address"
    )]
    Host,
    #[error("another site's page may not ask for this")]
    Origin,
}

/// Whether the request names this host as itself and comes from no other site.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Host) };
    let host = host.to_str().map_err(|_| Refusal::Host)?;
    if !is_loopback(host) {
        return Err(Refusal::Host);
    }
    let own = format!("http://{host}");
    if headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
    {
        return Err(Refusal::Origin);
    }
    // A link from elsewhere to the page is another site's request too, and harmless: the page is only looked at.
    let sites = headers.get_all(SEC_FETCH_SITE);
    let link = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    if !link && sites.iter().any(|site| site != "same-origin" && site != "none") {
        return Err(Refusal::Origin);
    }
    Ok(())
}

/// Whether a `Host` header means loopback, at whatever port: the zone's may be forwarded from another one.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(headers: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        check(&map)
    }

    #[test]
    fn a_stranger_s_name_for_this_address_is_refused() {
        for host in ["127.0.0.1:8880", "localhost:8880", "LOCALHOST", "[::1]:8880", "[::1]"] {
            assert_eq!(checked(&[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example:8880",
            "127.0.0.1.evil.example:8880",
            "localhost.evil.example",
            "localhost:8880@evil.example",
            "evil.example#127.0.0.1",
            "127.0.0.1:88:80",
            "::1",
            "0.0.0.0",
            "",
        ] {
            assert_eq!(checked(&[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(checked(&[]), Err(Refusal::Host));
        assert_eq!(checked(&[("host", "localhost"), ("host", "evil.example")]), Err(Refusal::Host));
    }

    #[test]
    fn another_site_s_page_is_refused_and_a_link_to_the_page_is_not() {
        let host = ("host", "127.0.0.1:8880");
        assert_eq!(checked(&[host, ("origin", "http://127.0.0.1:8880")]), Ok(()));
        for origin in ["http://evil.example", "http://127.0.0.1:9999", "https://127.0.0.1:8880", "null"] {
            assert_eq!(checked(&[host, ("origin", origin)]), Err(Refusal::Origin), "{origin}");
        }
        assert_eq!(checked(&[host, ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(checked(&[host, ("sec-fetch-site", "none")]), Ok(()));
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(checked(&[host, cross, ("sec-fetch-mode", "no-cors")]), Err(Refusal::Origin));
        assert_eq!(checked(&[host, cross, ("sec-fetch-mode", "navigate")]), Ok(()));
    }
}
