// Package chart_test renders the chart with every Helm that is on the PATH (helm, helm3, helm4) over many values, decodes what
// comes out as strictly as the API server would, and checks what must hold of every object and of every pod.
package chart_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/domino-maintenance-mode/dmm/internal/config"
)

// helms are the Helm binaries to test with.
func helms(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range []string{"helm3", "helm4", "helm"} {
		if _, err := exec.LookPath(name); err == nil && (name != "helm" || len(found) == 0) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		t.Skip("neither helm nor helm3 nor helm4 is on the PATH: the chart is not rendered")
	}
	return found
}

// template renders the chart. What Helm says on failure is part of the error.
func template(t *testing.T, helm, release string, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"template", release, chart, "--kube-version", "1.36.3", "--namespace", "maintenance"}, args...)
	cmd := exec.CommandContext(t.Context(), helm, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", errors.New(stderr.String())
	}
	return string(out), nil
}

// objects are the rendered objects of a release by kind.
type objects struct {
	jobs     []batchv1.Job
	crons    []batchv1.CronJob
	pods     []corev1.Pod
	accounts []corev1.ServiceAccount
	secrets  []corev1.Secret
	claims   []corev1.PersistentVolumeClaim
	roles    []rbacv1.Role
	bindings []rbacv1.RoleBinding
	policies []networkingv1.NetworkPolicy
	rules    []prometheusRule
	others   []metav1.ObjectMeta // of extraManifests
	all      []object
}

// prometheusRule is as much of the resource of that name as the chart uses.
type prometheusRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				For         string            `json:"for"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

type object struct {
	kind string
	metav1.ObjectMeta
}

// decode reads manifests as the API server would with strict validation: unknown and double fields are faults.
func decode(t *testing.T, manifests string) objects {
	t.Helper()
	var o objects
	for _, doc := range strings.Split("\n"+manifests, "\n---\n") {
		var typed metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &typed); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if typed.Kind == "" {
			continue
		}
		switch typed.APIVersion + " " + typed.Kind {
		case "batch/v1 Job":
			add(t, doc, &o.jobs, &o, func(x *batchv1.Job) metav1.ObjectMeta { return x.ObjectMeta })
		case "batch/v1 CronJob":
			add(t, doc, &o.crons, &o, func(x *batchv1.CronJob) metav1.ObjectMeta { return x.ObjectMeta })
		case "v1 Pod":
			add(t, doc, &o.pods, &o, func(x *corev1.Pod) metav1.ObjectMeta { return x.ObjectMeta })
		case "v1 ServiceAccount":
			add(t, doc, &o.accounts, &o, func(x *corev1.ServiceAccount) metav1.ObjectMeta { return x.ObjectMeta })
		case "v1 Secret":
			add(t, doc, &o.secrets, &o, func(x *corev1.Secret) metav1.ObjectMeta { return x.ObjectMeta })
		case "v1 PersistentVolumeClaim":
			add(t, doc, &o.claims, &o, func(x *corev1.PersistentVolumeClaim) metav1.ObjectMeta { return x.ObjectMeta })
		case "rbac.authorization.k8s.io/v1 Role":
			add(t, doc, &o.roles, &o, func(x *rbacv1.Role) metav1.ObjectMeta { return x.ObjectMeta })
		case "rbac.authorization.k8s.io/v1 RoleBinding":
			add(t, doc, &o.bindings, &o, func(x *rbacv1.RoleBinding) metav1.ObjectMeta { return x.ObjectMeta })
		case "networking.k8s.io/v1 NetworkPolicy":
			add(t, doc, &o.policies, &o, func(x *networkingv1.NetworkPolicy) metav1.ObjectMeta { return x.ObjectMeta })
		case "monitoring.coreos.com/v1 PrometheusRule":
			add(t, doc, &o.rules, &o, func(x *prometheusRule) metav1.ObjectMeta { return x.ObjectMeta })
		case "v1 ConfigMap": // only from extraManifests
			var c corev1.ConfigMap
			if err := yaml.UnmarshalStrict([]byte(doc), &c); err != nil {
				t.Fatalf("%v\n%s", err, doc)
			}
			o.others = append(o.others, c.ObjectMeta)
		default:
			t.Fatalf("the chart makes a %s, which this test does not know:\n%s", typed.Kind, doc)
		}
	}
	return o
}

func add[T any](t *testing.T, doc string, list *[]T, o *objects, meta func(*T) metav1.ObjectMeta) {
	t.Helper()
	var x T
	if err := yaml.UnmarshalStrict([]byte(doc), &x); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	*list = append(*list, x)
	kind := strings.TrimPrefix(fmt.Sprintf("%T", x), "v1.")
	o.all = append(o.all, object{kind, meta(&x)})
}

// pod is one pod template of the release, wherever it stands.
type pod struct {
	where string
	hook  string // its events, if it is one
	meta  metav1.ObjectMeta
	spec  corev1.PodSpec
	job   *batchv1.JobSpec // nil for the pod of helm test
}

func (o *objects) podTemplates() []pod {
	var pods []pod
	for i, j := range o.jobs {
		pods = append(pods, pod{"Job " + j.Name, j.Annotations["helm.sh/hook"], j.Spec.Template.ObjectMeta, j.Spec.Template.Spec, &o.jobs[i].Spec})
	}
	for i, c := range o.crons {
		s := c.Spec.JobTemplate.Spec
		pods = append(pods, pod{"CronJob " + c.Name, "", s.Template.ObjectMeta, s.Template.Spec, &o.crons[i].Spec.JobTemplate.Spec})
	}
	for _, p := range o.pods {
		pods = append(pods, pod{"Pod " + p.Name, p.Annotations["helm.sh/hook"], p.ObjectMeta, p.Spec, nil})
	}
	return pods
}

func (p pod) env() map[string]string {
	env := map[string]string{}
	for _, e := range p.spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	return env
}

// everything is what can be set at once; each test of one thing adds to nothing or to this.
func everything(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "everything.yaml")
	if err := os.WriteFile(path, []byte(`
