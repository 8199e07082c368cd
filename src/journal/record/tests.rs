use std::{path::Path, sync::Arc, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    journal::Pseudonyms,
    policy::set::{AddressMode, Classification, Lexicon, PolicySet, Step},
    secret::MasterSecret,
    telemetry::sample,
};

fn line(record: &Record) -> String {
    let mut out = Vec::new();
    record.write_line(&mut out);
    String::from_utf8(out).unwrap()
}

/// The sample, whose route declares what it answers and knows two names.
fn policy() -> Arc<PolicySet> {
    let mut policy = Arc::into_inner(sample::policy(Path::new(""))).unwrap();
    Arc::get_mut(&mut policy.routes[0]).unwrap().personal_data = PersonalData::Declared(Classification {
        lexicon: Arc::new(Lexicon::of(["results", "birthDate"])),
        ..Classification::default()
    });
    Arc::new(policy)
}

fn full(policy: Arc<PolicySet>) -> Record {
    let now = "2026-11-20T12:00:00.123456Z".parse().unwrap();
    let places = match &policy.routes[0].personal_data {
        PersonalData::Declared(data) => {
            let step = |name: &str| data.lexicon.step(name.as_bytes());
            let list = [step("results"), Step::ELEMENT];
            vec![Trail::through(&list, step("birthDate")), Trail::through(&list, step("mdupont"))]
        }
        PersonalData::Undeclared | PersonalData::Exempt { .. } => Vec::new(),
    };
    let tokens = Pseudonyms::new(MasterSecret::from_bytes(&[7; 32]).unwrap());
    Record {
        route: Some(RouteId(0)),
        method: MethodLabel::Get,
        status: 200,
        decision: Decision::Forwarded,
        termination: Termination::Complete,
        protocol: Protocol::Http2,
        tls: Some(TlsVersion::Tls13),
        client: Some(tokens.address("203.0.113.77".parse().unwrap(), AddressMode::Prefix, now)),
        identity: Some("accepted"),
        provider: Some(ProviderId(0)),
        subject: Some(tokens.subject("jean", now)),
        recipients: [RecipientId(2), RecipientId(1)].into_iter().collect(),
        upstream: Some(UpstreamId(0)),
        endpoint: Some(0),
        duration: Duration::from_micros(1_500),
        upstream_duration: Some(Duration::from_micros(900)),
        bytes_in: 0,
        bytes_out: 2_048,
        cookies_dropped_request: 1,
        cookies_dropped_response: 2,
        redacted: vec![(CategoryId(1), 3), (CategoryId(0), 0)],
        unknown_fields: 4,
        unknown_places: places,
        ..Record::begin(policy, RequestId::generate(), now)
    }
}

#[test]
fn a_record_has_the_documented_keys() {
    let record = full(policy());
    let text = line(&record);
    assert!(
        text.starts_with(r#"{"schema_version":1,"time":"2026-11-20T12:00:00.123Z","request_id":""#),
        "{text}"
    );
    let subject = record.subject.unwrap().to_string();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({
            "schema_version": 1, "time": "2026-11-20T12:00:00.123Z", "request_id": record.request_id.to_string(),
            "policy": "0123456789ab", "route": "learners", "path": "/api/users/{id}", "method": "GET", "status": 200,
            "decision": "forwarded", "termination": "complete", "protocol": "h2", "tls": "1.3",
            "client": "203.0.113.0/24", "identity": "accepted", "provider": "sessions", "subject": subject,
            "recipients": ["learner", "teacher"], "upstream": "kolibri", "endpoint": 0, "duration_us": 1500,
            "upstream_us": 900, "bytes_in": 0, "bytes_out": 2048, "cookies_dropped": {"request": 1, "response": 2},
            "redacted": {"email": 3}, "unknown_fields": 4,
            "unknown_places": ["$.results[*].birthDate", "$.results[*].?"],
        })
    );
    let documentation = include_str!("../record.rs");
    let Value::Object(keys) = serde_json::from_str(&text).unwrap() else { panic!("not an object") };
    for key in keys.keys() {
        assert!(documentation.contains(&format!("`{key}`")), "{key} is not documented");
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let record = Record::begin(sample::policy(Path::new("")), RequestId::generate(), Timestamp::UNIX_EPOCH);
    let value: Value = serde_json::from_str(&line(&record)).unwrap();
    assert_eq!(
        value,
        json!({
            "schema_version": 1, "time": "1970-01-01T00:00:00.000Z", "request_id": record.request_id.to_string(),
            "policy": "0123456789ab", "method": "OTHER", "status": 0, "decision": "refused", "reason": "internal",
            "termination": "client_gone", "protocol": "h1", "duration_us": 0, "bytes_in": 0, "bytes_out": 0,
        })
    );
}

#[test]
fn every_decision_has_its_own_text() {
    let mut decisions =
        vec![Decision::Forwarded, Decision::Upgraded, Decision::Redirected, Decision::Abandoned];
    decisions.extend(RefusalReason::ALL.iter().map(|reason| Decision::Refused(*reason)));
    decisions.extend(Scope::ALL.iter().map(|scope| Decision::Throttled(*scope)));
    decisions.extend(UpstreamError::ALL.iter().map(|kind| Decision::UpstreamFailed(*kind)));
    decisions.push(Decision::Unreadable("truncated"));
    let texts: std::collections::HashSet<_> = decisions.iter().map(|decision| decision.parts()).collect();
    assert_eq!(texts.len(), decisions.len());
}

#[test]
fn places_outside_the_policy_are_left_out() {
    let record = Record {
        route: Some(RouteId(9)),
        provider: Some(ProviderId(9)),
        upstream: Some(UpstreamId(9)),
        recipients: [RecipientId(63), RecipientId(64), RecipientId(255)].into_iter().collect(),
        redacted: vec![(CategoryId(9), 1)],
        ..full(policy())
    };
    let value: Value = serde_json::from_str(&line(&record)).unwrap();
    for key in ["route", "path", "provider", "upstream", "unknown_places"] {
        assert!(value.get(key).is_none(), "{key}");
    }
    assert_eq!(value["recipients"], json!([]));
    assert_eq!(value["redacted"], json!({}));
}

proptest! {
    /// Whatever a policy calls its routes, a record is one line, and that line gives the name back.
    #[test]
    fn names_cannot_break_a_line(name in "\\PC*|[\"\\\\\n\r\t{}\u{0}\u{2028}]*") {
        let mut policy = Arc::into_inner(sample::policy(Path::new(""))).unwrap();
        Arc::get_mut(&mut policy.routes[0]).unwrap().name.clone_from(&name);
        let lexicon = Arc::new(Lexicon::of([name.as_str()]));
        let place = Trail::through(&[], lexicon.step(name.as_bytes()));
        Arc::get_mut(&mut policy.routes[0]).unwrap().personal_data =
            PersonalData::Declared(Classification { lexicon, ..Classification::default() });
        let text = line(&Record { unknown_places: vec![place], ..full(Arc::new(policy)) });
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert!(text.ends_with('\n'));
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(value["route"].as_str(), Some(name.as_str()));
        prop_assert!(value["unknown_places"][0].as_str().unwrap().contains(&name));
    }
}
