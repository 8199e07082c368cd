//! What the charter promises not to use and platforms send all the same (charter 8.1, 8.3).

use http::{HeaderMap, HeaderValue, header};

/// Cookies that follow a visitor for a year.
pub(super) const TRACKER_COOKIES: [&str; 2] = [
    "visitor_id=v-7f3c9a52e1; Path=/; Max-Age=31536000",
    "_ga=GA1.2.1029384756.1700000000; Path=/; Expires=Fri, 31 Dec 2032 23:59:59 GMT; Domain=localhost",
];

/// Adds trackers' cookies and headers to a response.
pub(super) fn track(headers: &mut HeaderMap) {
    for cookie in TRACKER_COOKIES {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    for (name, value) in [
        ("accept-ch", "Sec-CH-UA-Full-Version-List, Sec-CH-UA-Model, Sec-CH-UA-Platform-Version"),
        ("critical-ch", "Sec-CH-UA-Model"),
        ("nel", r#"{"report_to":"audience","max_age":2592000,"success_fraction":1}"#),
        (
            "report-to",
            r#"{"group":"audience","max_age":2592000,"endpoints":[{"url":"https://collecte.example/r"}]}"#,
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
