package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLoadEveryType(t *testing.T) {
	got, warnings, err := Load([]string{
		"DMM_MODE=snapshot",
		"DOMINO_HOSTNAME= https://domino.example.com// ",
		"DOMINO_API_KEY=k3y\n",
		"DOMINO_SSL_NO_VERIFY=TRUE",
		"DMM_KINDS=app, modelapi,,WORKSPACE ",
		"DMM_PROJECTS=jane/churn,joe/fraud",
		"DMM_CONCURRENCY=4",
		"DMM_LEASE=1m30s",
		"DMM_OUTPUT=JSON",
		`DMM_REASON=we said "stop", and \n meant it: 100% ` + "\x00\xff",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Variable != "DOMINO_SSL_NO_VERIFY" || warnings[0].Flag != "--domino-ssl-no-verify" {
		t.Errorf("warnings = %v, want one on DOMINO_SSL_NO_VERIFY", warnings)
	}
	want, _, _ := Load(nil, nil)
	want.Mode = "snapshot"
	want.Hostname = "https://domino.example.com"
	want.APIKey = NewSecret("k3y")
	want.SSLNoVerify = true
	want.Kinds = []string{"App", "ModelAPI", "Workspace"}
	want.Projects = []string{"jane/churn", "joe/fraud"}
	want.Concurrency = 4
	want.Lease = 90 * time.Second
	want.Output = "json"
	want.Reason = `we said "stop", and \n meant it: 100% ` + "\x00\xff"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
}

func TestLoadPrecedence(t *testing.T) {
	env := []string{"DMM_LEASE=5s", "DMM_KINDS=App", "DMM_DRY_RUN=true", "DMM_STORE=file:///env", "DMM_SIM_CONFIG=env.yaml"}
	for _, test := range []struct {
		name string
		env  []string
		args []string
		want func(*Config)
	}{
		{"default", nil, nil, func(*Config) {}},
		{"environment", env, nil, func(c *Config) {
			c.Lease, c.Kinds, c.DryRun, c.Store, c.SimConfig = 5*time.Second, []string{"App"}, true, "file:///env", "env.yaml"
		}},
		{"flag", env, []string{"--lease", "7s", "--kinds=workspace,app", "--kinds", "modelapi", "--dry-run=false", "--store", "file:///flag", "--config=flag.yaml"}, func(c *Config) {
			c.Lease, c.Kinds, c.Store, c.SimConfig = 7*time.Second, []string{"Workspace", "App", "ModelAPI"}, "file:///flag", "flag.yaml"
		}},
		{"flag equal to the default", env[:1], []string{"--lease=60s"}, func(*Config) {}},
		{"flag alone", nil, []string{"--dry-run"}, func(c *Config) { c.DryRun = true }},
		{"empty flag takes back", env, []string{"--lease=", "--kinds=", "--dry-run=", "--store=", "--config="}, func(*Config) {}},
		{"empty is unset", []string{"DMM_LEASE=", "DMM_KINDS=  ", "DMM_DRY_RUN=", "DMM_STORE=\n", "DMM_CONCURRENCY=", "DMM_SNAPSHOT="}, nil, func(*Config) {}},
		{"blanks around a flag", nil, []string{"--lease= 7s ", "--store= file:///flag"}, func(c *Config) { c.Lease, c.Store = 7*time.Second, "file:///flag" }},
		{"blank flag takes back", env, []string{"--lease= ", "--kinds= ", "--dry-run= ", "--store= ", "--config= "}, func(*Config) {}},
		{"list of nothing", []string{"DMM_KINDS= , ,"}, nil, func(*Config) {}},
		{"names without prefix", []string{"STORE=file:///a", "LEASE=1s", "Value=1s", "DMM_DMM_STORE=x"}, nil, func(*Config) {}},
		{"the first of two", []string{"DMM_LEASE=5s", "DMM_LEASE=6s"}, nil, func(c *Config) { c.Lease = 5 * time.Second }},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := Load(test.env, flags(t, test.args...))
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := Load(nil, nil)
			test.want(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Load (-want +got):\n%s", diff)
			}
		})
	}
}