domino:
  url: https://domino.example.com
  credentials: {type: token, value: s3cr3t-t0ken}
ca: {configMap: domino-generated-certificates, key: bundle}
proxy: {http: "http://proxy:3128", https: "http://proxy:3128", noProxy: .example.net}
store: {url: "s3://backups/dmm", credentialsSecret: storage}
webhook: {existingSecret: chat}
settings: {s3Endpoint: "https://minio.example.com", kinds: [App, ModelAPI], projects: [jane/churn], concurrency: 1000000, gracePeriod: 1h30m, restoreWorkspaces: true, dryRun: false}
hooks: {enabled: true, annotations: {team: platform}}
audit: {schedule: "0 6 * * *"}
image: {registry: registry.example.com/, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", pullSecrets: [one, {name: two}]}
global: {imagePullSecrets: [zero], somethingElse: {of: another}}
serviceAccount: {annotations: {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/dmm"}, labels: {a: b}}
job: {ttlSecondsAfterFinished: 0, annotations: {keep: me}}
podAnnotations: {x: "1"}
podLabels: {azure.workload.identity/use: "true"}
commonLabels: {team: platform, app.kubernetes.io/name: not-this}
commonAnnotations: {owner: sre}
nodeSelector: {dominodatalab.com/node-pool: platform}
tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
priorityClassName: high
prometheusRule: {enabled: true, labels: {release: kube-prometheus}, openHours: 8}
networkPolicy: {enabled: true, extraEgress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 9000}]}]}
extraEnv: [{name: AWS_REGION, value: eu-west-1}, {name: DMM_SECRET, valueFrom: {secretKeyRef: {name: s, key: k}}}]
extraEnvFrom: [{secretRef: {name: more}}]
extraVolumes: [{name: scratch, emptyDir: {}}]
extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
extraManifests:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-map"}}
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: text}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func matrix(t *testing.T) map[string][]string {
	t.Helper()
	all := everything(t)
	m := map[string][]string{
		"nothing":                  nil,
		"hooks":                    {"--set", "hooks.enabled=true"},
		"hooks for an intent":      {"--set", "hooks.enabled=true,hooks.everyUpgrade=false,hooks.intent=6.2.0"},
		"hooks without an intent":  {"--set", "hooks.enabled=true,hooks.everyUpgrade=false"},
		"everything":               {"-f", all},
		"everything and a mode":    {"-f", all, "--set", "hooks.enabled=false,mode=shutdown"},
		"no cluster":               {"--set", "kubernetes.enabled=false,hooks.enabled=true"},
		"Domino's storage":         {"--set", "store.url=domino,hooks.enabled=true,kubernetes.computeNamespaces={a,b}"},
		"OpenShift":                {"--api-versions", "security.openshift.io/v1", "--set", "hooks.enabled=true"},
		"OpenShift by word":        {"--set", "openshift=true,mode=snapshot"},
		"a token of the cluster":   {"--set", "domino.credentials.type=serviceAccountToken,domino.credentials.audience=domino,mode=snapshot"},
		"certificates of a Secret": {"--set", "ca.secret=ca,mode=snapshot"},
		"a shared volume":          {"--set", "store.volume.existingClaim=shared,store.volume.subPath=dmm,mode=snapshot"},
		"a volume by hand":         {"--set", "store.volume.storageClass=-,store.volume.selector.matchLabels.a=b,mode=snapshot"},
		"nothing but a mode":       {"--set", "mode=snapshot,cronJobs.enabled=false,hooks.preDelete.enabled=false,serviceAccount.create=false"},
		"an account that is there": {"--set", "serviceAccount.create=false,serviceAccount.name=mine,hooks.enabled=true"},
		"no deadline":              {"--set", "deadline=0,mode=snapshot"},
		"an umbrella's switch":     {"--set", "enabled=true,global.anything=at.all,mode=snapshot"},
	}
	for _, mode := range runModes() {
		m["mode "+mode] = []string{"--set", "settings.reason=x,mode=" + mode}
	}
	return m
}

