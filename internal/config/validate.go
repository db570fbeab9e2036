package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
)

// The least that a store shared by several machines allows. Both have a reason outside this package: a lease must outlast
// a few slow writes, and what is in doubt stays so for the longest call (20 s), its late effect (15 s) and the lag
// of Domino's lists (40 s) together, with a margin.
const (
	leastLease  = 30 * time.Second
	leastSettle = 80 * time.Second
)

// largestFile bounds what is read as a key or as certificates, in bytes. A wrong path may lead to anything.
const largestFile = 4 << 20

// Validate checks that the settings make sense, and that what a mode needs is there. The error joins a *[Fault] for each
// one that does not, in the order of the reference. It reads the files that are named, and changes nothing.
func (c *Config) Validate(needs Needs) error {
	v := &validation{Config: c}
	v.numbers()
	v.texts()
	v.words()
	v.filters()
	if needs.Domino {
		v.hostname()
		v.credential()
	}
	if needs.Domino || needs.Store {
		if _, err := c.RootCAs(); err != nil {
			v.faults = append(v.faults, err)
		}
	}
	if needs.Store {
		v.store()
	}
	slices.SortStableFunc(v.faults, func(a, b error) int { return position(a) - position(b) })
	return errors.Join(v.faults...)
}

// position is where the fault's variable stands in the reference.
func position(err error) int {
	var f *Fault
	if !errors.As(err, &f) {
		return -1
	}
	return settingOf(f.Variable).field
}

type validation struct {
	*Config
	faults []error
}

func (v *validation) add(variable, hint, reason string, a ...any) {
	v.faults = append(v.faults, fault(variable, hint, reason, a...))
}

// texts are what users are told: each must give a title.
func (v *validation) texts() {
	for _, t := range []struct{ variable, text string }{
		{"DMM_NOTIFY_BEFORE", v.NotifyBefore}, {"DMM_NOTIFY_DURING", v.NotifyDuring}, {"DMM_NOTIFY_AFTER", v.NotifyAfter},
	} {
		parsed, err := template.New("text").Parse(t.text)
		if err == nil {
			err = parsed.Execute(io.Discard, struct{ At, Window string }{"20:00 UTC", "000001"})
		}
		if err != nil {
			v.add(t.variable, "use no more than {{.At}} and {{.Window}}", "it is no Go template that can be filled in: %v", err)
		}
	}
}

func (v *validation) numbers() {
	for _, n := range []struct {
		variable string
		value    int
		why      string
	}{
		{"DMM_CONCURRENCY", v.Concurrency, "no request could be sent"},
		{"DMM_START_CONCURRENCY", v.StartConcurrency, "nothing could be started"},
		{"DMM_MAX_FAILURES", v.MaxFailures, "nothing would be tried"},
		{"DMM_KEEP", v.Keep, "no snapshot would be kept"},
		{"DMM_SPEED", v.Speed, "nothing would happen"},
	} {
		if n.value < 1 {
			v.add(n.variable, "set it to 1 or more; the default is "+settingOf(n.variable).Default, "with %d %s", n.value, n.why)
		}
	}
	if v.FaultRate < 0 || v.FaultRate > 100 {
		v.add("DMM_FAULT_RATE", "set it to 0, or to at most 100", "%d is no share of a hundred", v.FaultRate)
	}
	for _, d := range []struct {
		variable string
		value    time.Duration
		why      string // why 0 will not do; empty if it will
	}{
		{"DMM_DEADLINE", v.Deadline, ""},
		{"DMM_SNAPSHOT_MAX_AGE", v.SnapshotMaxAge, "every snapshot would be too old"},
		{"DMM_KEEP_WITHIN", v.KeepWithin, ""},
		{"DMM_GRACE_PERIOD", v.GracePeriod, ""},
		{"DMM_WAIT_READY", v.WaitReady, ""},
		{"DMM_NOTIFY_LEAD", v.NotifyLead, ""},
		{"DMM_LEASE", v.Lease, "any other run would take this one for dead at once"},
		{"DMM_LOCK_WAIT", v.LockWait, ""},
		{"DMM_SETTLE", v.Settle, ""},
	} {
		hint := "set it to a duration such as " + settingOf(d.variable).Default
		switch {
		case d.value < 0 && d.why == "":
			v.add(d.variable, "set it to 0 or more", "%s is less than no time", d.value)
		case d.value < 0:
			v.add(d.variable, hint, "%s is less than no time", d.value)
		case d.value == 0 && d.why != "":
			v.add(d.variable, hint, "with 0 %s", d.why)
		}
	}
}

var snapshotID = regexp.MustCompile(`^([0-9]{8}-[0-9]{6})-[0-9a-z]{4}$`)

