//! The registry behind `/metrics`: Prometheus text format.

use std::sync::{OnceLock, PoisonError};

use metrics::SharedString;
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::names;

/// Upper bounds of duration buckets, in seconds: from a cached answer to the longest timeout that a policy sets.
pub const DURATION_BUCKETS: [f64; 15] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Something else in the process had installed a recorder first.
    #[error("another metrics recorder is already installed")]
    Occupied,
    /// The exporter refused its settings.
    #[error("the metrics exporter refused its settings")]
    Settings(#[source] BuildError),
}

/// What `/metrics` answers from.
#[derive(Clone, Debug)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// Every series, in the Prometheus text format (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds recorded durations into their buckets. Until then each one takes memory, so it must be called every few
    /// seconds whether anybody scrapes or not.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Installs the process's recorder; a second call gives the same exporter. Handles resolved before the first call
/// count into nothing.
///
/// # Errors
/// [`TelemetryError`] where the recorder cannot be built or another one is there.
pub fn install() -> Result<Exporter, TelemetryError> {
    static INSTALLED: OnceLock<Exporter> = OnceLock::new();
    static INSTALLING: std::sync::Mutex<()> = std::sync::Mutex::new(());

    let _guard = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(exporter) = INSTALLED.get() {
        return Ok(exporter.clone());
    }
    let (recorder, exporter) = build()?;
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Occupied)?;
    describe();
    Ok(INSTALLED.get_or_init(|| exporter).clone())
}

fn build() -> Result<(PrometheusRecorder, Exporter), TelemetryError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)
        .map_err(TelemetryError::Settings)?
        .build_recorder();
    let exporter = Exporter(recorder.handle());
    Ok((recorder, exporter))
}

fn describe() {
    for metric in names::METRICS {
        metric.describe();
    }
    names::BUILD_INFO.gauge([SharedString::const_str(env!("CARGO_PKG_VERSION"))]).set(1.0);
    // Without a shared store nothing is ever down.
    names::LIMIT_STORE_UP.gauge([]).set(1.0);
}

/// Runs `scenario` against a registry of its own and returns what it would expose.
#[cfg(test)]
pub(crate) fn observe(scenario: impl FnOnce()) -> String {
    let (recorder, exporter) = build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        describe();
        scenario();
    });
    exporter.upkeep();
    exporter.render()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::telemetry::{self, ReloadOutcome, names::Kind};

    #[test]
    fn metrics_without_labels_are_there_from_the_start() {
        let exposed = observe(|| {});
        for metric in names::METRICS.iter().filter(|metric| metric.labels.is_empty()) {
            assert!(metric.kind != Kind::Histogram, "{}: a distribution has no first value", metric.name);
            assert!(
                exposed.contains(&format!("# HELP {} {}\n", metric.name, metric.help)),
                "{}",
                metric.name
            );
            assert!(exposed.contains(&format!("\n{} ", metric.name)), "{}\n{exposed}", metric.name);
        }
        assert!(
            exposed.contains(&format!("rempart_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")))
        );
    }

    #[test]
    fn a_refused_policy_keeps_the_time_of_the_last_good_one() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let exposed = observe(|| {
            telemetry::policy_reloaded(ReloadOutcome::Loaded, at(1_000));
            telemetry::policy_reloaded(ReloadOutcome::Refused, at(2_000));
        });
        assert!(exposed.contains("rempart_policy_last_reload_successful 0"), "{exposed}");
        assert!(exposed.contains("rempart_policy_last_reload_success_timestamp_seconds 1000"), "{exposed}");
        assert!(exposed.contains("rempart_policy_reloads_total{outcome=\"refused\"} 1"), "{exposed}");
    }

    #[test]
    fn certificates_end_when_the_first_of_their_name_does() {
        let certificate = |name: &str, seconds| crate::policy::set::Certificate {
            names: vec![name.to_owned(), "other.fr".to_owned()],
            chain: Vec::new(),
            key: crate::secret::Sensitive::new(std::sync::Arc::new(
                rustls::pki_types::PrivatePkcs8KeyDer::from(Vec::new()).into(),
            )),
            expires: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        };
        let with = |certificates: Vec<_>, client: Option<u64>| {
            let policy = crate::telemetry::sample::policy(std::path::Path::new("journal"));
            let mut gateway = std::sync::Arc::into_inner(policy).unwrap().gateway;
            gateway.certificates = certificates;
            gateway.upstreams[0].tls = client.map(|seconds| crate::policy::set::UpstreamTls {
                ca: None,
                server_name: None,
                client: Some(std::sync::Arc::new(crate::policy::set::ClientIdentity {
                    chain: Vec::new(),
                    key: crate::secret::Sensitive::new(
                        rustls::pki_types::PrivatePkcs8KeyDer::from(Vec::new()).into(),
                    ),
                    expires: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
                })),
            });
            gateway
        };
        let before = || {
            let list =
                vec![certificate("a.fr", 3_000), certificate("a.fr", 2_000), certificate("b.fr", 4_000)];
            with(list, Some(5_000))
        };
        let exposed = |shown: crate::policy::set::GatewaySettings| {
            observe(|| {
                telemetry::certificates(&before(), None);
                telemetry::certificates(&shown, Some(&before()));
            })
        };
        let (kept, renewed) = (exposed(before()), exposed(with(vec![certificate("a.fr", 9_000)], None)));
        for (text, value) in [(&kept, "5000"), (&renewed, "NaN")] {
            let line = format!(
                "rempart_upstream_certificate_expiry_timestamp_seconds{{upstream=\"kolibri\"}} {value}"
            );
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for (text, name, value) in [
            (&kept, "a.fr", "2000"),
            (&kept, "b.fr", "4000"),
            (&renewed, "a.fr", "9000"),
            (&renewed, "b.fr", "NaN"),
        ] {
            let line =
                format!("rempart_certificate_expiry_timestamp_seconds{{certificate=\"{name}\"}} {value}");
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!kept.contains("certificate=\"other.fr\""));
    }

    #[test]
    fn installing_twice_gives_the_same_registry() {
        let first = install().unwrap();
        let second = install().unwrap();
        telemetry::journal_slowed();
        let of = |text: String| {
            text.lines().find(|line| line.starts_with("rempart_journal_slowed_total")).map(str::to_owned)
        };
        assert!(of(first.render()).is_some());
        assert!(of(second.render()).is_some());
    }
}
