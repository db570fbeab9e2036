package chart_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

//go:generate go test . -run ^(TestSettingsOfTheChart|TestReadme)$ -update

var update = flag.Bool("update", false, "write the parts of the chart that are made from internal/config instead of comparing with them")

// Settings that no key of "settings" has, and how they are reached instead.
var elsewhere = map[string]string{
	"DMM_WEBHOOK_URL":        "webhook, from a Secret",
	"DMM_MODE":               "mode, hooks and cronJobs: the container's argument",
	"DMM_DEADLINE":           "deadline, from which the deadline of the Job follows",
	"DMM_REFUSE_OPEN":        "hooks.preDelete",
	"DMM_INTENT":             "hooks.intent",
	"DOMINO_HOSTNAME":        "domino.url",
	"DOMINO_API_KEY":         "domino.credentials, always as a file",
	"DOMINO_API_KEY_FILE":    "domino.credentials",
	"DOMINO_TOKEN":           "domino.credentials, always as a file",
	"DOMINO_TOKEN_FILE":      "domino.credentials",
	"DOMINO_CA_FILE":         "ca",
	"DMM_JOURNAL_KEY_FILE":   "journalKey",
	"DMM_STORE":              "store",
	"DMM_KUBERNETES":         "kubernetes.enabled",
	"DMM_COMPUTE_NAMESPACES": "kubernetes.computeNamespaces",
	"DMM_OPERATOR_NAMESPACE": "kubernetes.operatorNamespace",
}

const chart = "../../charts/dmm"

// keyOf is the key of a setting in the chart's values: DMM_GRACE_PERIOD is gracePeriod, DOMINO_SSL_NO_VERIFY is sslNoVerify, and
// DMM_DOMINO_FILE is dominoFile.
func keyOf(variable string) string {
	if variable == "DMM_YES" {
		return "confirm" // "yes" is a truth value to YAML
	}
	name, ok := strings.CutPrefix(variable, "DMM_")
	if !ok {
		name = strings.TrimPrefix(variable, "DOMINO_")
	}
	parts := strings.Split(name, "_")
	for i, p := range parts {
		parts[i] = strings.ToLower(p)
		if i > 0 {
			parts[i] = p[:1] + strings.ToLower(p[1:])
		}
	}
	return strings.Join(parts, "")
}

// inValues reports whether a setting has a key in the chart's values. The simulator's have none.
func inValues(s config.Setting) bool {
	return elsewhere[s.Variable] == "" && s.Group != "simulate"
}

// runModes are the modes that the chart runs: those that need a Domino or a store.
func runModes() []string {
	var names []string
	for _, m := range modes.All() {
		if m.Needs != (config.Needs{}) {
			names = append(names, m.Name)
		}
	}
	return names
}

// Every setting is within reach of the chart's values, and the chart knows no other.
func TestSettingsOfTheChart(t *testing.T) {
	var values, variables strings.Builder
	values.WriteString("settings:\n")
	properties := map[string]any{}
	known := map[string]bool{}
	for _, s := range config.Settings() {
		known[s.Variable] = true
		if !inValues(s) {
			continue
		}
		if s.Type == "secret" {
			t.Errorf("%s is a secret: what is in values is in the release, so that it needs a value that names a Secret", s.Variable)
		}
		key := keyOf(s.Variable)
		if properties[key] != nil {
			t.Errorf("%s has the key %s, which another setting has too", s.Variable, key)
		}
		doc := strings.NewReplacer("'", "`", "<", "&lt;", " --", "` `--").Replace(s.Doc)
		standard := ""
		if s.Default != "" {
			standard = " dmm's own default is `" + s.Default + "`."
		}
		fmt.Fprintf(&values, "  # -- (%s) %s%s (%s)\n  %s: null\n", schemaType(s), doc, standard, s.Variable, key)
		fmt.Fprintf(&variables, "%s: %s\n", key, s.Variable)
		properties[key] = schemaOf(s)
	}
	for variable := range elsewhere {
		if !known[variable] {
			t.Errorf("%s is said to be reached elsewhere, and is no setting", variable)
		}
	}

	part(t, chart+"/values.yaml", "# BEGIN SETTINGS\n", "# END SETTINGS\n", values.String())
	whole(t, chart+"/templates/_settings.tpl", `{{/* Made from internal/config and internal/modes by "go generate ./test/chart". */}}

{{/* Which variable a key of settings is. */}}
{{- define "dmm.settingVariables" -}}
`+variables.String()+`{{- end -}}

{{/* The modes that need a Domino or a store. */}}
{{- define "dmm.modes" -}}
`+list(runModes())+`{{- end -}}
`)

	var schema map[string]any
	text := read(t, chart+"/values.schema.json")
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	top := schema["properties"].(map[string]any)
	settings := top["settings"].(map[string]any)
	settings["properties"] = properties
	top["mode"].(map[string]any)["enum"] = append([]string{""}, runModes()...)
	made, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	whole(t, chart+"/values.schema.json", string(made)+"\n")
}