// words checks closed lists of values, and texts of one form.
func (v *validation) words() {
	fields := reflect.ValueOf(v.Config).Elem()
	for _, s := range settings() {
		if s.Values == nil {
			continue
		}
		given, ok := fields.Field(s.field).Interface().([]string)
		if !ok {
			given = []string{fields.Field(s.field).String()}
		}
		for _, g := range given {
			if !slices.Contains(s.Values, g) {
				hint := "give " + alternatives(s.Values)
				if near := Nearest(g, s.Values, len(g)/3); near != "" {
					hint = "did you mean " + near + "? Or " + hint
				}
				v.add(s.Variable, hint, "%s is not among the values it can have", quote(g))
			}
		}
	}
	for _, n := range v.ComputeNamespaces {
		v.namespace("DMM_COMPUTE_NAMESPACES", n)
	}
	v.namespace("DMM_OPERATOR_NAMESPACE", v.OperatorNamespace)
	v.snapshotID("DMM_SNAPSHOT", v.Snapshot)
	v.snapshotID("DMM_RESTORE_FROM", v.RestoreFrom)
	if _, err := strconv.Atoi(v.Window); v.Window != "" && v.Window != "latest" && err != nil {
		v.add("DMM_WINDOW", "give latest, or a number such as 17; dmm list shows them", "%s is not the number of a window", quote(v.Window))
	}
	if v.Pushgateway != "" {
		v.serviceURL("DMM_PUSHGATEWAY", v.Pushgateway, "set it to a URL such as http://pushgateway.monitoring:9091")
	}
	if u, err := url.Parse(v.WebhookURL.Reveal()); !v.WebhookURL.IsZero() && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		v.add("DMM_WEBHOOK_URL", "set it to the URL that the chat or the receiver gave you", "its value is not an http or https URL (it is not shown)")
	}
	_, port, err := net.SplitHostPort(v.Listen)
	if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
		v.add("DMM_LISTEN", "give host:port, such as 127.0.0.1:8080, or :8080 for every address of this machine", "%s is not an address to serve on", quote(v.Listen))
	}
}

var namespaceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (v *validation) namespace(variable, name string) {
	if !namespaceName.MatchString(name) {
		v.add(variable, "give it as kubectl get namespaces has it", "%s is not the name of a namespace", quote(name))
	}
}

// snapshotID checks a setting that names a snapshot.
func (v *validation) snapshotID(variable, id string) {
	const hint = "give latest, or an id such as 20260922-190227-k3f9"
	if id == "" || id == "latest" {
		return
	}
	m := snapshotID.FindStringSubmatch(id)
	if m == nil {
		v.add(variable, hint, "%s is not the id of a snapshot", quote(id))
	} else if _, err := time.Parse("20060102-150405", m[1]); err != nil {
		v.add(variable, hint, "%s begins with a time that does not exist", quote(id))
	}
}

