package domino

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// compact is a JSON text with its keys in order and its numbers as written.
func compact(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	o, err := object(mustFields(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func mustFields(t testing.TB, raw json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	o, err := fieldsOf(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return o
}

func TestUpdateOf(t *testing.T) {
	for _, tt := range []struct{ name, definition, want string }{
		{"5.5: flat, with fields of its own",
			`{"id":"s","created":"2020","projectId":"p","title":"T","isPaused":false,"hardwareTierName":"S","scheduledByUserName":"u","scheduledByUserId":"1",
			  "publishAfterCompleted":true,"datasetConfig":"d","schedule":{"cronString":"0 0 3 * * ?","isCustom":true,"humanReadableCronString":"daily"}}`,
			`{"datasetConfig":"d","isPaused":true,"publishAfterCompleted":true,"schedule":{"cronString":"0 0 3 * * ?","isCustom":true},"scheduledByUserId":"1","title":"T"}`},
		{"5.7: snapshot flag at the top",
			`{"title":"T","isPaused":false,"snapshotDatasetsOnCompletion":true,"datasetConfig":null}`,
			`{"datasetConfig":null,"isPaused":true,"snapshotDatasetsOnCompletion":true,"title":"T"}`},
		{"5.9: dataConfig moves up",
			`{"title":"T","isPaused":false,"dataConfig":{"datasetConfig":"d","snapshotDatasetsOnCompletion":true,"externalVolumeMounts":["v1","v2"]}}`,
			`{"datasetConfig":"d","externalVolumeMounts":["v1","v2"],"isPaused":true,"snapshotDatasetsOnCompletion":true,"title":"T"}`},
		{"6.2: all five, and the nested value counts",
			`{"title":"T","isPaused":false,"externalVolumeMounts":["stale"],"dataConfig":{"datasetConfig":null,"snapshotDatasetsOnCompletion":true,
			  "snapshotNetAppVolumesOnCompletion":true,"externalVolumeMounts":["v"],"netAppVolumeIds":["n"]}}`,
			`{"datasetConfig":null,"externalVolumeMounts":["v"],"isPaused":true,"netAppVolumeIds":["n"],"snapshotDatasetsOnCompletion":true,"snapshotNetAppVolumesOnCompletion":true,"title":"T"}`},
		{"fields that nobody knows yet",
			`{"title":"T","future":{"id":"kept","n":1.50},"dataConfig":{"moreVolumes":["x"],"future":"not over the top one"}}`,
			`{"future":{"id":"kept","n":1.50},"isPaused":true,"moreVolumes":["x"],"title":"T"}`},
		{"numbers and text as written",
			`{"volumeSpecificationOverride":{"size":{"value":10.0,"big":12345678901234567890123,"e":1E+2}},"command":"run <a> && é \u003c","dataConfig":null,"schedule":null}`,
			`{"command":"run <a> && é \u003c","isPaused":true,"schedule":null,"volumeSpecificationOverride":{"size":{"value":10.0,"big":12345678901234567890123,"e":1E+2}}}`},
		{"paused already", `{"isPaused":true}`, `{"isPaused":true}`},
		{"union of environmentRevisionSpec", `{"environmentRevisionSpec":{"revisionId":"r"}}`, `{"environmentRevisionSpec":{"revisionId":"r"},"isPaused":true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := bytes.Clone([]byte(tt.definition))
			got, err := UpdateOf([]byte(tt.definition), true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, compact(t, got)); diff != "" {
				t.Errorf("update (-want +got):\n%s", diff)
			}
			again, err := UpdateOf([]byte(tt.definition), false)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(tt.want, `"isPaused":true`, `"isPaused":false`, 1); compact(t, again) != want {
				t.Errorf("update to run = %s, want %s", again, want)
			}
			if !bytes.Equal(before, []byte(tt.definition)) {
				t.Error("the definition itself was changed")
			}
			if diff := SameSchedule([]byte(tt.definition), got); diff != nil {
				t.Errorf("SameSchedule of a definition and its update = %v, want no difference", diff)
			}
		})
	}
}

// The example PUT body of api.md §12 in our own ids, made of the example of its GET.
func TestUpdateOfTheFixture(t *testing.T) {
	var list []json.RawMessage
	if err := json.Unmarshal(fixture(t, "scheduled_jobs.json"), &list); err != nil {
		t.Fatal(err)
	}
	got, err := UpdateOf(list[0], true)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"allowConcurrentExecution":false,"command":"nightly.py --all <today>","environmentRevisionSpec":"ActiveRevision",` +
		`"hardwareTierIdentifier":"small-k8s","isPaused":true,"notifyOnCompleteEmailAddresses":[],"overrideEnvironmentId":"5f0000000000000000000e01",` +
		`"schedule":{"cronString":"0 0 3 * * ?","isCustom":false},"scheduledByUserId":"5f00000000000000000000a2","snapshotDatasetsOnCompletion":false,` +
		`"snapshotNetAppVolumesOnCompletion":false,"timezoneId":"Europe/Amsterdam","title":"Nightly","volumeSpecificationOverride":{"size":{"value":10,"unit":"GiB"}}}`
	if diff := cmp.Diff(want, compact(t, got)); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}
}

func TestUpdateOfRefuses(t *testing.T) {
	for _, definition := range []string{"", "null", "[]", "5", `"x"`, "{", `{"dataConfig":[]}`, `{"dataConfig":"x"}`, `{"schedule":"daily"}`, `{} {}`} {
		if got, err := UpdateOf([]byte(definition), true); err == nil {
			t.Errorf("UpdateOf(%s) = %s, want an error", definition, got)
		}
	}
}

func TestSameSchedule(t *testing.T) {
	const a = `{"id":"1","title":"T","isPaused":false,"hardwareTierName":"Small","schedule":{"cronString":"0 0 3 * * ?","isCustom":false,"humanReadableCronString":"x"},
		"notifyOnCompleteEmailAddresses":["a@x","b@x"],"dataConfig":{"externalVolumeMounts":["v1","v2"],"snapshotDatasetsOnCompletion":true},
		"volumeSpecificationOverride":{"size":{"value":10,"unit":"GiB"}},"mainRepoGitRef":null}`
	for _, tt := range []struct {
		name, b string
		want    []string
	}{
		{"itself", a, nil},
		{"as written, in another order, with another number", `{"volumeSpecificationOverride":{"size":{"unit":"GiB","value":10.0}},"isPaused":true,
			"externalVolumeMounts":["v2","v1"],"netAppVolumeIds":[],"snapshotDatasetsOnCompletion":true,"notifyOnCompleteEmailAddresses":["b@x","a@x"],
			"schedule":{"isCustom":false,"cronString":"0 0 3 * * ?"},"title":"T"}`, nil},
		{"volumes lost", strings.Replace(a, `"externalVolumeMounts":["v1","v2"],`, "", 1), []string{"externalVolumeMounts"}},
		{"a volume lost", strings.Replace(a, `["v1","v2"]`, `["v1"]`, 1), []string{"externalVolumeMounts"}},
		{"flag reset", strings.Replace(a, `"snapshotDatasetsOnCompletion":true`, `"snapshotDatasetsOnCompletion":false`, 1), []string{"snapshotDatasetsOnCompletion"}},
		{"cron edited", strings.Replace(a, "0 0 3", "0 0 4", 1), []string{"schedule.cronString"}},
		{"number edited", strings.Replace(a, `"value":10,`, `"value":11,`, 1), []string{"volumeSpecificationOverride.size.value"}},
		{"new field", strings.Replace(a, `"title":"T"`, `"title":"T","capacityType":"spot"`, 1), []string{"capacityType"}},
		{"two", strings.Replace(strings.Replace(a, `"title":"T"`, `"title":"U"`, 1), `"value":10,`, `"value":"10",`, 1), []string{"title", "volumeSpecificationOverride.size.value"}},
		{"another kind of value", strings.Replace(a, `"title":"T"`, `"title":{"T":1}`, 1), []string{"title"}},
		{"no schedule at all", `[]`, []string{"(not a schedule)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, SameSchedule([]byte(a), []byte(tt.b))); diff != "" {
				t.Errorf("difference (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, SameSchedule([]byte(tt.b), []byte(a))); diff != "" {
				t.Errorf("the other way round (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSameNumbers(t *testing.T) {
	for _, same := range [][]json.Number{{"10", "10.0", "1e1", "1E+1", "100e-1", "1.0e1"}, {"0", "-0", "0.00", "0e9"}, {"-1.5", "-15e-1"}, {"1e999999999", "10e999999998"}} {
		for _, a := range same {
			for _, b := range same {
				if !sameNumber(a, b) {
					t.Errorf("%s and %s differ", a, b)
				}
			}
		}
	}
	for _, other := range [][2]json.Number{{"1", "-1"}, {"1", "10"}, {"1.5", "15"}, {"12345678901234567890", "12345678901234567891"}, {"1e99999999999999999999", "1e99999999999999999998"}} {
		if sameNumber(other[0], other[1]) {
			t.Errorf("%s and %s are the same", other[0], other[1])
		}
	}
}

// values is the fields of raw as values that can be compared.
func values(t testing.TB, raw json.RawMessage) map[string]any {
	t.Helper()
	out := map[string]any{}
	for name, v := range mustFields(t, raw) {
		out[name] = decoded(v)
	}
	return out
}

func FuzzUpdateOf(f *testing.F) {
	f.Add([]byte(`{"title":"T","isPaused":false,"dataConfig":{"externalVolumeMounts":["v"]},"schedule":{"cronString":"c","humanReadableCronString":"h"}}`))
	f.Add([]byte(`{"a":1.50,"b":12345678901234567890,"dataConfig":{"a":2},"id":"x"}`))
	f.Add([]byte(`{"dataConfig":null,"isPaused":null}`))
	f.Add([]byte(`{"externalVolumeMounts":[1],"dataConfig":{"externalVolumeMounts":null}}`))
	f.Fuzz(func(t *testing.T, definition []byte) {
		got, err := UpdateOf(definition, true)
		if err != nil {
			return
		}
		in, out := values(t, definition), values(t, got)
		nested := map[string]any{}
		if raw, ok := mustFields(t, definition)["dataConfig"]; ok && !isNull(raw) {
			nested = values(t, raw)
		}
		if out["isPaused"] != true {
			t.Errorf("isPaused = %v", out["isPaused"])
		}
		for name := range out {
			if name == "dataConfig" && nested["dataConfig"] == nil || slices.Contains(readOnlyFields, name) {
				t.Errorf("field %s was kept", name)
			}
		}
		// Nothing else was lost or changed.
		for name, v := range in {
			if name == "isPaused" || name == "dataConfig" || name == "schedule" || slices.Contains(readOnlyFields, name) {
				continue
			}
			if _, moved := nested[name]; moved && slices.Contains(nestedFields, name) {
				continue
			}
			if diff := cmp.Diff(v, out[name]); diff != "" {
				t.Errorf("field %s (-in +out):\n%s", name, diff)
			}
		}
		for _, name := range nestedFields {
			if v, ok := nested[name]; ok {
				if diff := cmp.Diff(v, out[name]); diff != "" {
					t.Errorf("nested field %s (-in +out):\n%s", name, diff)
				}
			}
		}
		// And nothing was invented.
		for name := range out {
			_, own := in[name]
			_, moved := nested[name]
			if !own && !moved && name != "isPaused" {
				t.Errorf("field %s was invented", name)
			}
		}
		again, err := UpdateOf(got, true)
		if err != nil {
			t.Fatalf("update of an update: %v", err)
		}
		if diff := cmp.Diff(out, values(t, again)); diff != "" {
			t.Errorf("update of an update (-once +twice):\n%s", diff)
		}
		if diff := SameSchedule(definition, got); diff != nil {
			t.Errorf("SameSchedule = %v", diff)
		}
	})
}

func FuzzSameSchedule(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"externalVolumeMounts":["x","y"]}`), []byte(`{"a":[1.0,{}],"externalVolumeMounts":["y","x"]}`))
	f.Add([]byte(`{"a":1e400}`), []byte(`{"a":{"a":[]}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if diff := SameSchedule(a, a); diff != nil {
			t.Errorf("a differs from itself: %v", diff)
		}
		if x, y := SameSchedule(a, b), SameSchedule(b, a); !slices.Equal(x, y) {
			t.Errorf("a to b %v, b to a %v", x, y)
		}
	})
}

func TestReadOnlyFieldsDoNotReachDomino(t *testing.T) {
	// The two lists must not overlap: what is moved up must stay.
	for _, name := range nestedFields {
		if slices.Contains(readOnlyFields, name) {
			t.Errorf("%s is both moved up and left out", name)
		}
	}
	all := map[string]string{}
	for _, name := range readOnlyFields {
		all[name] = "x"
	}
	raw, _ := json.Marshal(all)
	got, err := UpdateOf(raw, false)
	if err != nil || len(mustFields(t, got)) != 1 {
		t.Errorf("UpdateOf(%v) = %s, %v, want isPaused alone", slices.Sorted(maps.Keys(all)), got, err)
	}
	if want := fmt.Sprintf("{%q:false}", "isPaused"); string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
