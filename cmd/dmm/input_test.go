package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// Settings that will not do end with 2, before anybody is called.
func TestFaultsOfTheSettingsAreUsage(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	for name, c := range map[string]struct {
		environ []string
		args    []string
		want    []string
	}{
		"no hostname":                     {s.without("DOMINO_HOSTNAME"), []string{"snapshot"}, []string{"DOMINO_HOSTNAME (--domino-hostname): it is not set", "https://domino.example.com"}},
		"a hostname without scheme":       {s.with("DOMINO_HOSTNAME=domino.example.com"), []string{"shutdown"}, []string{"DOMINO_HOSTNAME", "has no scheme", "set it to https://domino.example.com"}},
		"no credential":                   {s.without("DOMINO_API_KEY"), []string{"restore"}, []string{"DOMINO_API_KEY", "no credential is set"}},
		"two credentials at once":         {s.with("DOMINO_TOKEN=" + token), []string{"snapshot"}, []string{"DOMINO_API_KEY and DOMINO_TOKEN are set together", "unset all but one"}},
		"a key file that cannot be read":  {append(s.without("DOMINO_API_KEY"), "DOMINO_API_KEY_FILE="+s.folder+"/absent/key"), []string{"snapshot"}, []string{"DOMINO_API_KEY_FILE", "cannot be read", "no such file"}},
		"no store":                        {s.without("DMM_STORE"), []string{"status"}, []string{"DMM_STORE (--store): it is not set"}},
		"a store of another tool":         {s.with("DMM_STORE=gcs://bucket"), []string{"status"}, []string{"DMM_STORE", "which other tools have"}},
		"an unknown mode as argument":     {s.env, []string{"shutdwn"}, []string{`unknown mode "shutdwn"`, "did you mean shutdown?"}},
		"a mode like no other":            {s.env, []string{"frobnicate"}, []string{`unknown mode "frobnicate"`, "the modes are check, snapshot, shutdown, restore"}},
		"an unknown mode in DMM_MODE":     {s.with("DMM_MODE=restor"), nil, []string{"DMM_MODE", `unknown mode "restor"`, "did you mean restore?"}},
		"no mode":                         {s.env, nil, []string{"no mode: name one as argument or in DMM_MODE"}},
		"an unknown flag":                 {s.env, []string{"snapshot", "--stroe", "mem:"}, []string{"unknown flag: --stroe"}},
		"an argument too many":            {s.env, []string{"snapshot", "now"}, []string{"now"}},
		"a value that does not parse":     {s.with("DMM_LEASE=soon"), []string{"shutdown"}, []string{"DMM_LEASE", `"soon" is not a duration`}},
		"close without a reason":          {s.env, []string{"close"}, []string{"DMM_REASON (--reason)", "dmm close --reason"}},
		"a lease too short for a network": {s.with("DMM_STORE=s3://bucket"), []string{"shutdown"}, []string{"DMM_LEASE", "30s", "DMM_SETTLE", "80s"}},
	} {
		t.Run(name, func(t *testing.T) {
			dmm(t, c.environ, c.args...).want(t, exitUsage, c.want...)
		})
	}
	if n := len(s.sim.Ledger().Requests()); n > 0 {
		t.Errorf("Domino was called %d times", n)
	}
	if keys := s.objects(); len(keys) > 0 {
		t.Errorf("the store holds %q", keys)
	}
}

// Whoever mends one fault is not to find the next one only then.
func TestAllFaultsAreNamedInOneGo(t *testing.T) {
	t.Parallel()
	o := dmm(t, []string{
		"DMM_MODE=snapshot", "DOMINO_HOSTNAME=domino.example.com", "DOMINO_API_KEY=" + userKey, "DOMINO_TOKEN=" + token,
		"DOMINO_API_KEY_FILE=" + filepath.Join(t.TempDir(), "absent"), "DMM_STORE=azure://container",
		"DMM_CONCURRENCY=0", "DMM_LEASE=soon", "DMM_KINDS=Appp", "DMM_OUTPUT=xml",
	})
	o.want(t, exitUsage)
	if o.stdout != "" {
		t.Errorf("standard output has %q, want nothing", o.stdout)
	}
	for _, variable := range []string{
		"DOMINO_HOSTNAME", "DOMINO_API_KEY and DOMINO_API_KEY_FILE and DOMINO_TOKEN", "DOMINO_API_KEY_FILE (", "DMM_STORE", "DMM_CONCURRENCY",
		"DMM_LEASE", "DMM_KINDS", "DMM_OUTPUT",
	} {
		if !strings.Contains(o.stderr, variable) {
			t.Errorf("%s is not named in:\n%s", variable, o.stderr)
		}
	}
	for line := range strings.Lines(o.stderr) {
		if !strings.HasPrefix(line, "dmm: ") {
			t.Errorf("line %q does not say who speaks", line)
		}
	}
}