// alternatives lists words as people do: a, b or c.
func alternatives(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (v *validation) filters() {
	for _, f := range []struct {
		variable string
		projects []string
	}{
		{"DMM_PROJECTS", v.Projects},
		{"DMM_EXCLUDE_PROJECTS", v.ExcludeProjects},
	} {
		for _, p := range f.projects {
			owner, name, _ := strings.Cut(p, "/")
			if owner == "" || name == "" || strings.Contains(name, "/") {
				v.add(f.variable, "give each project as owner/name, such as jane/churn", "%s is not of the form owner/name, and a name alone may be that of several projects", quote(p))
			}
		}
	}
	for _, f := range []struct {
		variable, instead string
		owners            []string
	}{
		{"DMM_OWNERS", "DMM_PROJECTS", v.Owners},
		{"DMM_EXCLUDE_OWNERS", "DMM_EXCLUDE_PROJECTS", v.ExcludeOwners},
	} {
		for _, o := range f.owners {
			if strings.Contains(o, "/") {
				v.add(f.variable, "give names of users only; for a project set "+f.instead, "%s is a project, not a user", quote(o))
			}
		}
	}
}

func (v *validation) hostname() {
	const hint = "set it to the URL that people open Domino with, such as https://domino.example.com"
	if v.Hostname == "" {
		v.add("DOMINO_HOSTNAME", hint, "it is not set, and this mode calls Domino")
		return
	}
	v.serviceURL("DOMINO_HOSTNAME", v.Hostname, hint)
}

// hostAndPort matches what only lacks a scheme to be a URL.
var hostAndPort = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$`)

// serviceURL checks the URL of a server. The errors of package url are not used: they print the password.
func (v *validation) serviceURL(variable, text, hint string) {
	u, err := url.Parse(text)
	switch {
	case !strings.Contains(text, "://"):
		if hostAndPort.MatchString(text) {
			hint = "set it to https://" + text + ", or http:// if it serves no TLS"
		}
		v.add(variable, hint, "%s has no scheme", quoteURL(text))
	case err != nil:
		v.add(variable, hint, "%s is not a URL", quoteURL(text))
	case u.Scheme != "http" && u.Scheme != "https":
		v.add(variable, hint, "%s has the scheme %q, and only http and https are spoken", quoteURL(text), u.Scheme)
	case u.User != nil:
		v.add(variable, "remove what stands before the @; credentials have variables of their own", "the URL %s has a user or a password in it, which would show in logs", quoteURL(text))
	case u.Hostname() == "":
		v.add(variable, hint, "%s names no host", quoteURL(text))
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		v.add(variable, "end it before the ? or #", "%s has a query or a fragment, and paths are appended to it", quoteURL(text))
	}
}

// credential checks that there is exactly one of the four, and that it is usable.
func (v *validation) credential() {
	var given []string
	for _, c := range []struct {
		variable string
		set      bool
	}{
		{"DOMINO_API_KEY", !v.APIKey.IsZero()},
		{"DOMINO_API_KEY_FILE", v.APIKeyFile != ""},
		{"DOMINO_TOKEN", !v.Token.IsZero()},
		{"DOMINO_TOKEN_FILE", v.TokenFile != ""},
	} {
		if c.set {
			given = append(given, c.variable)
		}
	}
	switch {
	case len(given) == 0:
		v.add("DOMINO_API_KEY", "set one of DOMINO_API_KEY, DOMINO_API_KEY_FILE, DOMINO_TOKEN and DOMINO_TOKEN_FILE",
			"no credential is set, and this mode calls Domino")
	case len(given) > 1:
		v.add(given[0], "unset all but one", "%s are set together, and it is not known which one is meant", strings.Join(given, " and "))
	}
	for _, s := range []struct {
		variable string
		secret   Secret
	}{{"DOMINO_API_KEY", v.APIKey}, {"DOMINO_TOKEN", v.Token}} {
		if why := badCredential(s.secret.Reveal()); !s.secret.IsZero() && why != "" {
			v.add(s.variable, "give the key or token alone, on one line", "its value %s (it is not shown)", why)
		}
	}
	for _, f := range []struct{ variable, instead, path string }{
		{"DOMINO_API_KEY_FILE", "DOMINO_API_KEY", v.APIKeyFile},
		{"DOMINO_TOKEN_FILE", "DOMINO_TOKEN", v.TokenFile},
	} {
		if f.path == "" {
			continue
		}
		text, err := readFile(f.path)
		if err != nil {
			v.add(f.variable, "give the path of a file that this user can read; a key or token itself goes into "+f.instead,
				"%s cannot be read: %v", quotePath(f.path), err)
		} else if why := badCredential(strings.TrimSpace(string(text))); why != "" {
			v.add(f.variable, "write the key or token alone into the file, on one line", "the content of %s %s (it is not shown)", quotePath(f.path), why)
		}
	}
}

// badCredential says why a text cannot be sent as a key or token, without any of it, or nothing if it can.
func badCredential(text string) string {
	switch {
	case text == "":
		return "is empty"
	case strings.HasPrefix(strings.ToLower(text), "bearer "):
		return "begins with the word Bearer, which dmm adds itself"
	case strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "has white space or other characters in it that no key has"
	}
	return ""
}

// quotePath shows the path of a file with a secret in it, unless it may be the secret itself put into the wrong variable:
// it is a path if the folder it leads to is there.
func quotePath(path string) string {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); dir == "." || dir == "/" || err != nil || !info.IsDir() {
		return "the file it names (not shown, in case it is the secret)"
	}
	return quote(path)
}

// readFile reads a small file. Its errors do not repeat the path, which may be a secret by mistake.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		// A pipe would block, and what is read from it here would be missing later.
		return nil, errors.New("it is not a regular file")
	}
	if err == nil && info.Size() > largestFile {
		return nil, fmt.Errorf("it has %d bytes, more than any such file", info.Size())
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return nil, p.Err
	}
	return data, err
}

// RootCAs returns the system's roots and the certificates of DOMINO_CA_FILE, or nil, which means the system's roots, when
// that is not set. The error is a *[Fault].
func (c *Config) RootCAs() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	const hint = "give the path of a file of PEM certificates, of which each begins with -----BEGIN CERTIFICATE-----"
	pem, err := readFile(c.CAFile)
	if err != nil {
		return nil, fault("DOMINO_CA_FILE", hint, "%s cannot be read: %v", quote(c.CAFile), err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // an image without roots: what the file says is then all there is
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault("DOMINO_CA_FILE", hint, "%s holds no certificate", quote(c.CAFile))
	}
	return pool, nil
}

// store checks DMM_STORE and what depends on its kind.
func (v *validation) store() {
	scheme, _, _, err := v.StoreURL()
	if err != nil {
		v.faults = append(v.faults, err)
		return // what goes with a store that is not known cannot be told
	}
	v.serviceOf("DMM_S3_ENDPOINT", v.S3Endpoint, "https://minio.example.com:9000")
	v.serviceOf("DMM_GCS_ENDPOINT", v.GCSEndpoint, "https://storage.example.com")
	if strings.Contains(v.AzureEndpoint, ":") { // otherwise it is the name of a cloud
		v.serviceOf("DMM_AZURE_ENDPOINT", v.AzureEndpoint, "https://account.blob.core.windows.net")
	} else if v.AzureEndpoint != "" && !hostAndPort.MatchString(v.AzureEndpoint) {
		v.add("DMM_AZURE_ENDPOINT", "set it to the suffix of the cloud, such as core.usgovcloudapi.net, or to the URL of the account's blob service", "%s is neither", quoteURL(v.AzureEndpoint))
	}
	if v.AzureAccount != "" && !accountName.MatchString(v.AzureAccount) {
		v.add("DMM_AZURE_ACCOUNT", "give the name alone; a key goes into AZURE_STORAGE_KEY", "an account has 3 to 24 small letters and digits for a name (its value is not shown, in case it is the key)")
	}
	if v.DominoFile != "" {
		if _, err := readFile(v.DominoFile); err != nil {
			v.add("DMM_DOMINO_FILE", "give the path of the Domino resource as YAML or JSON, or of domino.yml", "%s cannot be read: %v", quote(v.DominoFile), err)
		}
	}
	if scheme != "file" && scheme != "mem" {
		if v.Lease > 0 && v.Lease < leastLease {
			v.add("DMM_LEASE", "set it to 30s or more", "%s is less than 30s with DMM_STORE=%s, so that a run held up by the network would be taken for dead", v.Lease, shown(scheme))
		}
		if v.Settle >= 0 && v.Settle < leastSettle {
			v.add("DMM_SETTLE", "set it to 80s or more", "%s is less than 80s with DMM_STORE=%s, so that a call that takes effect late could be missed", v.Settle, shown(scheme))
		}
	}
	for _, s := range []struct {
		variable string
		set      bool
		scheme   string
	}{
		{"DMM_S3_ENDPOINT", v.S3Endpoint != "", "s3"},
		{"DMM_S3_REGION", v.S3Region != "", "s3"},
		{"DMM_S3_PATH_STYLE", v.S3PathStyle != "" && v.S3PathStyle != "auto", "s3"},
		{"DMM_S3_KMS_KEY_ID", v.S3KMSKeyID != "", "s3"},
		{"DMM_AZURE_ACCOUNT", v.AzureAccount != "", "azblob"},
		{"DMM_AZURE_ENDPOINT", v.AzureEndpoint != "", "azblob"},
		{"DMM_GCS_ENDPOINT", v.GCSEndpoint != "", "gs"},
		{"DMM_DOMINO_FILE", v.DominoFile != "", "domino"},
	} {
		// What Domino backs up to may be any of them, and the Domino resource does not say all.
		if s.set && s.scheme != scheme && (scheme != "domino") {
			v.add(s.variable, "unset it, or set DMM_STORE to "+example(s.scheme), "it is not supported with DMM_STORE=%s", shown(scheme))
		}
	}
}

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// serviceOf checks the URL of a service if there is one.
func (v *validation) serviceOf(variable, text, like string) {
	if text != "" {
		v.serviceURL(variable, text, "set it to the URL of the service, such as "+like)
	}
}

// shown is a scheme as it stands in DMM_STORE.
func shown(scheme string) string {
	if scheme == "domino" {
		return scheme
	}
	return scheme + ":..."
}

func example(scheme string) string {
	if scheme == "domino" {
		return scheme
	}
	return scheme + "://" + bucketStores[scheme].bucket + "/prefix"
}

// warnings names settings that are allowed and seldom meant.
func (c *Config) warnings() []Warning {
	var out []Warning
	warn := func(variable, reason, hint string) {
		out = append(out, Warning{Variable: variable, Flag: settingOf(variable).Flag, Reason: reason, Hint: hint})
	}
	if c.SSLNoVerify {
		warn("DOMINO_SSL_NO_VERIFY", "certificates of Domino are not checked, and whoever stands in between can read the key", "set DOMINO_CA_FILE to the certificate of its authority")
	}
	if scheme, _, _, err := c.StoreURL(); err == nil && scheme == "mem" {
		warn("DMM_STORE", "nothing of a store in memory survives the end of this process, and no other process can see it", "set it to "+storeExample)
	}
	return out
}
