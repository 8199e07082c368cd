//! The shipped manifests: they are read by nobody until the day they are applied, so a test reads them each time.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{folder::copy_folder, gateway};
use rempart::demo::certificates;
use serde_yaml::Value;

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base")
}

fn yaml(name: &str) -> Value {
    let text = fs::read_to_string(base().join(name)).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A value by its path; numbers are places in lists.
#[track_caller]
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, step| match step.parse::<usize>() {
        Ok(index) => &value[index],
        Err(_) => &value[step],
    })
}

fn container() -> Value {
    at(&yaml("deployment.yaml"), "spec.template.spec.containers.0").clone()
}

/// The port that `gateway.yaml` listens on.
fn listens(which: &str) -> u64 {
    let gateway = yaml("policies/gateway.yaml");
    let address = at(&gateway, "gateway.listen")[which].as_str().unwrap().to_owned();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn every_manifest_is_listed_and_every_listed_one_exists() {
    let kustomization = yaml("kustomization.yaml");
    let listed: BTreeSet<String> = at(&kustomization, "resources")
        .as_sequence()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .chain(["kustomization.yaml".to_owned()])
        .collect();
    let present: BTreeSet<String> = fs::read_dir(base())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    assert_eq!(listed, present);
    for name in &present {
        let manifest = yaml(name);
        assert!(manifest["apiVersion"].is_string() && manifest["kind"].is_string(), "{name}");
    }
}

#[test]
fn ports_are_those_of_the_policy() {
    let container = container();
    let service = yaml("service.yaml");
    for name in ["https", "http", "admin"] {
        let port =
            at(&container, "ports").as_sequence().unwrap().iter().find(|port| port["name"] == name).unwrap();
        assert_eq!(port["containerPort"].as_u64(), Some(listens(name)), "{name}");
        let published =
            at(&service, "spec.ports").as_sequence().unwrap().iter().any(|port| port["targetPort"] == name);
        assert_eq!(published, name != "admin", "{name}");
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(at(&container, probe)["httpGet"]["port"], "admin", "{probe}");
    }
    let dockerfile = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    let exposed = dockerfile.lines().find_map(|line| line.strip_prefix("EXPOSE ")).unwrap();
    assert_eq!(exposed, format!("{} {} {}", listens("https"), listens("http"), listens("admin")));
    let help = gateway::run(&["health", "--help"]).stdout;
    let default = format!("[default: 127.0.0.1:{}]", listens("admin"));
    assert!(String::from_utf8_lossy(&help).contains(&default), "the image's health check finds the listener");
}

#[test]
fn the_pod_is_as_weak_as_it_can_be() {
    let deployment = yaml("deployment.yaml");
    let pod = at(&deployment, "spec.template.spec");
    let container = container();
    assert_eq!(*at(pod, "securityContext.runAsNonRoot"), true);
    assert_eq!(*at(pod, "securityContext.seccompProfile.type"), "RuntimeDefault");
    assert_eq!(*at(pod, "automountServiceAccountToken"), false);
    assert_eq!(*at(&container, "securityContext.allowPrivilegeEscalation"), false);
    assert_eq!(*at(&container, "securityContext.readOnlyRootFilesystem"), true);
    assert_eq!(*at(&container, "securityContext.capabilities.drop.0"), "ALL");
    assert!(at(&container, "securityContext.capabilities")["add"].is_null());
    let user = at(pod, "securityContext.runAsUser").as_u64().unwrap();
    let dockerfile = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    assert!(dockerfile.contains(&format!("\nUSER {user}:")), "the image and the pod name the same user");
    for mount in at(&container, "volumeMounts").as_sequence().unwrap() {
        assert_eq!(mount["readOnly"], true, "{:?}", mount["name"]);
    }
}

#[test]
fn a_pod_has_time_to_drain_and_limits_fit_the_replicas() {
    let gateway = yaml("policies/gateway.yaml");
    let seconds = |name: &str| {
        let text = at(&gateway, "gateway.timeouts")[name].as_str().unwrap().trim_end_matches(" s").to_owned();
        text.parse::<u64>().unwrap()
    };
    // A cluster hears of a pod's end after it has been told to end: until then it must go on accepting.
    assert!(seconds("drain_delay") >= 3);
    let drain = seconds("drain_delay") + seconds("drain");
    let deployment = yaml("deployment.yaml");
    let grace = at(&deployment, "spec.template.spec.terminationGracePeriodSeconds").as_u64().unwrap();
    assert!(grace >= drain + 5, "{grace} s for a drain of {drain} s");
    let most = at(&yaml("horizontalpodautoscaler.yaml"), "spec.maxReplicas").as_u64();
    assert_eq!(at(&gateway, "gateway.store.redis.replicas").as_u64(), most);
}

#[test]
fn every_policy_file_is_in_the_config_map_and_mounted_where_it_belongs() {
    let mut files = BTreeSet::from(["gateway.yaml".to_owned(), "charter.yaml".to_owned()]);
    for entry in fs::read_dir(base().join("policies/routes")).unwrap().flatten() {
        files.insert(format!("routes/{}", entry.file_name().into_string().unwrap()));
    }
    let deployment = yaml("deployment.yaml");
    let mounted: BTreeSet<String> = at(&deployment, "spec.template.spec.volumes.0.configMap.items")
        .as_sequence()
        .unwrap()
        .iter()
        .map(|item| item["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(mounted, files);
    let kustomization = yaml("kustomization.yaml");
    let generated: BTreeSet<String> = at(&kustomization, "configMapGenerator.0.files")
        .as_sequence()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().split_once("=policies/").unwrap().1.to_owned())
        .collect();
    assert_eq!(generated, files);
}

#[test]
fn selectors_find_the_pods() {
    let kustomization = yaml("kustomization.yaml");
    let label = at(&kustomization, "labels.0.pairs")["app.kubernetes.io/name"].clone();
    for (name, path) in [
        ("deployment.yaml", "spec.selector.matchLabels"),
        ("service.yaml", "spec.selector"),
        ("poddisruptionbudget.yaml", "spec.selector.matchLabels"),
        ("networkpolicy.yaml", "spec.podSelector.matchLabels"),
        ("podmonitor.yaml", "spec.selector.matchLabels"),
    ] {
        assert_eq!(at(&yaml(name), path)["app.kubernetes.io/name"], label, "{name}");
    }
    // Written by kustomize, selectors would also change whom the network policy lets through.
    assert_eq!(*at(&kustomization, "labels.0.includeSelectors"), false);
}

#[test]
fn the_shipped_policies_pass_the_check() {
    let root = tempfile::tempdir().unwrap();
    copy_folder(&base().join("policies"), &root.path().join("policies"));
    let made = certificates::generate(&["ecole.example.fr"]).unwrap();
    for (name, text) in [
        ("tls/tls.crt", made.chain.as_str()),
        ("tls/tls.key", made.key.expose()),
        ("keys/secret", "0123456789abcdef0123456789abcdef"),
        ("keys/redis-url", "redis://127.0.0.1:6379/0"),
        ("tickets/keys", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
    ] {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let policies = root.path().join("policies");
    let check = || gateway::run(&["check", policies.to_str().unwrap()]);
    let output = check();
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    // The same files with a fault in them: the check does look.
    let routes = policies.join("routes/platform.yaml");
    let text = fs::read_to_string(&routes).unwrap().replace("purpose: account", "purpose: acount");
    fs::write(routes, text).unwrap();
    assert_eq!(check().status.code(), Some(2));
}
