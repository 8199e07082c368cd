//! A platform with personal data, a gateway in front of it, and what each reader should see of it.

use serde_json::{Value, json};

use super::{
    client::{Ask, Client},
    folder::PolicyFolder,
    gateway::{Gateway, Stopped},
    tokens::Tokens,
    upstream::{Answer, Recorded, Upstream},
};

/// One route that declares its records, one that declares nothing, one that is exempt.
pub const ROUTES: &str = r#"
routes:
  - name: declared
    owner: tests
    match: { host: "*", path: "/api/{*rest}" }
    upstream: school
    purpose: account
    personal_data:
      record: ["$", "$[*]"]
      subject: id
      group: classrooms[*]
      fields:
        id: not_personal
        full_name: name
        email: email
        birth_date: birth
        gender: demographics
        ine: student_id
        classrooms: not_personal
        results: result
      unknown: deny
  - name: undeclared
    owner: tests
    match: { host: "*", path: "/free/{*rest}" }
    upstream: school
    purpose: account
  - name: exempt
    owner: tests
    match: { host: "*", path: "/exempt/{*rest}" }
    upstream: school
    purpose: account
    personal_data: { exempt: "nothing personal in this test" }
"#;

/// A second provider: the platform's own session endpoint. It continues the list of the harness.
pub const SESSION_PROVIDER: &str = r#"  - name: session
    forward_auth: { upstream: school, path: /who, cookies: [session], cache: 1 s }
    claims: { subject: $.id, role: $.role, groups: "$.groups[*]", wards: "$.wards[*]" }
    roles: { learner: learner, teacher: teacher, guardian: guardian, marketing: marketing, administrator: administrator }"#;

/// Roles of the sample accounts.
pub const ROLES: [&str; 5] = ["learner", "teacher", "guardian", "marketing", "administrator"];

/// A running school.
pub struct School {
    /// The platform.
    pub upstream: Upstream,
    /// The gateway in front of it.
    pub gateway: Gateway,
    /// Its identity provider.
    pub tokens: Tokens,
    /// A client of the gateway.
    pub client: Client,
}

impl School {
    /// Starts one with these lines under `gateway:`; the platform answers as the script says, and `/who` by the session.
    pub fn start(lines: &str, script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        let upstream = Upstream::start(with_sessions(script));
        let tokens = Tokens::new();
        let folder =
            PolicyFolder::new(upstream.address, &tokens).gateway(SESSION_PROVIDER).routes("school", ROUTES);
        let folder = if lines.is_empty() { folder } else { folder.gateway(lines) };
        let gateway = Gateway::start(folder);
        let client = Client::new(&gateway);
        Self { upstream, gateway, tokens, client }
    }

    /// Another script for what is not `/who`.
    pub fn script(&self, script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        self.upstream.script(with_sessions(script));
    }

    /// Every non-`/who` request from now on gets this answer.
    pub fn answer(&self, answer: Answer) {
        self.script(move |_| answer.clone());
    }

    /// As this role by token, `anonymous` without one.
    pub fn ask(&self, target: &str, role: &str) -> Ask {
        match role {
            "anonymous" => Ask::get(target),
            role => Ask::get(target).bearer(&self.tokens.role(role)),
        }
    }

    /// SIGTERM and exit 0, while connections of this runtime still live.
    pub async fn stop(self) -> Stopped {
        stop(self.gateway).await
    }
}

/// SIGTERM and exit 0, while connections of this runtime still live.
pub async fn stop(gateway: Gateway) -> Stopped {
    tokio::task::spawn_blocking(move || gateway.stop()).await.unwrap()
}

fn with_sessions(
    script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Recorded) -> Answer + Send + Sync + 'static {
    move |request| {
        if request.target() != "/who" {
            return script(request);
        }
        let cookie = request.header("cookie").unwrap_or_default();
        match rempart::demo::accounts::ACCOUNTS.iter().find(|a| cookie == format!("session=s-{}", a.role)) {
            Some(a) => Answer::json(&json!({
                "id": a.id, "role": a.role, "groups": a.groups, "wards": a.wards,
            })),
            None => Answer::new(403, &[], ""),
        }
    }
}

/// A learner's record; every value can be recognised.
pub fn record(id: &str, classroom: &str) -> Value {
    json!({
        "id": id,
        "full_name": format!("Secret Name {id}"),
        "email": format!("secret.{id}@ecole.example"),
        "birth_date": "2013-05-04",
        "gender": format!("secret-gender-{id}"),
        "ine": format!("secret-ine-{id}"),
        "classrooms": [classroom],
        "results": { "maths": format!("secret-result-{id}") },
    })
}

/// Learners: L1 (the guardian's ward) and L2 in the teacher's class, L3 elsewhere.
pub fn records() -> Value {
    json!([record("L1", "6A"), record("L2", "6A"), record("L3", "5B")])
}

/// What the sample charter lets this role see of a record.
fn seen(role: &str, id: &str) -> &'static [&'static str] {
    match (role, id) {
        ("administrator", _) | ("learner", "L1") => {
            &["full_name", "email", "birth_date", "gender", "ine", "results"]
        }
        ("teacher", "L1" | "L2") => &["full_name", "results"],
        ("guardian", "L1") => &["full_name", "birth_date", "results"],
        _ => &[],
    }
}

/// Asserts that a role got exactly what the charter gives it of [`records`].
#[track_caller]
pub fn check_view(role: &str, got: &Value, context: &str) {
    let (got, whole) = (got.as_array().expect("a list"), records());
    let whole = whole.as_array().unwrap();
    assert_eq!(got.len(), whole.len(), "{context}");
    for (got, whole) in got.iter().zip(whole) {
        check_record(role, got, whole, context);
    }
}

#[track_caller]
fn check_record(role: &str, got: &Value, whole: &Value, context: &str) {
    let id = whole["id"].as_str().unwrap();
    let sees = seen(role, id);
    let mut expected = whole.clone();
    let fields = expected.as_object_mut().unwrap();
    for name in ["full_name", "email", "birth_date", "gender", "ine", "results"] {
        if sees.contains(&name) {
            continue;
        }
        match name {
            "full_name" => drop(fields.insert(name.into(), "***".into())),
            "birth_date" => drop(fields.insert(name.into(), "2013".into())),
            "gender" => drop(fields.insert(name.into(), Value::Null)),
            "email" => {
                let token = got["email"].as_str().unwrap_or_default();
                let sound = token.starts_with("p_") && token.ends_with("@pseudonyme.invalid");
                assert!(sound && token.len() == 53, "{context}: {role} {id}: {token}");
                fields.insert(name.into(), token.into());
            }
            _ => drop(fields.remove(name)),
        }
    }
    assert_eq!(got, &expected, "{context}: {role} of {id}");
}