// each renders the whole matrix with each Helm, for a short release and one with the longest name that Helm allows.
func each(t *testing.T, check func(t *testing.T, args []string, o objects)) {
	for _, helm := range helms(t) {
		for name, args := range matrix(t) {
			for _, release := range []string{"dmm", strings.Repeat("r", 53)} {
				id := helm + "/" + name + "/" + strconv.Itoa(len(release))
				t.Run(id, func(t *testing.T) {
					once, _ := rendered.LoadOrStore(id, sync.OnceValues(func() (string, error) { return template(t, helm, release, args...) }))
					out, err := once.(func() (string, error))()
					if err != nil {
						t.Fatal(err)
					}
					check(t, args, decode(t, out))
				})
			}
		}
	}
}

var rendered sync.Map // what was rendered is looked at by several tests

// What must hold of every object.
func TestEveryObject(t *testing.T) {
	each(t, func(t *testing.T, _ []string, o objects) {
		seen := map[string]bool{}
		for _, x := range o.all {
			id := x.kind + " " + x.Namespace + "/" + x.Name
			if seen[id] {
				t.Errorf("%s is there twice", id)
			}
			seen[id] = true
			most := 63
			if x.kind == "CronJob" {
				most = 52 // its Jobs have a time behind the name
			}
			if len(x.Name) > most || len(validation.IsDNS1123Label(x.Name)) > 0 {
				t.Errorf("%s has a name of %d characters, and %d are the most: %v", id, len(x.Name), most, validation.IsDNS1123Label(x.Name))
			}
			if x.Namespace == "" || x.Labels["app.kubernetes.io/name"] != "domino-maintenance-mode" || x.Labels["helm.sh/chart"] == "" {
				t.Errorf("%s lies in namespace %q with labels %v", id, x.Namespace, x.Labels)
			}
			for k, v := range x.Labels {
				if len(validation.IsQualifiedName(k)) > 0 || len(validation.IsValidLabelValue(v)) > 0 {
					t.Errorf("%s has the label %s=%s, which is none", id, k, v)
				}
			}
		}
		for _, c := range o.claims {
			if c.Annotations["helm.sh/resource-policy"] != "keep" || c.Annotations["helm.sh/hook"] != "" {
				t.Errorf("the volume %s would be deleted by an uninstall or made again by a hook: %v", c.Name, c.Annotations)
			}
		}
	})
}

// What must hold of every pod: one forgotten is the one that fails in the night.
func TestEveryPod(t *testing.T) {
	each(t, func(t *testing.T, args []string, o objects) {
		all := strings.Contains(strings.Join(args, " "), "everything.yaml")
		openshift := strings.Contains(strings.ToLower(strings.Join(args, " ")), "openshift")
		pods := o.podTemplates()
		if len(pods) == 0 {
			t.Fatal("no pods at all")
		}
		for _, p := range pods {
			c := p.spec.Containers[0]
			fault := func(format string, a ...any) { t.Errorf(p.where+": "+format, a...) }
			if len(p.spec.Containers) != 1 || c.Name != "dmm" || len(p.spec.InitContainers) != 0 {
				fault("podFailurePolicy is about one container named dmm")
			}
			if p.spec.RestartPolicy != corev1.RestartPolicyNever {
				fault("restartPolicy is %s", p.spec.RestartPolicy)
			}
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if c.Resources.Limits[name] == (c.Resources.Limits["none"]) || c.Resources.Requests[name] == (c.Resources.Requests["none"]) {
					fault("no limit or request of %s, which a quota may ask for", name)
				}
			}
			s, ps := c.SecurityContext, p.spec.SecurityContext
			if !*ps.RunAsNonRoot || ps.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || fmt.Sprint(s.Capabilities.Drop) != "[ALL]" {
				fault("Pod Security restricted would refuse %+v and %+v", ps, s)
			}
			if openshift != (ps.RunAsUser == nil) || openshift != (ps.FSGroup == nil) || openshift != (ps.RunAsGroup == nil) {
				fault("user %v, group %v, fsGroup %v", ps.RunAsUser, ps.RunAsGroup, ps.FSGroup)
			}
			if p.spec.EnableServiceLinks == nil || *p.spec.EnableServiceLinks {
				fault("service links are on: Domino's dmm-* Services would look like settings")
			}
			if *p.spec.TerminationGracePeriodSeconds < 30 {
				fault("%d s are too few to put on record what was under way", *p.spec.TerminationGracePeriodSeconds)
			}
			if p.meta.Labels["sidecar.istio.io/inject"] != "false" || p.meta.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] != "false" {
				fault("labels %v, annotations %v", p.meta.Labels, p.meta.Annotations)
			}
			if token := !strings.Contains(strings.Join(args, " "), "kubernetes.enabled=false"); *p.spec.AutomountServiceAccountToken != token {
				fault("automountServiceAccountToken is %v", *p.spec.AutomountServiceAccountToken)
			}
			if c.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
				fault("terminationMessagePolicy is %s", c.TerminationMessagePolicy)
			}
			mounted(t, p)
			environment(t, p)
			if p.job != nil {
				jobPolicy(t, p, args)
			}
			if !all {
				continue
			}
			env := p.env()
			if env["DOMINO_CA_FILE"] != "/etc/dmm/ca/bundle" || env["HTTPS_PROXY"] != "http://proxy:3128" || env["AWS_REGION"] != "eu-west-1" ||
				!strings.HasPrefix(env["NO_PROXY"], "$(KUBERNETES_SERVICE_HOST),.svc,") || !strings.HasSuffix(env["NO_PROXY"], ",.example.net") ||
				!strings.Contains(env["NO_PROXY"], ",169.254.0.0/16,fd00:ec2::/32,metadata.google.internal,") { // where SDKs ask who the pod is
				fault("environment %v", env)
			}
			if env["DMM_CONCURRENCY"] != "1000000" || env["DMM_KINDS"] != "App,ModelAPI" || env["DMM_RESTORE_WORKSPACES"] != "true" || env["DMM_DRY_RUN"] != "false" {
				fault("settings %v", env)
			}
			if c.Image != "registry.example.com/domino-maintenance-mode/dmm@sha256:"+strings.Repeat("0", 64) || fmt.Sprint(p.spec.ImagePullSecrets) != "[{zero} {one} {two}]" {
				fault("image %s, pull secrets %v", c.Image, p.spec.ImagePullSecrets)
			}
			if p.spec.PriorityClassName != "high" || len(p.spec.NodeSelector) != 1 || len(p.spec.Tolerations) != 1 || p.spec.Affinity == nil || len(c.EnvFrom) != 2 ||
				p.meta.Labels["team"] != "platform" || p.meta.Labels["azure.workload.identity/use"] != "true" || p.meta.Annotations["owner"] != "sre" || p.meta.Annotations["x"] != "1" {
				fault("scheduling or labels are lost: %+v %+v", p.spec, p.meta)
			}
			if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
				return e.Name == "DMM_WEBHOOK_URL" && e.ValueFrom != nil && e.ValueFrom.SecretKeyRef.Name == "chat" && e.ValueFrom.SecretKeyRef.Key == "url"
			}) {
				fault("the webhook is lost: %+v", c.Env)
			}
			if slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return strings.Contains(e.Value, "s3cr3t") }) {
				fault("the token is in the environment")
			}
		}
	})
}

