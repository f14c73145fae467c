//! The profile "restricted" of the Pod Security Standards, as of Kubernetes 1.34 (Kubernetes documentation, "Pod Security
//! Standards"), for pods of Linux.

use serde_json::Value;

/// What may be in a pod's `volumes`.
const VOLUMES: &[&str] =
    &["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// Sysctls that reach no further than the pod.
const SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

const SELINUX: &[&str] = &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// What breaks the profile in a manifest; nothing in one that makes no pods.
pub fn violations(manifest: &Value) -> Vec<String> {
    let Some(pod) = pod(manifest) else { return Vec::new() };
    let shared = &pod["securityContext"];
    let mut broken: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| pod[field] == true)
        .map(str::to_owned)
        .collect();
    for volume in items(&pod["volumes"]) {
        let is_allowed = |key: &String| key == "name" || VOLUMES.contains(&key.as_str());
        if !volume.as_object().is_some_and(|volume| volume.keys().all(is_allowed)) {
            broken.push(format!("volume {}", text(&volume["name"])));
        }
    }
    for sysctl in items(&shared["sysctls"]).filter(|sysctl| !SYSCTLS.contains(&text(&sysctl["name"]))) {
        broken.push(format!("sysctl {}", text(&sysctl["name"])));
    }
    let groups = ["initContainers", "containers", "ephemeralContainers"];
    for container in groups.into_iter().flat_map(|group| items(&pod[group])) {
        let name = text(&container["name"]);
        broken.extend(of_container(container, shared).into_iter().map(|field| format!("{name}: {field}")));
    }
    broken
}

/// The pod that a manifest makes.
fn pod(manifest: &Value) -> Option<&Value> {
    match text(&manifest["kind"]) {
        "Pod" => Some(&manifest["spec"]),
        "PodTemplate" => Some(&manifest["template"]["spec"]),
        "CronJob" => Some(&manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]),
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicaSet" | "ReplicationController" => {
            Some(&manifest["spec"]["template"]["spec"])
        }
        _ => None,
    }
}

fn of_container(container: &Value, shared: &Value) -> Vec<&'static str> {
    let own = &container["securityContext"];
    // A container's own setting goes before that of its pod.
    let either = |key: &str| if own[key].is_null() { &shared[key] } else { &own[key] };
    let profile = |key: &str, allowed: &[&str]| allowed.contains(&text(&either(key)["type"]));
    let drops_all = items(&own["capabilities"]["drop"]).any(|name| name == "ALL");
    let adds = items(&own["capabilities"]["add"]).any(|name| name != "NET_BIND_SERVICE");
    let selinux = either("seLinuxOptions");
    let names_a_host =
        |action: &Value| ["httpGet", "tcpSocket"].iter().any(|kind| !text(&action[kind]["host"]).is_empty());
    let lifecycle = &container["lifecycle"];
    let actions = ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| &container[probe]);
    let checks = [
        ("privileged", own["privileged"] == true),
        ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] != false),
        ("capabilities.drop ALL", !drops_all),
        ("capabilities.add", adds),
        ("runAsNonRoot", either("runAsNonRoot") != true),
        ("runAsUser 0", either("runAsUser") == 0),
        ("seccompProfile", !profile("seccompProfile", &["RuntimeDefault", "Localhost"])),
        ("appArmorProfile", !profile("appArmorProfile", &["", "RuntimeDefault", "Localhost"])),
        ("seLinuxOptions.type", !SELINUX.contains(&text(&selinux["type"]))),
        ("seLinuxOptions.user or role", !text(&selinux["user"]).is_empty() || !text(&selinux["role"]).is_empty()),
        ("procMount", !["", "Default"].contains(&text(&own["procMount"]))),
        ("hostPort", items(&container["ports"]).any(|port| !port["hostPort"].is_null() && port["hostPort"] != 0)),
        (
            "host of a probe",
            actions.into_iter().chain([&lifecycle["postStart"], &lifecycle["preStop"]]).any(names_a_host),
        ),
    ];
    checks.into_iter().filter(|(_, is_broken)| *is_broken).map(|(field, _)| field).collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn restricted() -> Value {
        json!({ "kind": "Deployment", "spec": { "template": { "spec": {
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{ "name": "api", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
            } }],
        } } } })
    }

    #[test]
    fn each_rule_sees_its_fault() {
        assert_eq!(violations(&restricted()), [""; 0]);
        let faults = [
            ("/hostNetwork", json!(true), "hostNetwork"),
            ("/volumes", json!([{ "name": "host", "hostPath": { "path": "/" } }]), "volume host"),
            ("/securityContext/sysctls", json!([{ "name": "kernel.msgmax" }]), "sysctl kernel.msgmax"),
            ("/securityContext/runAsNonRoot", json!(false), "api: runAsNonRoot"),
            ("/securityContext/runAsUser", json!(0), "api: runAsUser 0"),
            ("/securityContext/seccompProfile", json!({ "type": "Unconfined" }), "api: seccompProfile"),
            ("/securityContext/appArmorProfile", json!({ "type": "Unconfined" }), "api: appArmorProfile"),
            ("/securityContext/seLinuxOptions", json!({ "type": "spc_t" }), "api: seLinuxOptions.type"),
            ("/containers/0/securityContext/privileged", json!(true), "api: privileged"),
            ("/containers/0/securityContext/allowPrivilegeEscalation", Value::Null, "api: allowPrivilegeEscalation"),
            ("/containers/0/securityContext/capabilities/drop", json!(["KILL"]), "api: capabilities.drop ALL"),
            ("/containers/0/securityContext/capabilities/add", json!(["SYS_TIME"]), "api: capabilities.add"),
            ("/containers/0/securityContext/procMount", json!("Unmasked"), "api: procMount"),
            ("/containers/0/ports", json!([{ "hostPort": 80 }]), "api: hostPort"),
            ("/containers/0/livenessProbe", json!({ "httpGet": { "host": "10.0.0.1" } }), "api: host of a probe"),
            ("/initContainers", json!([{ "name": "init" }]), "init: allowPrivilegeEscalation"),
        ];
        for (pointer, fault, expected) in faults {
            let mut manifest = restricted();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            manifest.pointer_mut(&format!("/spec/template/spec{parent}")).unwrap()[key] = fault;
            let found = violations(&manifest);
            assert_eq!(found.first().map(String::as_str), Some(expected), "{pointer}: {found:?}");
        }
    }

    #[test]
    fn every_kind_that_makes_pods_is_seen() {
        let pod = json!({ "hostPID": true });
        for (kind, pointer) in [
            ("Pod", "/spec"),
            ("PodTemplate", "/template/spec"),
            ("CronJob", "/spec/jobTemplate/spec/template/spec"),
            ("Job", "/spec/template/spec"),
            ("StatefulSet", "/spec/template/spec"),
        ] {
            let nested =
                pointer.rsplit('/').filter(|key| !key.is_empty()).fold(pod.clone(), |inner, key| json!({ key: inner }));
            let mut manifest = nested;
            manifest["kind"] = kind.into();
            assert_eq!(violations(&manifest), ["hostPID"], "{kind}");
        }
        assert_eq!(violations(&json!({ "kind": "Service", "spec": { "hostPID": true } })), [""; 0]);
    }
}