// A key that Domino does not know is found out before anything is touched.
func TestAWrongKeyEndsWith6(t *testing.T) {
	for _, mode := range []string{"snapshot", "shutdown", "restore"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, quick())
			o := dmm(t, s.with("DOMINO_API_KEY="+userKey), mode)
			o.want(t, exitCredentials, "Next: give an administrator's key or token, then dmm "+mode)
			s.wantNothingTouched()
			if keys := s.objects(); len(keys) > 0 {
				t.Errorf("the store holds %q", keys)
			}
		})
	}
}

// A key of somebody who may not see everything gives a snapshot that says so.
func TestAUsersKeyGivesAnIncompleteSnapshot(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	if err := s.sim.AddKey(userKey, s.sim.Users()[1]); err != nil {
		t.Fatal(err)
	}
	dmm(t, s.with("DOMINO_API_KEY="+userKey), "snapshot").want(t, exitPartial, "NOT complete", "is no administrator", "Next: mend what is said above and run dmm snapshot again")
	s.dmm("shutdown").want(t, exitRefused, "is not complete", "--allow-incomplete")
	s.wantNothingTouched()
}

// A token, and both from a file, are as good as a key.
func TestEachKindOfCredentialIsTaken(t *testing.T) {
	t.Parallel()
	c := quick()
	c.APIKey, c.Token = dominosim.DefaultAPIKey, token
	s := newSite(t, c)
	bare := s.without("DOMINO_API_KEY")
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "credential")
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, credential := range []string{
		"DOMINO_API_KEY=" + dominosim.DefaultAPIKey, "DOMINO_API_KEY_FILE=" + file(dominosim.DefaultAPIKey),
		"DOMINO_TOKEN=" + token, "DOMINO_TOKEN_FILE=" + file(token),
	} {
		dmm(t, append([]string{credential}, bare...), "snapshot", "--dry-run").want(t, exitDone, "Dry run, nothing is written")
	}
}

// Nobody answers: that may pass, and what was tried is said.
func TestAnUnreachableDominoEndsWith1(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	url := closedPort(t)
	o := dmm(t, s.with("DOMINO_HOSTNAME="+url), "snapshot")
	o.want(t, exitFailed, "reach Domino", "GET /version", strings.TrimPrefix(url, "http://"), "connection refused",
		"Next: check DOMINO_HOSTNAME and that Domino is up, then dmm snapshot")
	if keys := s.objects(); len(keys) > 0 {
		t.Errorf("the store holds %q", keys)
	}
}

// "Could not look" is never "not found": a store that does not answer, or has no such
// bucket, ends with 1 in every mode, and never with 5.
func TestAStoreThatCannotBeAskedEndsWith1(t *testing.T) {
	noBucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><BucketName>backups</BucketName></Error>`))
	}))
	t.Cleanup(noBucket.Close)
	unreachable := closedPort(t)
	for name, c := range map[string]struct {
		endpoint, want string
		modes          []string
	}{
		"unreachable":    {unreachable, "connection refused", []string{"snapshot", "restore", "status"}}, // fewer: each has its retries
		"no such bucket": {noBucket.URL, `the bucket "backups" does not exist at ` + noBucket.URL, []string{"snapshot", "shutdown", "restore", "status", "close"}},
	} {
		for _, mode := range c.modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, quick())
				o := dmm(t, s.with("DMM_STORE=s3://backups/dmm", "DMM_S3_ENDPOINT="+c.endpoint, "DMM_LEASE=60s", "DMM_SETTLE=80s", "DMM_REASON=given up"), mode)
				o.want(t, exitFailed, c.want, "Next: ")
				s.wantNothingTouched()
			})
		}
	}
}

// The folder of a file: store has to be there: a volume that was not mounted is not an
// empty store.
func TestAMissingFolderIsNotAnEmptyStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	for _, mode := range []string{"restore", "status"} {
		dmm(t, s.with("DMM_STORE=file://"+s.folder+"/not/mounted"), mode).want(t, exitFailed, s.folder+"/not/mounted")
	}
}

// A certificate that is not trusted does not become so by trying again: 2, with the way out.
func TestACertificateThatIsNotTrustedIsUsage(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	server := httptest.NewTLSServer(s.sim.Handler())
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	env := s.with("DOMINO_HOSTNAME=" + server.URL)
	dmm(t, env, "snapshot").want(t, exitUsage, "certificate", "Next: name the CA's certificate in DOMINO_CA_FILE")
	if n := len(s.sim.Ledger().Requests()); n > 0 {
		t.Errorf("%d requests, the key among them, went to a server that is not trusted", n)
	}
	dmm(t, append(env, "DOMINO_CA_FILE="+ca), "snapshot").want(t, exitDone, "is written")
	dmm(t, append(env, "DOMINO_SSL_NO_VERIFY=true"), "snapshot").want(t, exitDone, "DOMINO_SSL_NO_VERIFY")
	dmm(t, append(env, "DOMINO_CA_FILE="+os.DevNull), "snapshot").want(t, exitUsage, "DOMINO_CA_FILE")
}