// mounted checks that every mount has its volume and every file in the environment its mount.
func mounted(t *testing.T, p pod) {
	t.Helper()
	volumes := map[string]corev1.VolumeSource{}
	for _, v := range p.spec.Volumes {
		volumes[v.Name] = v.VolumeSource
	}
	var paths []string
	for _, m := range p.spec.Containers[0].VolumeMounts {
		if _, ok := volumes[m.Name]; !ok {
			t.Errorf("%s mounts %s, which is no volume", p.where, m.Name)
		}
		paths = append(paths, m.MountPath)
	}
	if len(paths) != len(volumes) {
		t.Errorf("%s has %d volumes and mounts %d", p.where, len(volumes), len(paths))
	}
	for name, value := range p.env() {
		if path, isFile := strings.CutPrefix(value, "file://"); isFile || strings.HasPrefix(value, "/etc/dmm/") {
			if !slices.ContainsFunc(paths, func(m string) bool { return path == m || filepath.Dir(path) == m }) {
				t.Errorf("%s: %s is %s, and nothing is mounted there", p.where, name, value)
			}
		}
	}
	if v, ok := volumes["store"]; ok && v.PersistentVolumeClaim == nil {
		t.Errorf("%s keeps its records on %+v, which dies with the pod", p.where, v)
	}
}

// environment checks that dmm itself takes what the chart sets: names that are settings, values that parse.
func environment(t *testing.T, p pod) {
	t.Helper()
	var environ []string
	names := map[string]bool{}
	for _, e := range p.spec.Containers[0].Env {
		if names[e.Name] {
			t.Errorf("%s sets %s twice", p.where, e.Name)
		}
		names[e.Name] = true
		if e.ValueFrom == nil && !strings.HasSuffix(e.Name, "_FILE") { // files are in the pod, not here
			environ = append(environ, e.Name+"="+e.Value)
		}
	}
	environ = append(environ, "DOMINO_API_KEY=k3y")
	cfg, warnings, err := config.Load(environ, nil)
	if err != nil {
		t.Errorf("%s: %v", p.where, err)
	}
	for _, w := range warnings {
		t.Errorf("%s: %s", p.where, w)
	}
	needs := config.Needs{Domino: true, Store: cfg.Store != "domino"} // a store that is not known in this version is dmm's matter
	if err := cfg.Validate(needs); err != nil {
		t.Errorf("%s: %v", p.where, err)
	}
}

