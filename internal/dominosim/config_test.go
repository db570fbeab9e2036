package dominosim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sim.yaml")
	text := `
profile: "6.2"
seed: 42
latency: 40ms
startTime: 1m30s
listLag: 40s
adminMayStartWorkspaces: false
apps: 3
faults:
  - {path: "/v4/modelProducts/{id}/stop", kind: slow, delay: 5s, times: -1}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Profile != "6.2" || c.Seed != 42 || c.Latency != 40*time.Millisecond || c.StartTime != 90*time.Second || c.ListLag != 40*time.Second ||
		*c.AdminMayStartWorkspaces || c.Apps != 3 || len(c.Faults) != 1 || c.Faults[0].Delay != 5*time.Second || c.Faults[0].Times != -1 {
		t.Errorf("config = %+v", c)
	}
	New(c)
}

func TestConfigNamesItsErrors(t *testing.T) {
	for text, want := range map[string]string{
		"latncy: 40ms":                     "latncy",
		"latency: 40":                      "40s",
		"latency: fast":                    `"fast"`,
		"apps: many":                       "apps",
		"seed: 1\nseed: 2":                 "seed",
		"profile: '7.0'":                   "want one of 4.4, 5.5, 5.7, 5.9, 5.10, 5.11, 6.0, 6.1, 6.2, 6.3",
		"apps: -1":                         "apps -1",
		"stoppedFraction: 2":               "stoppedFraction",
		"faults: [{kind: explode}]":        `faults[0]: kind "explode"`,
		"faults: [{kind: drop, path: ^(}]": "faults[0]: path",
		"faults: [{kind: drop, pth: x}]":   "pth",
		"listLag: -1s\ncapacity: -2":       "capacity -2",
	} {
		_, err := ParseConfig([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error = %v, want it to name %s", text, err, want)
		}
	}
	if _, err := LoadConfig(filepath.Join(t.TempDir(), "absent.yaml")); err == nil {
		t.Error("absent file: no error")
	}
}