// The chart's README is made from its values by helm-docs.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs("../../charts")
	if err != nil {
		t.Fatal(err)
	}
	// What go says while it downloads and builds is not helm-docs' word: it is built first, and then run by itself.
	build := exec.CommandContext(t.Context(), "go", "tool", "-n", "-modfile=../../scripts/tools/helm-docs/go.mod", "helm-docs")
	cmd := exec.CommandContext(t.Context(), strings.TrimSpace(output(t, build)),
		"--chart-search-root", root, "--sort-values-order", "file", "--log-level", "warning", "--dry-run")
	var warnings bytes.Buffer
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Fatalf("helm-docs: %v\n%s", err, &warnings)
	}
	text := strings.TrimSpace(string(out)) + "\n"
	whole(t, chart+"/README.md", text)
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "| ") && strings.HasSuffix(line, "|  |") {
			t.Errorf("a value without a word on it: %s", line)
		}
	}
}

// output is what a command says on standard output. What it says beside that matters only if it fails.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	return string(out)
}

// The runbook says of every exit code what to do.
func TestRunbook(t *testing.T) {
	codes := func(file, heading string) []string {
		_, section, ok := strings.Cut(read(t, file), heading)
		if !ok {
			t.Fatalf("%s has no section %q", file, heading)
		}
		var codes []string
		for _, line := range strings.Split(section, "\n") {
			cells := strings.Split(line, "|")
			if len(cells) < 4 {
				continue
			}
			if _, err := strconv.Atoi(strings.TrimSpace(cells[1])); err == nil {
				codes = append(codes, strings.TrimSpace(cells[1]))
			}
		}
		return codes
	}
	want, got := codes("../../docs/reference.md", "## Exit codes"), codes("../../docs/kubernetes.md", "## Runbook: exit codes")
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 9 {
		t.Errorf("docs/kubernetes.md (-reference +runbook):\n%s", diff)
	}
}

func list(names []string) string { return "- " + strings.Join(names, "\n- ") + "\n" }

func schemaType(s config.Setting) string {
	switch s.Type {
	case "list", "bool", "int":
		return s.Type
	}
	return "string"
}

func schemaOf(s config.Setting) map[string]any {
	switch {
	case s.Type == "bool":
		return map[string]any{"type": []string{"boolean", "null"}}
	case s.Type == "int":
		return map[string]any{"type": []string{"integer", "null"}, "minimum": 0}
	case s.Type == "duration":
		text := map[string]any{"type": "string", "pattern": `^(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d))+)$`}
		return map[string]any{"anyOf": []any{text, map[string]any{"enum": []any{0, nil}}}}
	case s.Type == "list" && s.Values != nil:
		return map[string]any{"type": []string{"array", "null"}, "items": map[string]any{"type": "string", "enum": s.Values}}
	case s.Type == "list":
		return map[string]any{"type": []string{"array", "null"}, "items": map[string]any{"type": "string", "minLength": 1}}
	case slices.Equal(s.Values, []string{"auto", "true", "false"}):
		return map[string]any{"enum": []any{"auto", "true", "false", true, false, nil}}
	case s.Values != nil:
		enum := []any{nil}
		for _, v := range s.Values {
			enum = append(enum, v)
		}
		return map[string]any{"enum": enum}
	}
	return map[string]any{"type": []string{"string", "null"}}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// whole compares a file with what it should be, or writes it.
func whole(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the settings say; run go generate ./test/chart (-settings +file):\n%s", path, diff)
	}
}

// part is whole for what stands between two lines.
func part(t *testing.T, path, begin, end, want string) {
	t.Helper()
	text := read(t, path)
	head, rest, ok := strings.Cut(text, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no lines %q and %q", path, begin, end)
	}
	whole(t, path, head+begin+want+end+tail)
}