// jobPolicy checks what makes an eviction harmless, and an error that no retry mends final.
func jobPolicy(t *testing.T, p pod, args []string) {
	t.Helper()
	rules := p.job.PodFailurePolicy.Rules
	if len(rules) != 2 || rules[0].Action != batchv1.PodFailurePolicyActionIgnore || rules[0].OnPodConditions[0].Type != corev1.DisruptionTarget {
		t.Errorf("%s: an eviction is not the first rule: %+v", p.where, rules)
	}
	if r := rules[1]; r.Action != batchv1.PodFailurePolicyActionFailJob || *r.OnExitCodes.ContainerName != "dmm" || r.OnExitCodes.Operator != batchv1.PodFailurePolicyOnExitCodesOpIn || fmt.Sprint(r.OnExitCodes.Values) != "[2 4 5 6 7 74]" {
		t.Errorf("%s: the second rule is %+v", p.where, r)
	}
	if *p.job.PodReplacementPolicy != batchv1.Failed {
		t.Errorf("%s: a pod is replaced before it is gone, so that two run", p.where)
	}
	if p.hook == "pre-delete" {
		return
	}
	if *p.job.BackoffLimit != 6 {
		t.Errorf("%s: backoffLimit is %d", p.where, *p.job.BackoffLimit)
	}
	if strings.Contains(strings.Join(args, " "), "deadline=0") {
		if p.job.ActiveDeadlineSeconds != nil {
			t.Errorf("%s: activeDeadlineSeconds is %d without a deadline", p.where, *p.job.ActiveDeadlineSeconds)
		}
	} else if p.env()["DMM_DEADLINE"] != "1h" || *p.job.ActiveDeadlineSeconds != 4200 {
		t.Errorf("%s: DMM_DEADLINE is %s and activeDeadlineSeconds %d", p.where, p.env()["DMM_DEADLINE"], *p.job.ActiveDeadlineSeconds)
	}
}

// Whatever a hook refers to and the chart makes exists before it: as a hook of the same events and a lower weight, or, for the
// volume, since the installation. What is no hook refers to nothing that hooks make and delete.
func TestTheGraphOfHooks(t *testing.T) {
	each(t, func(t *testing.T, _ []string, o objects) {
		made := map[string]object{}
		for _, x := range o.all {
			made[x.kind+" "+x.Namespace+"/"+x.Name] = x
		}
		bound := map[string][]string{} // account -> roles
		for _, b := range o.bindings {
			for _, s := range b.Subjects {
				key := s.Kind + " " + s.Namespace + "/" + s.Name
				bound[key] = append(bound[key], "RoleBinding "+b.Namespace+"/"+b.Name, "Role "+b.Namespace+"/"+b.RoleRef.Name)
			}
		}
		for _, p := range o.podTemplates() {
			needs := []string{"ServiceAccount maintenance/" + p.spec.ServiceAccountName}
			needs = append(needs, bound[needs[0]]...)
			for _, v := range p.spec.Volumes {
				if v.Secret != nil {
					needs = append(needs, "Secret maintenance/"+v.Secret.SecretName)
				}
			}
			self := object{}
			for _, x := range o.all {
				if strings.HasSuffix(p.where, " "+x.Name) && strings.HasPrefix(p.where, x.kind+" ") {
					self = x
				}
			}
			for _, n := range needs {
				x, ok := made[n]
				if !ok || p.hook != "" && p.hook != "test" && strings.HasPrefix(n, "Role") && x.Annotations["helm.sh/hook"] == "" {
					continue // not the chart's: it is there before; and rights that an account has besides those of hooks
				}
				events, weight := x.Annotations["helm.sh/hook"], x.Annotations["helm.sh/hook-weight"]
				if p.hook == "" || p.hook == "test" {
					if events != "" && !strings.HasPrefix(n, "Role") { // an account that is there has both
						t.Errorf("%s needs %s, which only hooks have", p.where, n)
					}
					continue
				}
				for _, event := range strings.Split(p.hook, ",") {
					if !slices.Contains(strings.Split(events, ","), event) {
						t.Errorf("%s runs at %s and needs %s, which is made at %q", p.where, event, n, events)
					}
				}
				mine, _ := strconv.Atoi(self.Annotations["helm.sh/hook-weight"])
				if its, err := strconv.Atoi(weight); err != nil || its >= mine {
					t.Errorf("%s has weight %d and needs %s of weight %s", p.where, mine, n, weight)
				}
			}
		}
	})
}

// Helm takes names that YAML reads as numbers, and names with dots in them, wherever they are cut off.
func TestAwkwardNames(t *testing.T) {
	args := []string{"-f", everything(t), "--set", "store.url=,store.volume.storageClass=1e3", "--set-string", "priorityClassName=7,ca.configMap=8,webhook.existingSecret=9,kubernetes.computeNamespaces={10},networkPolicy.platformNamespace=11"}
	for _, helm := range helms(t) {
		for _, release := range []string{"62", "1e3", "2026.1", strings.Repeat("r", 33) + "." + strings.Repeat("r", 19), strings.Repeat("r.", 26) + "r"} {
			out, err := template(t, helm, release, append(args, "--namespace", "1234")...)
			if err != nil {
				t.Fatalf("%s %s: %v", helm, release, err)
			}
			o := decode(t, out)
			for _, x := range o.all {
				if len(validation.IsDNS1123Subdomain(x.Name)) > 0 || x.Labels["app.kubernetes.io/instance"] != release {
					t.Errorf("%s %s: %s %s with labels %v", helm, release, x.kind, x.Name, x.Labels)
				}
			}
			if n := len(o.podTemplates()); n < 10 {
				t.Errorf("%s %s: %d pods", helm, release, n)
			}
		}
	}
}