// envconfig reads the environment of the process. What is injected must not be mixed with it.
func TestLoadDoesNotReadTheProcess(t *testing.T) {
	for _, name := range []string{"DMM_LEASE", "LEASE", "VALUE", "Value", "_VALUE"} {
		t.Setenv(name, "13s")
	}
	c, _, err := Load([]string{"DMM_SETTLE=90s"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Lease != time.Minute || c.Settle != 90*time.Second {
		t.Errorf("Lease, Settle = %v, %v, want 1m0s, 1m30s", c.Lease, c.Settle)
	}
}

func TestListFlagReplacesItsDefault(t *testing.T) {
	text := &flagText{kind: "list", text: "default"}
	for _, test := range []struct{ set, want string }{{"a", "a"}, {"b,c", "a,b,c"}} {
		if err := text.Set(test.set); err != nil || text.String() != test.want {
			t.Errorf("after %q: %q, %v, want %q", test.set, text, err, test.want)
		}
	}
}

func TestLoadFaults(t *testing.T) {
	c, _, err := Load(
		[]string{"DMM_LEASE=80", "DMM_CONCURRENCY=many", "DMM_DRY_RUN=yes", "DMM_SETTLE=never"},
		flags(t, "--max-failures=1.5", "--settle=3s"),
	)
	got := faults(t, err)
	want := []string{"DMM_DRY_RUN", "DMM_CONCURRENCY", "DMM_MAX_FAILURES", "DMM_LEASE"}
	if diff := cmp.Diff(want, variables(got)); diff != "" {
		t.Fatalf("faults (-want +got):\n%s", diff)
	}
	const line = `DMM_LEASE (--lease): "80" is not a duration; give a number with its unit, such as 80s, 10m, 1h30m or 90d`
	if got[3].Error() != line {
		t.Errorf("got  %s\nwant %s", got[3], line)
	}
	if c.Lease != time.Minute || c.Concurrency != 16 || c.DryRun || c.MaxFailures != 5 || c.Settle != 3*time.Second {
		t.Errorf("faulty settings have not their defaults, or good ones not their values: %+v", c)
	}
	if err := c.Validate(Needs{}); err != nil {
		t.Errorf("Validate repeats what Load said: %v", err)
	}
}

func TestDecodeTextsThatATagCannotHoldAsTheyAre(t *testing.T) {
	for _, text := range []string{`"`, `\`, "`", `a" default:"b`, "\x00", "\xff\xfe", "ü, 世界", "\n\t", `%q%!s(`, "$HOME", strings.Repeat(`\"`, 999)} {
		var got string
		if err := decode(reflect.ValueOf(&got).Elem(), text); err != nil || got != text {
			t.Errorf("decode %q = %q, %v", text, got, err)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	for _, test := range []struct {
		env  string
		hint string // "": no warning
	}{
		{"DMM_STROE=s3://b/p", "did you mean DMM_STORE?"},
		{"DMM_KIND=App", "did you mean DMM_KINDS?"},
		{"DMM_EXCLUDE_OWNER=jane", "did you mean DMM_EXCLUDE_OWNERS?"},
		{"DMM_S3_KMS_KEY=k", "did you mean DMM_S3_KMS_KEY_ID?"},
		{"DMM_STORE_=", "did you mean DMM_STORE?"},
		{"DMM_COMPLETELY_ELSE=1", "remove it, or look its name up in the reference of the settings"},
		{"DMM_HTTP_PORT=8080", "remove it, or look its name up in the reference of the settings"},
		{"DOMINO_APIKEY=x", "did you mean DOMINO_API_KEY?"},
		{"DOMINO_HOST_NAME=x", "did you mean DOMINO_HOSTNAME?"},
		// Settings.
		{"DMM_STORE=file:///a", ""},
		{"DOMINO_HOSTNAME=https://a", ""},
		// Domino's own.
		{"DOMINO_PROJECT_NAME=x", ""},
		{"DOMINO_USER_API_KEY=x", ""},
		{"DOMINO_API_HOST=x", ""},
		// A Service named dmm.
		{"DMM_PORT=tcp://10.0.0.7:80", ""},
		{"DMM_SERVICE_HOST=10.0.0.7", ""},
		{"DMM_SERVICE_PORT=80", ""},
		{"DMM_SERVICE_PORT_HTTP=80", ""},
		{"DMM_SERVICE_PORT_HTTP_METRICS=81", ""},
		{"DMM_PORT_80_TCP=tcp://10.0.0.7:80", ""},
		{"DMM_PORT_80_TCP_PROTO=tcp", ""},
		{"DMM_PORT_80_TCP_PORT=80", ""},
		{"DMM_PORT_80_TCP_ADDR=10.0.0.7", ""},
		{"DMM_PORT_53_UDP=udp://10.0.0.7:53", ""},
		// Services named dmm-redis and so on, which the platform has.
		{"DMM_REDIS_HA_SERVICE_HOST=10.0.0.8", ""},
		{"DMM_REDIS_HA_PORT=tcp://10.0.0.8:6379", ""},
		{"DMM_REDIS_HA_PORT_6379_TCP_ADDR=10.0.0.8", ""},
		// Others'.
		{"PATH=/bin", ""},
		{"XDMM_STORE=x", ""},
		{"dmm_store=x", ""},
	} {
		c, got, err := Load([]string{test.env}, nil)
		if err != nil {
			t.Errorf("%s: %v", test.env, err)
		}
		name, value, _ := strings.Cut(test.env, "=")
		var want []Warning
		if test.hint != "" {
			want = []Warning{{Variable: name, Reason: "no setting has this name, it is ignored", Hint: test.hint}}
			if value != "" && len(got) == 1 && strings.Contains(got[0].String(), value) {
				t.Errorf("%s: %q shows the value", name, got[0])
			}
			if none, _, _ := Load(nil, nil); !cmp.Equal(none, c) {
				t.Errorf("%s: it had an effect: %s", name, cmp.Diff(none, c))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", test.env, diff)
		}
	}
}

func TestUnknownVariablesAreSorted(t *testing.T) {
	_, got, _ := Load([]string{"DMM_ZZZZZZZZ=1", "DMM_AAAAAAAA=1", "DMM_STORE=mem:", "DMM_MMMMMMMM=1"}, nil)
	var names []string
	for _, w := range got {
		names = append(names, w.Variable)
	}
	want := []string{"DMM_AAAAAAAA", "DMM_MMMMMMMM", "DMM_ZZZZZZZZ", "DMM_STORE"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestEdits(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := edits(test.a, test.b); got != test.want {
			t.Errorf("edits(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

// Ages of records are counted in days, for which Go has no unit.
func TestADurationMayHaveDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "36h": 36 * time.Hour, "2d30m": 48*time.Hour + 30*time.Minute,
	} {
		c, _, err := Load([]string{"DMM_KEEP_WITHIN=" + text}, nil)
		if err != nil || c.KeepWithin != want {
			t.Errorf("%s is %s, %v; want %s", text, c.KeepWithin, err, want)
		}
	}
	for _, text := range []string{"d", "90 d", "1.5d", "9d9", "12h1d", "99999999999d", "200000d"} {
		if c, _, err := Load([]string{"DMM_KEEP_WITHIN=" + text}, nil); err == nil {
			t.Errorf("%s is %s, want a fault", text, c.KeepWithin)
		}
	}
	c, _, err := Load([]string{"DMM_KEEP_WITHIN=-1d"}, nil)
	if err != nil || c.Validate(Needs{}) == nil {
		t.Errorf("-1d is %s, %v; want one that is refused", c.KeepWithin, err)
	}
}