func TestTheOrderOfHooks(t *testing.T) {
	for _, helm := range helms(t) {
		out, err := template(t, helm, "dmm", "--set", "hooks.enabled=true")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, j := range decode(t, out).jobs {
			got[j.Name] = j.Annotations["helm.sh/hook"] + " " + j.Annotations["helm.sh/hook-weight"] + " " + j.Annotations["helm.sh/hook-delete-policy"]
		}
		want := map[string]string{
			"dmm-pre-upgrade-snapshot":  "pre-upgrade 0 before-hook-creation",
			"dmm-pre-upgrade-shutdown":  "pre-upgrade 10 before-hook-creation",
			"dmm-post-upgrade-restore":  "post-upgrade 0 before-hook-creation",
			"dmm-post-rollback-restore": "post-rollback 0 before-hook-creation",
			"dmm-pre-delete":            "pre-delete 0 before-hook-creation,hook-succeeded",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", helm, diff)
		}
	}
}

// RBAC is what dmm asks, where it asks it, and nothing at all when it looks at no cluster.
func TestRights(t *testing.T) {
	events := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}}
	pods := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}}
	namespace := func(n string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{n}, Verbs: []string{"get"}}
	}
	domino := rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"dominos"}, Verbs: []string{"list"}}
	for _, helm := range helms(t) {
		for _, c := range []struct {
			args []string
			want map[string][]rbacv1.PolicyRule // by namespace, for each account
		}{
			{nil, map[string][]rbacv1.PolicyRule{"maintenance": {events}, "domino-compute": {pods, namespace("domino-compute")}}},
			{[]string{"--set", "store.url=domino,kubernetes.computeNamespaces={a,b},kubernetes.operatorNamespace=op"},
				map[string][]rbacv1.PolicyRule{"maintenance": {events}, "a": {pods, namespace("a")}, "b": {pods, namespace("b")}, "op": {domino}}},
			{[]string{"--set", "serviceAccount.create=false,serviceAccount.name=mine"}, map[string][]rbacv1.PolicyRule{"maintenance": {events}, "domino-compute": {pods, namespace("domino-compute")}}},
			{[]string{"--set", "kubernetes.enabled=false"}, map[string][]rbacv1.PolicyRule{}},
		} {
			out, err := template(t, helm, "dmm", c.args...)
			if err != nil {
				t.Fatal(err)
			}
			o := decode(t, out)
			for _, hook := range []bool{false, true} {
				got := map[string][]rbacv1.PolicyRule{}
				for i, r := range o.roles {
					if (r.Annotations["helm.sh/hook"] != "") != hook {
						continue
					}
					got[r.Namespace] = append(got[r.Namespace], r.Rules...)
					b := o.bindings[i]
					account := map[bool]string{false: "dmm", true: "dmm-hook"}[hook]
					if strings.Contains(strings.Join(c.args, " "), "name=mine") {
						account = "mine"
					}
					if b.Name != r.Name || b.Namespace != r.Namespace || b.RoleRef.Name != r.Name || len(b.Subjects) != 1 || b.Subjects[0].Name != account || b.Subjects[0].Namespace != "maintenance" {
						t.Errorf("%s: Role %s is bound by %+v", helm, r.Name, b)
					}
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s %v, hook %v (-want +got):\n%s", helm, c.args, hook, diff)
				}
			}
		}
	}
}

// The alerts are those that docs/metrics.md explains, and ask for no metric that it does not list.
func TestAlerts(t *testing.T) {
	docs := read(t, "../../docs/metrics.md")
	for _, helm := range helms(t) {
		out, err := template(t, helm, "dmm", "--set", "prometheusRule.enabled=true")
		if err != nil {
			t.Fatal(err)
		}
		o := decode(t, out)
		if len(o.rules) != 1 || len(o.rules[0].Spec.Groups) != 1 || len(o.rules[0].Spec.Groups[0].Rules) != strings.Count(docs, "\n    # ") {
			t.Fatalf("%d rules, want one with an alert for each in docs/metrics.md: %+v", len(o.rules), o.rules)
		}
		for _, r := range o.rules[0].Spec.Groups[0].Rules {
			if !strings.Contains(docs, "\n    "+r.Expr+"\n") {
				t.Errorf("docs/metrics.md has no expression %s", r.Expr)
			}
			for _, metric := range regexp.MustCompile(`dmm_[a-z_]+`).FindAllString(r.Expr, -1) {
				if !strings.Contains(docs, "`"+metric+"`") && !strings.Contains(docs, "`"+metric+"{") {
					t.Errorf("%s asks for %s, which docs/metrics.md does not list", r.Alert, metric)
				}
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s does not say what to do: %+v", r.Alert, r)
			}
		}
	}
}

// A policy lets pass what the storage's own ways to credentials need, and nothing comes in.
func TestNetworkPolicy(t *testing.T) {
	for _, helm := range helms(t) {
		for store, want := range map[string][]string{
			"":         {"53/UDP 53/TCP 5353/UDP 5353/TCP", "ns domino-platform", "443/TCP 6443/TCP", "10.0.0.0/8 9000/"},
			"s3://b/p": {"53/UDP 53/TCP 5353/UDP 5353/TCP", "ns domino-platform", "443/TCP 6443/TCP", "169.254.0.0/16 fd00:ec2::23/128 80/TCP 988/TCP", "10.0.0.0/8 9000/"},
		} {
			out, err := template(t, helm, "dmm", "-f", everything(t), "--set", "store.url="+store)
			if err != nil {
				t.Fatal(err)
			}
			o := decode(t, out)
			if len(o.policies) != 1 {
				t.Fatalf("%s: %d policies", helm, len(o.policies))
			}
			p := o.policies[0].Spec
			var got []string
			for _, rule := range p.Egress {
				var parts []string
				for _, to := range rule.To {
					if to.IPBlock != nil {
						parts = append(parts, to.IPBlock.CIDR)
					} else {
						parts = append(parts, "ns "+to.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
					}
				}
				for _, port := range rule.Ports {
					protocol := ""
					if port.Protocol != nil {
						protocol = string(*port.Protocol)
					}
					parts = append(parts, port.Port.String()+"/"+protocol)
				}
				got = append(got, strings.Join(parts, " "))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, store %q (-want +got):\n%s", helm, store, diff)
			}
			if fmt.Sprint(p.PolicyTypes) != "[Ingress Egress]" || len(p.Ingress) != 0 {
				t.Errorf("%s: %+v", helm, p)
			}
			for _, pod := range o.podTemplates() {
				for k, v := range p.PodSelector.MatchLabels {
					if pod.meta.Labels[k] != v {
						t.Errorf("%s: the policy is not about %s, whose labels are %v", helm, pod.where, pod.meta.Labels)
					}
				}
			}
		}
	}
}

func TestCronJobs(t *testing.T) {
	for _, helm := range helms(t) {
		out, err := template(t, helm, "dmm", "--set", "audit.schedule=0 6 * * *,audit.timeZone=Europe/Zurich")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range decode(t, out).crons {
			names = append(names, c.Name)
			audit := c.Name == "dmm-audit-schedule"
			if *c.Spec.Suspend == audit || *c.Spec.SuccessfulJobsHistoryLimit != 10 || *c.Spec.FailedJobsHistoryLimit != 10 || c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent {
				t.Errorf("%s: %s is %+v", helm, c.Name, c.Spec)
			}
			if audit && (c.Spec.Schedule != "0 6 * * *" || *c.Spec.TimeZone != "Europe/Zurich" || *c.Spec.StartingDeadlineSeconds != 3600 || c.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args[0] != "audit") {
				t.Errorf("%s: the audit is %+v", helm, c.Spec)
			}
		}
		want := []string{"dmm-audit-schedule"}
		for _, m := range runModes() {
			want = append(want, "dmm-"+m)
		}
		slices.Sort(names)
		slices.Sort(want)
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", helm, diff)
		}
	}
}

// In an umbrella chart nothing is named like the umbrella, and its switch and globals pass.
func TestUnderAnUmbrella(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: domino\nversion: 1.0.0\ndependencies: [{name: dmm, version: 0.1.0, condition: dmm.enabled}]\n",
		"values.yaml": "global: {imageRegistry: mirror.example.com, other: [1]}\ndmm: {enabled: true, mode: snapshot}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "charts/dmm"), os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	for _, helm := range helms(t) {
		cmd := exec.CommandContext(t.Context(), helm, "template", "domino", dir, "--kube-version", "1.36.3", "--namespace", "maintenance")
		o := decode(t, output(t, cmd))
		for _, x := range o.all {
			if !strings.HasPrefix(x.Name, "domino-dmm") {
				t.Errorf("%s: %s %s", helm, x.kind, x.Name)
			}
		}
		if image := o.jobs[0].Spec.Template.Spec.Containers[0].Image; !strings.HasPrefix(image, "mirror.example.com/") {
			t.Errorf("%s: image %s", helm, image)
		}
	}
}

// What is wrong is refused, and what is refused says what to type instead.
func TestRefusals(t *testing.T) {
	for _, helm := range helms(t) {
		for name, c := range map[string]struct{ set, want string }{
			"a mode and hooks":             {"mode=snapshot,hooks.enabled=true", "--set hooks.enabled=false"},
			"a store that dies":            {"store.url=mem:", "--set store.url="},
			"a folder of the container":    {"store.url=file:///tmp", "store.volume.existingClaim"},
			"two kinds of certificates":    {"ca.configMap=a,ca.secret=b", "--set ca.secret="},
			"Domino's storage, unasked":    {"store.url=domino,kubernetes.enabled=false", "--set kubernetes.enabled=true"},
			"a close without a reason":     {"mode=close", "--set settings.reason="},
			"what the chart sets itself":   {"extraEnv[0].name=DMM_STORE,extraEnv[0].value=x", "DMM_STORE, which the chart sets itself"},
			"a mode that is none":          {"mode=restor", "mode"},
			"a mistyped key":               {"hook.enabled=true", "hook"},
			"a mistyped key further down":  {"hooks.preDelete.enable=true", "enable"},
			"a mistyped setting":           {"settings.gracePeriods=5m", "gracePeriods"},
			"a setting of another type":    {"settings.concurrency=many", "concurrency"},
			"a kind that is none":          {"settings.kinds={Apps}", "kinds"},
			"a duration without a unit":    {"settings.gracePeriod=5", "gracePeriod"},
			"a deadline without a unit":    {"deadline=10", "deadline"},
			"a URL without a scheme":       {"domino.url=domino.example.com", "url"},
			"an image digest that is none": {"image.digest=sha256:1", "digest"},
			"a resource that is none":      {"resources.limit.cpu=1", "limit"},
			"a security context mistyped":  {"podSecurityContext.runAsNonroot=true", "runAsNonroot"},
			"too little time to end":       {"job.terminationGracePeriodSeconds=5", "terminationGracePeriodSeconds"},
			"a volume for one node's sake": {"store.volume.accessModes={ReadOnlyMany}", "accessModes"},
		} {
			_, err := template(t, helm, "dmm", "--set", c.set)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: %q is not in: %v", helm, name, c.want, err)
			}
		}
	}
}

// The schema is strict at every level: an object that is described lets nothing else pass, but for those that are open on purpose.
func TestTheSchemaIsStrict(t *testing.T) {
	var schema map[string]any
	if err := yaml.Unmarshal([]byte(read(t, chart+"/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	open := map[string]bool{"/global": true, "/extraVolumes[]": true} // of an umbrella; of every kind of volume
	var walk func(path string, node map[string]any)
	walk = func(path string, node map[string]any) {
		properties, _ := node["properties"].(map[string]any)
		if properties != nil && node["additionalProperties"] != false && !open[path] && !strings.HasPrefix(path, "/global/") {
			t.Errorf("%s lets other keys pass", path)
		}
		for _, k := range slices.Sorted(maps.Keys(properties)) {
			walk(path+"/"+k, properties[k].(map[string]any))
		}
		if items, ok := node["items"].(map[string]any); ok {
			walk(path+"[]", items)
		}
	}
	walk("", schema)
	// And it describes every value that there is.
	var values map[string]any
	if err := yaml.Unmarshal([]byte(read(t, chart+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	var same func(path string, value, node map[string]any)
	same = func(path string, value, node map[string]any) {
		properties, _ := node["properties"].(map[string]any)
		for k, v := range value {
			p, ok := properties[k].(map[string]any)
			if !ok {
				if _, anything := node["additionalProperties"].(map[string]any); !anything {
					t.Errorf("%s/%s is in values.yaml and not in the schema", path, k)
				}
				continue
			}
			if below, isMap := v.(map[string]any); isMap {
				same(path+"/"+k, below, p)
			}
		}
	}
	same("", values, schema)
}

// The values that docs/storage.md shows for each provider are values of this chart.
func TestDocumentedValues(t *testing.T) {
	var blocks []string
	for _, block := range strings.Split(read(t, "../../docs/storage.md"), "\n\n") {
		if strings.HasPrefix(block, "    ") && strings.Contains(block, "    store:") {
			blocks = append(blocks, strings.ReplaceAll("\n"+block, "\n    ", "\n"))
		}
	}
	if len(blocks) < 8 {
		t.Fatalf("only %d examples of values", len(blocks))
	}
	for i, block := range blocks {
		path := filepath.Join(t.TempDir(), strconv.Itoa(i)+".yaml")
		if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, helm := range helms(t) {
			out, err := template(t, helm, "dmm", "-f", path, "--set", "mode=snapshot,hooks.preDelete.enabled=true")
			if err != nil {
				t.Errorf("%s: %v in\n%s", helm, err, block)
				continue
			}
			o := decode(t, out)
			for _, p := range o.podTemplates() {
				mounted(t, p)
				environment(t, p)
			}
		}
	}
}

func TestLint(t *testing.T) {
	for _, helm := range helms(t) {
		for name, args := range matrix(t) {
			if !slices.Contains([]string{"nothing", "hooks", "everything"}, name) {
				continue
			}
			out, err := exec.CommandContext(t.Context(), helm, append([]string{"lint", "--strict", chart}, args...)...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %s: %v\n%s", helm, name, err, out)
			}
		}
	}
}

func TestNotes(t *testing.T) {
	for _, helm := range helms(t) {
		for _, c := range []struct {
			set   string
			words []string
		}{
			{"mode=snapshot", []string{"job/dmm-snapshot-1", "--reset-then-reuse-values --set mode=shutdown"}},
			{"hooks.enabled=true", []string{"--timeout 75m", "--from=cronjob/dmm-restore"}},
			{"hooks.enabled=true,deadline=3h", []string{"--timeout 195m"}},
			{"hooks.enabled=true,cronJobs.enabled=false", []string{"--set mode=restore"}},
			{"hooks.enabled=true,hooks.everyUpgrade=false", []string{"wait for an intent"}},
			{"hooks.enabled=true,domino.credentials.value=x", []string{"helm get values shows it"}},
		} {
			out, err := exec.CommandContext(t.Context(), helm, "install", "dmm", chart, "--dry-run=client", "--set", c.set).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, notes, _ := strings.Cut(string(out), "NOTES:")
			for _, w := range c.words {
				if !strings.Contains(notes, w) {
					t.Errorf("%s: %s: %q is not in the notes:\n%s", helm, c.set, w, notes)
				}
			}
		}
	}
}
